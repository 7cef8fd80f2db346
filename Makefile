# `make demo` shows it, `make test` checks it. Both need only Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types agents system-packages clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

install: $(VENV)/installed  ## Create .venv with streamer and its models (once; several GB)

demo: $(VENV)/installed  ## Caption bundled speech live, in this terminal
	@$(BIN)/streamer demo

test: $(VENV)/installed-test system-packages lint types  ## Style, types, tests, coverage
	$(BIN)/pytest --cov --cov-report=term:skip-covered --durations=10

lint: $(VENV)/installed-test  ## Style only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test  ## Types only
	$(BIN)/mypy

clean:  ## Remove .venv and everything else that make created
	rm -rf $(VENV) .venv-agents build captions .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "streamer needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# The stamps make every later run skip pip altogether; a change of pyproject.toml renews them.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing streamer, PyTorch and the default models: several GB, some minutes, once"
	$(BIN)/python -m pip install --progress-bar on -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --progress-bar on -e '.[test]'
	@touch $@

agents:  ## Install agent frameworks in .venv-agents, for their tests
	$(PYTHON) -m venv .venv-agents
	.venv-agents/bin/python -m pip install -r tests/contract/agents-requirements.txt

# What tests like to have from the system. Where it cannot be had, those tests skip and say why.
system-packages:
	@missing=""; \
	if ! ldconfig -p 2>/dev/null | grep -q libportaudio; then missing="libportaudio2"; fi; \
	if ! command -v chromium chromium-browser google-chrome >/dev/null; then missing="$$missing chromium"; fi; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "not installed: $$missing; the tests that need it will be skipped"; exit 0; \
	fi; \
	echo "installing for the tests: $$missing"; \
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } \
	  || echo "could not install $$missing; the tests that need it will be skipped"
