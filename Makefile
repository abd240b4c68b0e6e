CARGO ?= cargo
CARGO_TARGET_DIR ?= target
ARGS ?=

# Beside cargo's own folders, whose names depend on the platform.
BIN = $(CARGO_TARGET_DIR)/bin

.PHONY: help build compare test test-all bench check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the programs, optimised, into target/bin
	@.ci/setup
	$(CARGO) install --quiet --locked --no-track --force --path . --root $(CARGO_TARGET_DIR)
	@echo "built: $(BIN)/crun-capture, with crun-capture-emit and fake-crun beside it"

compare: build ## Compare all strategies on real and fake crun (quick; ARGS="…" adds options)
	$(BIN)/crun-capture compare --quick $(ARGS)

test: ## Run the tests, on crun and the fake, and each benchmark once at a small size
	@.ci/setup
	$(CARGO) test --workspace --no-fail-fast

test-all: ## Run all tests, on every runtime that is found
	@.ci/setup
	CRUN_CAPTURE_TEST=all $(CARGO) test --workspace --no-fail-fast

bench: ## Run the benchmarks
	@.ci/setup
	$(CARGO) bench --workspace

check: ## rustfmt, clippy and the documentation, all without a warning
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items

clean: ## Remove what was built and recorded
	$(CARGO) clean
	rm -rf .crun-capture
