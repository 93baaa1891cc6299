# Everything that one does with this checkout. `make help` lists the targets.
# Built things go to build/, expensive ones are kept in ~/.cache/billet (BILLET_CACHE).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BUILD := build
CARGO := cargo
CARGO_TARGET_DIR ?= target
AGENT_TARGET := x86_64-unknown-linux-musl
# The kernel of the ramdisk and of the Debian image: cloud (virtual machines) or generic (all hardware)
FLAVOUR ?= cloud

.PHONY: help setup agent ramdisk agent-arm64 ramdisk-arm64 arm64 stubs tiny debian artifacts programs check-images demo demo-down test fuzz lint bench bench-pxe bench-ipmi bench-redfish generate clean

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do printf '  %-14s %s\n' "$$target" "$$text"; done

setup: ## Install the Debian packages that the builds and the lab need
	@lab/setup

agent: ## Build the ramdisk's program, static and small, to build/billet-agent
	$(CARGO) build --locked --profile agent --target $(AGENT_TARGET) --package images-agent
	@mkdir -p $(BUILD)
	@cp --preserve=timestamps $(CARGO_TARGET_DIR)/$(AGENT_TARGET)/agent/billet-agent $(BUILD)/billet-agent

ramdisk: agent ## Build the kernel and the ramdisk that machines netboot, to build/
	@images/ramdisk/build $(BUILD)/billet-agent $(BUILD) $(FLAVOUR)

agent-arm64: ## The ramdisk's program for arm64, to build/billet-agent-arm64
	@CARGO='$(CARGO)' CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' images/ramdisk/agent-arm64 $(BUILD)/billet-agent-arm64

ramdisk-arm64: agent-arm64 ## Kernel and ramdisk for arm64, to build/
	@images/ramdisk/build $(BUILD)/billet-agent-arm64 $(BUILD) $(FLAVOUR)

arm64: ## The same, if this machine can build for arm64; otherwise it says why not, and goes on
	@if images/ramdisk/agent-arm64 --check; then $(MAKE) --no-print-directory ramdisk-arm64; fi

stubs: ## Fetch the UEFI stubs of unified kernel images, to build/
	@images/ramdisk/stubs $(BUILD)

tiny: ## Build the tiny test system, to build/tiny.raw.zst
	@images/os/tiny $(BUILD)/tiny.raw

debian: ## Build the Debian image with cloud-init, to build/debian.raw.zst
	@images/os/debian $(BUILD)/debian.raw $(FLAVOUR)

artifacts: setup ## All of the above
	@$(MAKE) --no-print-directory ramdisk arm64 stubs tiny debian

check-images: tiny debian ## Start both images in QEMU under BIOS and UEFI and see them phone home
	@for image in tiny debian; do for firmware in bios uefi; do images/os/check $(BUILD)/$$image.raw $$firmware; done; done

programs: ## Build the service, the command line and the lab
	$(CARGO) build --locked --package provisioner --package lab

demo: artifacts programs ## The whole story on two virtual machines, told as it goes (KEEP=1 leaves it running)
	@lab/demo

demo-down: ## End what KEEP=1 make demo left
	@lab/demo down

# The journeys with real firmware come last and two by two: firmware waits a lot, and patience follows progress.
test: artifacts lint ## Everything that a change must pass: set-up, lint, tests, fuzzing, journeys with real firmware
	$(CARGO) build --locked --workspace
	$(CARGO) test --locked --workspace --exclude tests
	$(CARGO) test --locked --package tests --test it
	$(CARGO) test --locked --package tests --test net
	tests/fuzz/run
	$(CARGO) test --locked --package tests --test lab -- --test-threads=2

fuzz: ## Throw coverage-guided nonsense at what strangers' bytes meet, 60 s a target (SECONDS=n for others)
	tests/fuzz/run $(or $(SECONDS),60)

bench: setup ## Time importing and writing an image against programs of Debian
	$(CARGO) bench --locked --package images --bench image

bench-pxe: ## Time DHCP, TFTP and HTTP boot against Kea, dnsmasq, atftpd and nginx (as root)
	tests/bench/run

bench-ipmi: ## Time power queries over IPMI against ipmitool, and poll ten thousand simulated BMCs
	tests/bench/run-ipmi

bench-redfish: ## Time power queries over Redfish against sushy, and poll ten thousand simulated BMCs
	tests/bench/run-redfish

generate: ## Rewrite the generated files that tests compare
	UPDATE=1 $(CARGO) test --locked --package provisioner-lifecycle --test it transitions
	UPDATE=1 $(CARGO) test --locked --package provisioner --lib cli

lint: ## Formatting, clippy, shell scripts, licences and sources of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	.ci/shell-lint
	.ci/cargo-deny

clean: ## Remove what was built (not the cache)
	rm -rf $(BUILD)
	$(CARGO) clean
