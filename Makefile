# Two commands: `make quickstart` and `make test`. Both make the environment they need.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
RUN ?= runs/quickstart

.DEFAULT_GOAL := help
.PHONY: help quickstart test lint clean

help:
	@echo "make quickstart   set up, distil the MPC of both arms at small budgets, write two reports (about 5 minutes)"
	@echo "make test         set up, check style and types, run all tests"
	@echo "make clean        remove the environment (runs/ is kept)"

quickstart: $(VENV)/.run-ready
	$(BIN)/ampc distill rigid-arm --preset quick --out $(RUN)/rigid
	$(BIN)/ampc distill flexible-arm --preset quick --out $(RUN)/flexible

test: $(VENV)/.test-ready lint
	$(BIN)/pytest -n 2 --dist worksteal

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "ampc needs Python 3.11 or newer; say which with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,report]'
	@touch $@

$(VENV)/.test-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@ $(VENV)/.run-ready

clean:
	rm -rf $(VENV)
