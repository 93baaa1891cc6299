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
# Tests of packages wait more than they reckon, for BMCs that answer late or never: two on each processor
UNITS_AT_ONCE ?= $(shell expr 2 '*' "$$(nproc)")

.PHONY: help setup agent ramdisk rescue agent-arm64 ramdisk-arm64 rescue-arm64 arm64 ramdisk-generic tiny-generic stubs tiny debian artifacts programs check-images demo demo-down fleet soak soak-ci soak-pg test fuzz lint bench bench-pxe bench-ipmi bench-redfish bench-image bench-api bench-fleet bench-sizing bench-quick generate clean

help: ## This list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do printf '  %-16s %s\n' "$$target" "$$text"; done

setup: ## Install the Debian packages that the builds and the lab need
	@lab/setup

agent: ## Build the ramdisk's program, static and small, to build/billet-agent
	$(CARGO) build --locked --profile agent --target $(AGENT_TARGET) --package images-agent
	@mkdir -p $(BUILD)
	@cp --preserve=timestamps $(CARGO_TARGET_DIR)/$(AGENT_TARGET)/agent/billet-agent $(BUILD)/billet-agent

ramdisk: agent ## Build the kernel and the ramdisk that machines netboot, to build/
	@images/ramdisk/build $(BUILD)/billet-agent $(BUILD) $(FLAVOUR)

rescue: ## Build the archive that rescued machines run, for that kernel, to build/rescue.img
	@images/ramdisk/rescue $(BUILD) $(FLAVOUR)

agent-arm64: ## The ramdisk's program for arm64, to build/billet-agent-arm64
	@CARGO='$(CARGO)' CARGO_TARGET_DIR='$(CARGO_TARGET_DIR)' images/ramdisk/agent-arm64 $(BUILD)/billet-agent-arm64

ramdisk-arm64: agent-arm64 ## Kernel and ramdisk for arm64, to build/
	@images/ramdisk/build $(BUILD)/billet-agent-arm64 $(BUILD) $(FLAVOUR)

rescue-arm64: ## The archive of rescues for arm64, to build/rescue-arm64.img
	@images/ramdisk/rescue $(BUILD) $(FLAVOUR) arm64

arm64: ## The same, if this machine can build for arm64; otherwise it says why not, and goes on
	@if images/ramdisk/agent-arm64 --check; then $(MAKE) --no-print-directory ramdisk-arm64; fi

ramdisk-generic: agent ## Kernel and ramdisk for all hardware, with which the lab deploys to SATA disks, to build/generic/
	@images/ramdisk/build $(BUILD)/billet-agent $(BUILD)/generic generic

tiny-generic: ## The tiny test system with that kernel, to build/generic/tiny.raw.zst
	@images/os/tiny $(BUILD)/generic/tiny.raw generic

stubs: ## Fetch the UEFI stubs of unified kernel images, to build/
	@images/ramdisk/stubs $(BUILD)

tiny: ## Build the tiny test system, to build/tiny.raw.zst, and to be run from RAM, to build/tiny.vmlinuz and .initrd
	@images/os/tiny $(BUILD)/tiny.raw

debian: ## Build the Debian image with cloud-init, to build/debian.raw.zst
	@images/os/debian $(BUILD)/debian.raw $(FLAVOUR)

artifacts: setup ## All of the above
	@$(MAKE) --no-print-directory ramdisk rescue arm64 ramdisk-generic stubs tiny tiny-generic debian

check-images: tiny debian ## Start both images in QEMU under BIOS and UEFI and see them phone home
	@for image in tiny debian; do for firmware in bios uefi; do images/os/check $(BUILD)/$$image.raw $$firmware; done; done

programs: ## Build the service, the command line and the lab
	$(CARGO) build --locked --package provisioner --package lab

demo: artifacts programs ## The whole story on two virtual machines, told as it goes (KEEP=1 leaves it running)
	@lab/demo

demo-down: ## End what KEEP=1 make demo left
	@lab/demo down

fleet: programs ## A hundred simulated machines and a service to play with, without hardware and without root
	$(CARGO_TARGET_DIR)/debug/billet-lab fleet --machines $(or $(MACHINES),100)

soak: ## Half an hour of kills, bad networks, lying BMCs and failing disks (SEED=n for the same script again)
	$(CARGO) build --locked --release --package provisioner --package lab
	$(CARGO_TARGET_DIR)/release/billet-lab fleet --scenario soak $(if $(SEED),--seed $(SEED))

soak-ci: programs ## The same in minutes
	$(CARGO_TARGET_DIR)/debug/billet-lab fleet --scenario soak-ci $(if $(SEED),--seed $(SEED))

soak-pg: programs ## A short one on PostgreSQL: the service is killed, its database server is stopped and killed
	$(CARGO_TARGET_DIR)/debug/billet-lab fleet --scenario soak-pg $(if $(SEED),--seed $(SEED))

# The journeys with real firmware come last and two by two: firmware waits a lot, and patience follows progress. All is
# built for the whole workspace: with fewer packages chosen their dependencies have fewer features, and are built again.
test: artifacts lint ## Everything that a change must pass: set-up, lint, tests, fuzzing, journeys with real firmware
	$(CARGO) build --locked --workspace --all-targets
	$(CARGO) test --locked --workspace --exclude tests
	$(CARGO) test --locked --workspace --test it --test statements
	$(CARGO) test --locked --workspace --test net
	$(CARGO) test --locked --workspace --test openapi
	tests/fuzz/run 30
	$(CARGO_TARGET_DIR)/debug/billet-lab fleet --scenario soak-ci --seed 1
	$(CARGO) test --locked --workspace --test lab -- --test-threads=2

fuzz: ## Throw coverage-guided nonsense at what strangers' bytes meet, 60 s a target (SECONDS=n for others)
	tests/fuzz/run $(or $(SECONDS),60)

bench: ## All benches beside their peers, an hour (as root, for pxe); writes docs/performance.md
	tests/bench/bench.py --write

bench-quick: ## One round of what takes seconds, five minutes; writes nothing
	tests/bench/bench.py --quick

bench-pxe: ## DHCP, TFTP and HTTP boot against Kea, dnsmasq, atftpd and nginx (as root)
bench-ipmi: ## Power queries over IPMI against ipmitool, and ten thousand simulated BMCs
bench-redfish: ## Power queries over Redfish against sushy, and ten thousand simulated BMCs
bench-image: ## Importing and writing an image against programs of Debian
bench-api: ## The API against OpenStack Ironic's
bench-fleet: ## Intake, deployment and polling of the simulated fleet
bench-sizing: ## What 100, 1,000 and 10,000 machines need
bench-pxe bench-ipmi bench-redfish bench-image bench-api bench-fleet bench-sizing:
	tests/bench/bench.py --write --only $(@:bench-%=%)

generate: ## Rewrite the generated files that tests compare
	UPDATE=1 $(CARGO) test --locked --package provisioner-lifecycle --test lifecycle_it transitions
	UPDATE=1 $(CARGO) test --locked --package provisioner --lib cli
	UPDATE=1 $(CARGO) test --locked --package provisioner --lib the_list_of_routes
	UPDATE=1 $(CARGO) test --locked --package provisioner --lib openapi
	UPDATE=1 $(CARGO) test --locked --package provisioner --lib metrics

lint: ## Formatting, clippy, scripts, licences and sources of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	.ci/shell-lint
	.ci/python-lint
	.ci/cargo-deny

clean: ## Remove what was built (not the cache)
	rm -rf $(BUILD)
	$(CARGO) clean
