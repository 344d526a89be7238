print("tavisd")
