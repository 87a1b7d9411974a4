# `make demo` and `make test` need nothing installed but Python >= 3.11 and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

# Everything uses the toolchain that `make setup` pinned; oracle/toolchain.py says which executable that is.
export FOUNDRY_DISABLE_NIGHTLY_WARNING := 1
FORGE = FOUNDRY_SOLC="$$($(BIN)/python -m oracle.chain.solc path contracts)" "$$($(BIN)/python -m oracle.toolchain path forge)"

.PHONY: help setup demo test check fmt bench lock clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

setup: ## create .venv and node_modules from the lock files; again only when a pin changes
	@$(PYTHON) scripts/bootstrap.py

demo: setup ## recorded market data through model, prover and a local chain (ARGS="--ticks 400 --seed 7")
	@$(BIN)/oracle demo $(ARGS)

test: setup ## all tests, Python and Solidity
	$(BIN)/pytest -q -n 2 --dist loadfile $(ARGS)
	@if [ -d contracts/test ]; then set -x; $(FORGE) test; fi

check: setup ## lint, types, layers, formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if [ -d contracts ]; then set -xe; $(FORGE) fmt --check; FOUNDRY_PROFILE=lint $(FORGE) lint; fi

fmt: setup ## format Python and Solidity
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .
	@if [ -d contracts ]; then $(FORGE) fmt; fi

bench: setup ## measure proving, gas and latency on this machine; writes build/bench.json
	@$(BIN)/oracle bench $(ARGS)

# --universal: one lock for every platform and Python version. No index is written down: each user's own applies.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: setup ## write the lock files again from pyproject.toml, requirements-*.in and package.json (UPGRADE=--upgrade)
	$(UV_COMPILE) $(UPGRADE) --all-extras pyproject.toml -o requirements.lock
	$(UV_COMPILE) requirements-uv.in -o requirements-uv.lock
	$(UV_COMPILE) requirements-node.in -o requirements-node.lock
	npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved=true

clean: ## remove what was built
	rm -rf build out cache broadcast .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

distclean: clean ## remove the environment too
	rm -rf .venv node_modules
