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

.PHONY: deps build demo test test-mpi test-units test-tsan test-asan soak ablations bench bench-peer install uninstall \
	format lint clean

deps:
	@./scripts/deps $(PACKAGES)

build: deps
	$(BUILD)

demo: build
	$(BIN)/tavisd demo

# What is alone in its process: kernels' tests switch instruction sets and matrix libraries, a training step at full
# size needs the memory of several other tests, and live streams and servers keep time.
TEST := $(SWIFT) test -c release -Xswiftc -enable-testing
LIVE := ServiceTests|\.Live[A-Za-z]*Tests|tavisdTests\.RunTests

test: deps
	$(TEST) --skip 'CKernelsTests|GoldenStepTests|$(LIVE)'
	$(TEST) --no-parallel --filter '$(LIVE)'
	$(TEST) --filter CKernelsTests
	$(TEST) --filter GoldenStepTests

# The daemon for MINUTES with two streams, then half as long with a camera that comes and goes.
MINUTES ?= 20

soak: deps
	TAVIS_SOAK=$$(($(MINUTES) * 60)) $(TEST) --filter SoakTests

# The systemd units, on a systemd booted for them; as root.
test-units: demo
	@./scripts/deps systemd-container
	./scripts/try-units $(BIN)/tavisd out/demo-input.mp4

# Media and streaming under a sanitizer, each with a build of its own. GLib gives its memory back at once, as an
# allocator of its own hides mistakes. Calls keep their places on the stack, which a test compares.
SANITIZED = $(SWIFT) build -c release -Xswiftc -enable-testing --build-tests --sanitize=$(1) --scratch-path .build/$(1)
SANITIZED_TESTS := release/tavisdPackageTests.xctest --testing-library swift-testing --no-parallel \
	--filter 'MediaTests|StreamingTests'

test-tsan: deps
	$(call SANITIZED,thread)
	clang -O2 -Wall -shared -fPIC -o .build/thread/locks.so scripts/sanitizers/locks.c
	G_SLICE=always-malloc LD_PRELOAD=.build/thread/locks.so .build/thread/$(SANITIZED_TESTS)

test-asan: deps
	$(call SANITIZED,address)
	G_SLICE=always-malloc ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 .build/address/$(SANITIZED_TESTS)

# Processes on this machine that train together; needs libopenmpi-dev and openmpi-bin as well.
MPI := --traits MPI --scratch-path .build/mpi

test-mpi: deps
	@./scripts/deps libopenmpi-dev openmpi-bin
	$(TEST) $(MPI) --filter MPITests

# What each part of TAViS is worth: a short run with all parts, and one without each. Their table comes last.
ablations: build
	./scripts/ablate $(BIN)/tavisd config/train-ablation.yaml runs/ablation

bench: build
	$(BIN)/tavisbench

# Beside the official PyTorch code: PEER holds checkouts named sam2, ImageBind and TAViS, PYTHON has what
# Benchmarks/peer_bench.py asks for; RUNS and ONLY (stages) are for both.
PEER ?=
PYTHON ?= python3
RUNS ?= 5
ONLY ?=

bench-peer: build
	@test -n '$(PEER)' || { echo 'PEER=folder with checkouts of sam2, ImageBind and TAViS is missing'; exit 1; }
	mkdir -p out
	$(PYTHON) Benchmarks/peer_bench.py --peer '$(PEER)' --runs $(RUNS) --json out/peer.json $(if $(ONLY),--only $(ONLY))
	$(BIN)/tavisbench --runs $(RUNS) --compare out/peer.json --json out/bench.json $(if $(ONLY),--only $(ONLY))

# DESTDIR=folder stages a package; PREFIX=/usr is what packages want.
PREFIX ?= /usr/local
UNITS := $(notdir $(wildcard systemd/*.service))
UNIT_DIR = $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/usr/lib,/etc)/systemd/system

install: build
	install -D -m 755 $(BIN)/tavisd $(DESTDIR)$(PREFIX)/bin/tavisd
	install -D -m 644 systemd/tavisd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/tavisd.conf
	install -d $(UNIT_DIR) $(DESTDIR)$(PREFIX)/share/doc/tavisd/config
	for unit in $(UNITS); do \
		sed 's|/usr/local/bin/|$(PREFIX)/bin/|' "systemd/$$unit" >$(UNIT_DIR)/"$$unit" || exit 1; \
		chmod 644 $(UNIT_DIR)/"$$unit" || exit 1; done
	install -m 644 config/*.yaml config/*.json config/*.txt config/*.pipeline $(DESTDIR)$(PREFIX)/share/doc/tavisd/config/
	@echo 'Installed. Write /etc/tavisd/tavisd.yaml (examples: $(PREFIX)/share/doc/tavisd/config), then:'
	@echo '  systemd-sysusers && systemctl daemon-reload && systemctl enable --now tavisd'

# Configuration and recordings stay.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/tavisd $(DESTDIR)$(PREFIX)/lib/sysusers.d/tavisd.conf $(addprefix $(UNIT_DIR)/,$(UNITS))
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/tavisd

format:
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests

clean:
	$(SWIFT) package clean
	rm -rf out
