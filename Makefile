# Everything a contributor or CI does. Set-up is automatic: each target needs stamps, and a stamp is
# renewed only when the files that it depends on have changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
WORKERS ?= auto
SECONDS ?= 600
OPERATIONS ?= 50000
KILLS ?= 200

.DEFAULT_GOAL := help
.PHONY: help verify test lint format type fuzz bench stress conformance clients setup clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

verify: setup ## Verify the sample backend, tick its workflow document, print the report
	@$(BIN)/harness verify

test: setup $(STAMPS)/javascript ## Run all tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

lint: setup ## Check format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

fuzz: setup ## Look for crashes and disagreements of the rules engine (SECONDS=600, RULES=a folder)
	@$(BIN)/python -m tests.rules.fuzz --seconds $(SECONDS) $(if $(RULES),--rules $(RULES))

bench: setup $(STAMPS)/peers ## Measure every target beside its peers, ten minutes (PARTS="start rules", verify: more)
	@$(BIN)/python -m compileall -q harness benchmarks
	@$(BIN)/python -m benchmarks $(PARTS)

stress: setup ## Fail and kill servers under load (OPERATIONS=50000, KILLS=200)
	@HARNESS_STRESS_OPERATIONS=$(OPERATIONS) HARNESS_STRESS_KILLS=$(KILLS) \
		HARNESS_STRESS_CONNECTIONS=10000 HARNESS_STRESS_LISTENERS=1000 HARNESS_STRESS_FRAMES=20000 \
		$(BIN)/python -m pytest -s tests/stress tests/server/test_robustness.py

conformance: setup ## Run the published client's system tests on the embedded Firestore (ALL=1: skips too)
	@$(BIN)/python -m tests.conformance.run $(if $(ALL),--all)

clients: setup $(STAMPS)/javascript ## Ask the JavaScript clients the tables of cases (AGAINST=official or HOST:PORT: differences)
	@$(BIN)/python -m tests.clients.run $(if $(AGAINST),--against $(AGAINST))

setup: $(STAMPS)/python $(STAMPS)/suite $(STAMPS)/functions

$(STAMPS)/python: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "setting up Python packages in $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# Where PYTHONDONTWRITEBYTECODE is set, each start would compile all of it: three times as long.
	@$(BIN)/python -m compileall -q harness
	@mkdir -p $(STAMPS) && touch $@

# npm ci writes node_modules anew, so it runs only when a lock file has changed.
$(STAMPS)/suite: package-lock.json
	@command -v npm > /dev/null || { echo "npm is missing: install Node.js 20 or newer"; exit 3; }
	@echo "setting up the Firebase Emulator Suite (npm ci) ..."
	@npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/functions: backend/functions/package-lock.json
	@command -v npm > /dev/null || { echo "npm is missing: install Node.js 20 or newer"; exit 3; }
	@echo "setting up the sample backend's functions (npm ci) ..."
	@cd backend/functions && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@mkdir -p $(STAMPS) && touch $@

# What is missing is reported as not measured; then there is no stamp, and the next run tries again.
$(STAMPS)/peers: benchmarks/peer/package-lock.json pyproject.toml
	@echo "setting up what make bench compares with ..."
	@mkdir -p $(STAMPS)
	@( cd benchmarks/peer && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error ) \
		&& $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]' \
		&& touch $@ || echo "some of it cannot be had here; it will be reported as not measured"

$(STAMPS)/javascript: tests/javascript/package-lock.json
	@echo "setting up the JavaScript suites (npm ci) ..."
	@cd tests/javascript && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@mkdir -p $(STAMPS) && touch $@

clean: ## Remove everything that was made here
	@rm -rf $(VENV) $(STAMPS) node_modules backend/functions/node_modules \
		tests/javascript/node_modules benchmarks/peer/node_modules build dist *.egg-info \
		.conformance .mypy_cache .ruff_cache .pytest_cache .hypothesis .harness/last-run.json
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
