# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` are all a newcomer needs.

SWIFT ?= swift
BUILD := $(SWIFT) build -c release
BIN = $(shell $(BUILD) --show-bin-path)

# Debian 12 packages: to build, to run.
PACKAGES := libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev libsystemd-dev \
	libpng-dev zlib1g-dev pkg-config libdnnl2 libopenblas0-pthread \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
	gstreamer1.0-libav gstreamer1.0-alsa gstreamer1.0-pulseaudio gstreamer1.0-tools

.PHONY: deps build demo test bench format lint clean

deps:
	@./scripts/deps $(PACKAGES)

build: deps
	$(BUILD)

demo: build
	$(BIN)/tavisd demo

# The kernels' tests switch instruction sets and matrix libraries for the whole process, and a training step at full
# size needs the memory of several other tests: they run by themselves.
TEST := $(SWIFT) test -c release -Xswiftc -enable-testing

test: deps
	$(TEST) --skip 'CKernelsTests|GoldenStepTests'
	$(TEST) --filter CKernelsTests
	$(TEST) --filter GoldenStepTests

bench: build
	$(BIN)/tavisbench

format:
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests

clean:
	$(SWIFT) package clean
	rm -rf out
