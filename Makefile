# The verbs of this project; each sets up what it needs. CI runs the same ones.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help run client client-shots package test check proto bench faults clean

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The first Python that fits, or PYTHON=…; then every package in the version that is locked.
$(READY): pyproject.toml requirements.lock
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 ''; do \
	  [ -z "$$python" ] || "$$python" -c '$(FITS)' 2>/dev/null && break; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Hongyan needs Python 3.11 to 3.13, and here is $$(python3 --version 2>&1). Try: make PYTHON=/path/to/python3.11 …" >&2; \
	  exit 1; \
	fi; \
	if ! { $(BIN)/python -c '$(FITS)' && $(BIN)/python -m pip --version; } >/dev/null 2>&1; then \
	  echo "· setting up $(VENV) with $$("$$python" --version)"; \
	  "$$python" -c 'import ensurepip' 2>/dev/null || \
	    { [ "$$(id -u)" = 0 ] && command -v apt-get && apt-get -qq update && \
	      DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv; } >/dev/null 2>&1 || true; \
	  "$$python" -m venv --clear $(VENV) >/dev/null || \
	    { echo "$$python cannot make a virtual environment; on Debian: sudo apt-get install python3-venv" >&2; exit 1; }; \
	fi
	@echo "· installing the packages (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $(READY)

run: $(READY) ## Run the whole system on this machine
	@exec $(BIN)/python -m services.embedded.main --end-with-parent

client: $(READY) ## Open the app; CLIENT="--address URL" for another gateway
	@$(BIN)/python -m app.main $(CLIENT)

client-shots: $(READY) ## Take a picture of every screen of the app, into .hongyan/shots; SHOTS="--form phone" for a part
	@tests/install-servers
	@$(BIN)/python -m tests.app.shots $(SHOTS)

package: $(READY) ## Build the app for this desktop into dist/, start it and look at it
	@tests/install-servers
	@$(BIN)/python -c 'import PyInstaller' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[package]'
	@$(BIN)/python -m packing.desktop

test: $(READY) ## Run all tests: unit, service and system, kill tests among them
	@tests/install-servers
	@# The app has one window and one loop for all its tests: a process of its own.
	@failed=0; \
	$(BIN)/python -m pytest --ignore tests/app || failed=1; \
	$(BIN)/python -m pytest tests/app || failed=1; \
	exit $$failed

check: $(READY) ## Check style, types, layers, the contract and the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python proto/generate.py --check
	$(BIN)/buf format --diff --exit-code proto --exclude-path proto/gen
	@# released.binpb is the contract of the last release: whoever releases copies
	@# proto/gen/hongyan.binpb there. What it has is not taken away from old clients.
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && set -ex && \
	  $(BIN)/python proto/generate.py --lint-set "$$scratch/contract.binpb" && \
	  $(BIN)/buf lint "$$scratch/contract.binpb" --config buf.yaml && \
	  $(BIN)/buf breaking proto/gen/hongyan.binpb --against proto/released.binpb --config buf.yaml
	$(BIN)/python -m pytest -q tests/unit/docs

proto: $(READY) ## Make proto/gen from the contract, the map of files and the table of REST
	$(BIN)/python proto/generate.py
	$(BIN)/python docs/map.py
	$(BIN)/python docs/rest.py

bench: $(READY) ## Measure what a message costs; the table is in .hongyan/bench.json too
	@tests/install-servers
	@$(BIN)/python -m loadtest.bench $(BENCH)

faults: $(READY) ## Break everything, long: the table is in .hongyan/faults.json too
	@tests/install-servers
	@$(BIN)/python -m tests.faults $(FAULTS)

clean: ## Remove the virtual environment and caches; data in .hongyan stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
