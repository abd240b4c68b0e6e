CARGO ?= cargo
ARGS ?=

.PHONY: help compare test bench check clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

compare: ## Compare all strategies on real and fake crun (quick; ARGS="…" adds options)
	@.ci/setup
	$(CARGO) build --release --bins
	$(CARGO) run --release --quiet --bin crun-capture -- compare --quick $(ARGS)

test: ## Run all tests, and each benchmark once at a small size
	@.ci/setup
	$(CARGO) test --workspace --no-fail-fast

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
