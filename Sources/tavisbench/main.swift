print("tavisbench")
