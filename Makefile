# Every command a person needs; `make help` lists them.
VENV ?= .venv
PYTHON ?= python3
PIP_EXTRA ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ENV := OMP_NUM_THREADS=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true HF_HUB_DISABLE_TELEMETRY=true PYTHONPATH=.

# Two workers: the integration tests share a run and stay together on one (the daemon's on the other), so a third would
# find little to do.
SPREAD := --numprocesses 2

.DEFAULT_GOAL := help
.PHONY: help install run ui test test-fast test-browser test-postgresql lint format bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  VENV=DIR uses another environment than .venv; CAMPAIGN=NAME another campaign than demo."

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_EXTRA) --constraint constraints.txt --editable '.[test]'
	touch $(STAMP)

install: $(STAMP) ## Make the environment, if it is missing or out of date

run: $(STAMP) ## Run the whole pipeline on the demo campaign and print the report's path
	$(ENV) $(BIN)/twig run --campaign $(or $(CAMPAIGN),demo)

ui: $(STAMP) ## The desk on http://127.0.0.1:3100, Dagster on :3000 and MLflow on :5000
	$(ENV) $(BIN)/twig ui --campaign $(or $(CAMPAIGN),demo)

# Chromium is the one thing that pip cannot bring. Without it the tests of the pages are skipped, and say so.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && timeout 300 apt-get install -y -qq chromium >/dev/null; } || \
	  echo "No Chromium: the tests of the pages will be skipped. 'apt-get install chromium' as root brings it."

test: $(STAMP) lint chromium ## The whole test suite
	$(ENV) $(BIN)/python -m pytest $(SPREAD)

test-fast: $(STAMP) ## Unit tests only
	$(ENV) $(BIN)/python -m pytest tests/unit $(SPREAD)

test-browser: $(STAMP) chromium ## What the servers show, in a real browser
	$(ENV) $(BIN)/python -m pytest tests/integration/test_ui.py

test-postgresql: $(STAMP) chromium ## The integration tests with catalog and Dagster on PostgreSQL
	$(ENV) $(BIN)/python -m pytest tests/integration --storage postgresql

lint: $(STAMP) ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(ENV) $(BIN)/lint-imports

format: $(STAMP) ## Let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Measure the embedded models
	$(ENV) $(BIN)/twig bench model-zoo

.PHONY: gpu-check
gpu-check: $(STAMP) ## Everything that computes on a GPU, there and on the CPU: time, memory, equality; at most 8 minutes
	$(ENV) $(BIN)/python -m twig_assets.bench.gpu_check $(if $(DEVICE),--device $(DEVICE))

clean: ## Remove the state folder: catalog, images, runs and reports
	rm -rf .twig .tmp_dagster_home_*
