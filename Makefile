# The commands for a clone; each first makes what it needs in a virtual environment of its own.
#
#   make demo     train both classifiers from the starter data and guard a chat with them
#   make test     run the tests
#   make check    ruff, mypy on the installed package, the tests, the coverage gate
#   make docs     write docs/cli.md anew from the commands' help
#   make clean    remove the virtual environment and everything that was built
#
# PYTHON=python3.12 names another interpreter, VENV=folder another place for the environment.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SHIPPED := $(shell find __init__.py __main__.py cli.py py.typed classifier commands config demo rails scoring ssl_train \
	terminal -type f ! -name '*.pyc')
COVERAGE_GATE := 90

# The steps of `check` print in their order.
.NOTPARALLEL:
.PHONY: help demo test check lint types coverage docs clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed
	@$(BIN)/railmatch demo --out .

# Coverage is of the installed package, which is what users get; the report belongs to `make check`. A process a core,
# each with one thread: most tests cannot use two.
test: $(VENV)/.installed-for-tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests --numprocesses=auto --dist=worksteal --cov=railmatch --cov-report=

check: lint types test coverage

lint: $(VENV)/.installed-for-tests
	@$(BIN)/python -m ruff check .

types: $(VENV)/.installed-for-tests
	@$(BIN)/python -m mypy -p railmatch

# Judges what `test` measured, so that CI can run the tests once.
coverage: $(VENV)/.installed-for-tests
	@$(BIN)/python -m coverage report --skip-covered --fail-under=$(COVERAGE_GATE)

docs: $(VENV)/.installed
	@$(BIN)/python docs/generate.py

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit('RailMatch needs Python 3.11 or newer: make PYTHON=python3.12' if sys.version_info < (3, 11) else 0)"
	@$(PYTHON) -m venv $(VENV)

# `build` goes first because setuptools would pack what an earlier build left there.
$(VENV)/.installed: $(SHIPPED) pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing RailMatch into $(VENV) (the first time this downloads PyTorch and takes some minutes) ..."
	@rm -rf build
	@$(PIP) .
	@touch $@

$(VENV)/.installed-for-tests: $(SHIPPED) pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing RailMatch and its test tools into $(VENV) (the first time this downloads PyTorch and takes some minutes) ..."
	@rm -rf build
	@$(PIP) ".[test]"
	@touch $(VENV)/.installed $@

clean:
	@rm -rf $(VENV) build dist railmatch.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
