# `make demo` and `make test` need nothing installed but Python >= 3.11 and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

# All targets use the toolchain that `make setup` installs; oracle/chain/local/toolchain.py finds its executables.
export FOUNDRY_DISABLE_NIGHTLY_WARNING := 1

# Python keeps what it compiled, also where the environment forbids that: a daemon would need twice as long to start.
export PYTHONDONTWRITEBYTECODE :=
FORGE = FOUNDRY_SOLC="$$($(BIN)/python -m oracle.chain.local.solc path contracts)" "$$($(BIN)/python -m oracle.chain.local.toolchain path forge)"

# Run forge's tests, and write the gas that they measure into MEASURED.
MEASURED := build/forge/snapshots
MEASURE = rm -rf $(MEASURED); FORGE_SNAPSHOT_CHECK=false FORGE_SNAPSHOT_EMIT=true FOUNDRY_SNAPSHOTS=$(MEASURED) $(FORGE) test

.PHONY: help setup demo test test-python test-contracts test-web check-web explorer npm test-durations test-ray chaos soak network test-deep coverage snapshots check docs references slither container symbolic mutants sbom reproducible fmt bench bench-models bench-explorer detector-report lock clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

setup: ## create .venv and node_modules from the lock files; does nothing until a pin changes
	@$(PYTHON) scripts/bootstrap.py

demo: setup ## play recorded market data through model, prover and a local chain (ARGS="--ticks 400 --explore")
	@case " $(ARGS) " in *" --explore "*) $(MAKE) --no-print-directory explorer ;; esac
	@$(BIN)/oracle demo $(ARGS)

test: setup ## run the Python, Solidity and web tests, except those that need a Ray cluster and most of the faults
	@# The build comes first: a Python test compares forge's output with the packaged contracts. It uses all cores.
	@$(FORGE) build
	@# Tests of the npm packages are among the Python ones.
	@$(PYTHON) scripts/bootstrap.py --web
	@# Both run side by side: the longest Solidity test has one thread, and the Python workers end one after the other.
	@$(MAKE) --no-print-directory -j2 test-python test-contracts
	@# The pages come last, alone: a browser, a chain and checks of proofs fill two cores, and circuits are in the cache by now.
	@$(MAKE) --no-print-directory test-web

# Three workers suit two cores: one of them mostly waits, for networks of reporters. See tests/distribution.py, also for the
# order. xdist would begin with the files of the most tests, which are short.
PYTEST = $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not ray and not chaos_long and not deep"

test-python: setup ## run the Python tests (ARGS="-k gate")
	@# Tests of the npm packages need another compiler, and TypeScript's.
	@$(PYTHON) scripts/bootstrap.py --web
	$(PYTEST) $(ARGS)

test-durations: setup ## run the Python tests, and write the ten slowest into tests/README.md
	$(PYTEST) --junit-xml build/test-report.xml
	$(BIN)/python -m scripts.slowest_tests build/test-report.xml

# The output is printed at the end, so that it does not mix with that of the Python tests.
test-contracts: setup ## run the Solidity tests, and compare their gas with contracts/snapshots
	@mkdir -p build/forge
	@{ $(MEASURE); } > build/forge/test.log 2>&1; status=$$?; cat build/forge/test.log; exit $$status
	@# The folders are compared as a whole: forge's own check ignores a scenario that is new or gone.
	@diff -ru contracts/snapshots $(MEASURED) || { echo 'gas has changed: if that is meant, `make snapshots`' >&2; exit 1; }

# Node.js may come from .venv: scripts/web.py finds it, and runs npm's scripts in the projects `npm` and `explorer`.
WEB = $(PYTHON) scripts/bootstrap.py --web && $(BIN)/python -m scripts.web

test-web: setup ## test the npm packages, and the explorer in a real browser
	@$(WEB) test

explorer: setup ## build the explorer's pages, which `oracle explore` serves
	@$(WEB) build

bench-explorer: setup ## measure first paint and checks of the explorer in a real browser; a minute
	@$(WEB) bench

npm: setup ## pack what is published on npm into build/npm
	@$(PYTHON) scripts/bootstrap.py --web
	@$(BIN)/python -m scripts.npm_pack build/npm

check-web: setup ## check lint and types of the npm packages and of the explorer; part of `make check`
	@$(WEB) check

test-ray: setup ## run the provers' conformance suite on a Ray cluster of this machine; two minutes
	$(BIN)/pytest -q -m ray tests/integration/test_prover_ray.py $(ARGS)

chaos: setup ## try every fault of docs/reliability.md on a real daemon and a real chain; ten minutes (ARGS="-k rpc")
	$(BIN)/pytest -q -m chaos $(ARGS)

soak: setup ## run 10,000 rounds of 8 feeds with kills and faults; writes build/soak.json (ARGS="--rounds 1000 --seed 2")
	$(BIN)/python -m scripts.soak $(ARGS)

network: setup ## measure a network of reporters; writes build/network.json (ARGS="--soak 2000": the long run, with kills and faults)
	$(BIN)/python -m scripts.network $(ARGS)

test-deep: setup coverage test-ray chaos ## run ten times the fuzzing and invariant calls, Ray, all faults, a short soak, coverage, exports
	FOUNDRY_FUZZ_RUNS=2560 FOUNDRY_INVARIANT_RUNS=2560 $(FORGE) test
	$(BIN)/pytest -q -m deep
	$(BIN)/python -m scripts.soak --rounds 1000 --out build/soak-short.json
	@$(MAKE) --no-print-directory bench-models ARGS="--no-defaults --at-least 27 --out build/exports-built.json"

coverage: setup ## measure how much of contracts/src forge's tests reach; fails below 98 % of lines or 95 % of branches
	@mkdir -p build/forge/coverage
	FOUNDRY_PROFILE=coverage $(FORGE) coverage --ir-minimum --exclude-tests --no-match-coverage 'examples|mocks|node_modules' \
		--no-match-path 'contracts/test/{Gas,Invariants}.t.sol' --no-match-test test_codeFitsTheChainsLimit \
		--report lcov --report-file build/forge/coverage/lcov.info
	$(BIN)/python -m scripts.coverage build/forge/coverage/lcov.info --lines 98 --branches 95

snapshots: setup ## write contracts/snapshots again: the gas of submissions, cards and claims, which `make test` compares
	$(MEASURE) --match-path 'contracts/test/{Gas,ModelCard,ClaimRegistry,ClaimTerms}.t.sol'
	@rm -rf contracts/snapshots && cp -R $(MEASURED) contracts/snapshots

check: setup ## check lint, types, layers and formatting, and run the static analysis
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if [ -d contracts ]; then set -xe; $(FORGE) fmt --check; FOUNDRY_PROFILE=lint $(FORGE) lint; fi
	@$(MAKE) --no-print-directory check-web
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory slither
	@$(MAKE) --no-print-directory container
	@$(MAKE) --no-print-directory sbom

docs: setup ## build the documentation site into build/site, and compare it with its pages; part of `make check`
	@$(PYTHON) scripts/bootstrap.py --docs --web
	@$(BIN)/python -m scripts.site

# The interfaces, errors, metrics, commands and configuration have pages that are made from them.
references: setup ## write the pages that are made from the code: docs/{solidity,errors,metrics,cli,configuration}.md
	@for each in contract error metric command config; do $(BIN)/python -m scripts.$${each}_reference || exit 1; done

slither: setup ## run the static analysis of contracts/src; part of `make check`
	@$(PYTHON) scripts/bootstrap.py --slither
	$(BIN)/python -m scripts.slither

container: setup ## lint packaging/Containerfile; part of `make check`
	@$(PYTHON) scripts/bootstrap.py --hadolint
	.venv-hadolint/bin/hadolint packaging/Containerfile

symbolic: setup ## prove contracts/test/symbolic for all inputs; ten minutes (ARGS="--only Slots")
	@$(PYTHON) scripts/bootstrap.py --symbolic
	$(BIN)/python -m scripts.symbolic $(ARGS)

mutants: setup ## change the code in one place after the other: do the tests notice? hours (ARGS="solidity --sample 200 --seed 1")
	@$(BIN)/python -m scripts.mutants $(ARGS)

sbom: setup ## list all packages with their hashes, in CycloneDX's format, in build/sbom; part of `make check`
	@$(PYTHON) scripts/bootstrap.py --sbom
	$(BIN)/python -m scripts.sbom build/sbom

reproducible: setup ## make all that is published twice, from fresh clones, and compare the bytes; five minutes (ARGS="--out FILE")
	$(BIN)/python -m scripts.reproducible $(ARGS)

fmt: setup ## format Python and Solidity
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .
	@if [ -d contracts ]; then $(FORGE) fmt; fi

# PyTorch is too large for the environment. If this one has it, its exports are written, too; else name another: EXPORTER=python3
EXPORTER ?= $(BIN)/python
bench-models: setup ## build and prove what scikit-learn, XGBoost and LightGBM export, beside ezkl's defaults (ARGS="--no-defaults")
	@$(EXPORTER) -m tests.exports build/exports
	@$(BIN)/oracle bench models build/exports --out build/bench-exports.json $(ARGS)

bench: setup ## measure proving, gas and latency on this machine; writes build/bench.json
	@$(BIN)/oracle bench $(ARGS)

# The report compares with libraries that nothing else needs: they lie in a folder of their own.
REPORT := build/report-packages

detector-report: setup ## measure all detectors on a folder's recordings; 15 minutes (DATA=FOLDER ARGS="--docs docs")
	@test -n "$(DATA)" || { echo 'say where the recordings are: make detector-report DATA=FOLDER' >&2; exit 2; }
	@$(BIN)/uv pip install --quiet --no-deps --require-hashes --target $(REPORT) -r requirements-report.lock
	@PYTHONPATH=$(REPORT) nice $(BIN)/python -m scripts.detector_report "$(DATA)" $(ARGS)

# --universal makes one lock for every platform and Python version. It names no index, so each user's own applies.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: setup ## write the lock files again from pyproject.toml, requirements-*.in and package.json (UPGRADE=--upgrade)
	$(UV_COMPILE) $(UPGRADE) --all-extras pyproject.toml -o requirements.lock
	$(UV_COMPILE) requirements-uv.in -o requirements-uv.lock
	$(UV_COMPILE) requirements-node.in -o oracle/chain/local/pins/requirements-node.lock
	$(UV_COMPILE) requirements-slither.in -o requirements-slither.lock
	$(UV_COMPILE) requirements-hadolint.in -o requirements-hadolint.lock
	$(UV_COMPILE) requirements-symbolic.in -o requirements-symbolic.lock
	$(UV_COMPILE) requirements-sbom.in -o requirements-sbom.lock
	$(UV_COMPILE) requirements-docs.in -o requirements-docs.lock
	@# What the environment has already is not installed twice.
	$(UV_COMPILE) -c requirements.lock $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
		requirements-report.in -o requirements-report.lock
	npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved=true
	$(BIN)/python -m scripts.pin_tools
	cd examples/pull && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved=true

clean: ## remove everything that was built
	rm -rf build out cache broadcast .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

distclean: clean ## remove the environment too
	rm -rf .venv .venv-slither .venv-hadolint .venv-symbolic .venv-sbom .venv-docs node_modules examples/pull/node_modules
