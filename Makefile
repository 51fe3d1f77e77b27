# `make help` lists what there is. Every target sets up what it needs; a machine has to bring Rust, a C compiler and make.

# One folder for all checkouts of a user, so that wasmtime is compiled once.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/gateway/target
GUESTS := $(HOME)/.cache/gateway/guests
GATEWAY := $(CARGO_TARGET_DIR)/debug/gateway
PEERS := $(HOME)/.cache/gateway/peers
BASE_FOLDER := $(CURDIR)/build/bench-base
OPTIMIZED := $(HOME)/.cache/gateway/optimized
RELEASE := $(CURDIR)/build/release/gateway

# Folders of plugins: ours, and those that only tests use.
PLUGINS := $(patsubst %/plugin.toml,%,$(wildcard plugins/*/plugin.toml tests/guests/*/plugin.toml))
# Workspaces beside the main one: their crates are also built for WebAssembly.
GUEST_WORKSPACES := $(patsubst %/Cargo.toml,%,$(wildcard plugins/Cargo.toml tests/guests/Cargo.toml))

.DEFAULT_GOAL := help
.PHONY: help run test plugins release profile bench bench-micro bench-peers docs fmt ci check deny fuzz chaos attack test-languages test-admin build setup

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: plugins ## Start the quickstart: three demo services and the gateway; ctrl-C ends all of it
	examples/quickstart/run $(CARGO_TARGET_DIR)/debug

test: plugins check ## Build everything and run every test; ends with the table of what the gateway withstands
	@scripts/setup-tests
	@# Tests of the built gateway wait more than they compute.
	RUST_TEST_THREADS=4 cargo test --workspace --no-fail-fast
	cargo test --manifest-path plugins/Cargo.toml --workspace
	cargo test --workspace --quiet --test tidy -- --nocapture hardening

plugins: build ## Build every plugin, ours and the tests', into build/plugins
	@mkdir -p build/plugins
	@for folder in $(PLUGINS); do \
		CARGO_TARGET_DIR=$(GUESTS) $(GATEWAY) plugin build $$folder --output build/plugins || exit 1; \
	done

release: ## The program, optimized by the profile of its own load, in build/release
	scripts/optimized $(OPTIMIZED) $(RELEASE)

profile: plugins ## Make that profile anew, gateway/gateway.profdata: after changes on the way of a request
	scripts/profile $(HOME)/.cache/gateway/profile

bench: plugins release ## Compare with peers, optimized; BASE=commit, BENCH_ONLY=plain,key, BENCH_ROUNDS=n, BENCH_REPORT=file
	$(if $(BASE),scripts/bench-base $(BASE) $(BASE_FOLDER) $(GUESTS) $(OPTIMIZED))
	PATH=$$PATH:/usr/sbin BENCH_PEERS=$(PEERS) BENCH_GATEWAY=$(RELEASE) \
		BENCH_COMMIT=$$(git describe --always --dirty) $(if $(BASE),BENCH_BASE=$(BASE_FOLDER)) \
		$(if $(BENCH_REPORT),BENCH_REPORT=$(abspath $(BENCH_REPORT))) \
		cargo bench --package gateway-tests --bench requests

bench-micro: plugins ## Measure the parts alone, optimized: what a call inside the plugin host costs
	cargo bench --workspace --exclude gateway-tests --bench '*'

bench-peers: ## Install what `make bench` compares with: nginx, HAProxy, h2load, Envoy and its filter
	scripts/bench-peers $(PEERS)

docs: ## The documentation as a book, in build/docs/html; installs mdBook into the cache
	scripts/docs $(HOME)/.cache/gateway/tools build/docs

fmt: ## Format every workspace
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	@for folder in $(GUEST_WORKSPACES); do cargo fmt --all --manifest-path $$folder/Cargo.toml || exit 1; done

check: ## Formatting and lints, warnings refused; what is linked where
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	@for folder in $(GUEST_WORKSPACES); do cargo fmt --all --check --manifest-path $$folder/Cargo.toml || exit 1; done
	cargo clippy --workspace --all-targets -- --deny warnings
	@for folder in $(GUEST_WORKSPACES); do \
		cargo clippy --manifest-path $$folder/Cargo.toml --workspace --all-targets -- --deny warnings || exit 1; \
	done
	scripts/check-features

ci: ## What the build server runs
	.ci/run

deny: ## What we depend on: licences, sources, doubles, known faults (cargo-deny, built into the cache)
	scripts/deny

fuzz: ## Run every fuzz target, 60 s each; FUZZ_SECONDS=n, FUZZ_ONLY=path,lines, FUZZ_JOBS=n (cargo-fuzz, built into the cache)
	scripts/fuzz

chaos: plugins ## Everything that can go wrong, under load, for ten minutes; CHAOS_SECONDS=n
	CHAOS_SECONDS=$${CHAOS_SECONDS:-600} cargo test --workspace --test it -- --nocapture chaos

attack: plugins ## slowhttptest and h2load against the gateway (installs them)
	@scripts/setup-attack
	cargo test --workspace --test it -- --ignored --nocapture --test-threads=1 tools::

test-languages: plugins ## The same plugins in six languages pass the same scenarios; installs the toolchains into the cache
	examples/languages/test

test-admin: plugins ## Fuzz the admin API from its description, and try the dashboard in a real browser; pictures in build/admin
	tests/admin/test

build: setup
	@# Tests too, so that what they need of the dependencies is compiled once, with one set of features.
	cargo build --workspace --bins --tests

setup:
	@scripts/setup-wasm
