# The verbs of this project; each sets up what it needs. CI runs the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(name)),$(name))))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help run test check proto bench clean

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
	  { echo "Hongyan needs Python 3.11 to 3.13; '$(PYTHON)' is not. Try: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "· setting up $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null && \
	  $(PYTHON) -m venv $(VENV); } || \
	  { echo "cannot make a virtual environment: install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $(READY)

run: $(READY) ## Run the whole system on this machine
	@exec $(BIN)/python -m services.embedded.main

test: $(READY) ## Run all tests: unit, service and system, kill tests among them
	@tests/install-servers
	@$(BIN)/python -m pytest

check: $(READY) ## Check style, types, layers, the contract and the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python proto/generate.py --check
	$(BIN)/buf format --diff --exit-code proto --exclude-path proto/gen
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && set -ex && \
	  $(BIN)/python proto/generate.py --lint-set "$$scratch/contract.binpb" && \
	  $(BIN)/buf lint "$$scratch/contract.binpb" --config buf.yaml && \
	  $(BIN)/buf breaking proto/gen/hongyan.binpb --against proto/released.binpb --config buf.yaml
	$(BIN)/python -m pytest -q tests/unit/docs

proto: $(READY) ## Make proto/gen from the contract, and the map in docs/architecture.md
	$(BIN)/python proto/generate.py
	$(BIN)/python docs/map.py

bench: $(READY) ## Measure what a message costs; the table is in .hongyan/bench.json too
	@tests/install-servers
	@$(BIN)/python -m loadtest.bench $(BENCH)

clean: ## Remove the virtual environment and caches; data in .hongyan stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
