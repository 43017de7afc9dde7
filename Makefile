# groundup: two targets matter, and either works alone on a fresh clone:
#
#   make demo    raw text to a chat model, then how to talk to it
#   make test    everything that is checked on every change
#
# torch is installed first and pinned. For a GPU build, take the arguments from PyTorch's own selector:
#   make demo TORCH="torch==2.13.0 --index-url <the address that the selector shows>"

PYTHON ?= python3
TORCH  ?= torch==2.13.0
WORKERS ?= 2

ENV    := .venv
BIN    := $(ENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install
STAMPS := $(ENV)/stamps

.DEFAULT_GOAL := help
.PHONY: help demo test test-fixtures test-slow lint lesson clean

help:           ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMPS)/package  ## train a chat model from raw text, on this machine
	$(BIN)/groundup run zero-to-chat
	@if [ -f runs/zero-to-chat/report.json ]; then \
	    printf '\nIt is trained. Talk to it:\n\n    $(BIN)/groundup chat runs/zero-to-chat\n\n'; \
	    printf 'What was done, drawn and measured: runs/zero-to-chat/report.html\n'; \
	else printf '\nNot finished. `make demo` carries on where it stopped.\n'; exit 1; fi

test: lint test-fixtures  ## lint, types and the fast tests, offline after the fixtures are fetched
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not gpu"

test-slow: test-fixtures $(STAMPS)/oracle  ## the tests that take minutes: goldens, end to end, peers' oracles
	$(BIN)/groundup data get digits smollm2
	$(BIN)/python -m pytest -m "slow and not gpu"

test-fixtures: $(STAMPS)/test
	$(BIN)/groundup data get test-fixtures

lint: $(STAMPS)/test  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy groundup

lesson: $(STAMPS)/package  ## the lessons of the course
	$(BIN)/groundup lesson list

clean:          ## remove the environment and what tools cached (runs/ stays: it is your work)
	rm -rf $(ENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp a step, so that nothing is installed twice and a change of pyproject.toml installs again.
# torch comes before the package, or pip would choose a build of its own for it.

$(STAMPS)/torch:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "groundup needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make demo PYTHON=python3.12")'
	$(PYTHON) -m venv $(ENV)
	$(PIP) $(TORCH)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/package: $(STAMPS)/torch pyproject.toml
	$(PIP) --quiet --editable .
	@touch $@

$(STAMPS)/test: $(STAMPS)/torch pyproject.toml
	$(PIP) --quiet --editable '.[test]'
	@touch $(STAMPS)/package $@

$(STAMPS)/oracle: $(STAMPS)/test pyproject.toml
	$(PIP) --quiet --editable '.[test,oracle]'
	@touch $@
