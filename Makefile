# `make demo` and `make test` work on a fresh machine: Python 3.11+, python3-venv, make, and pip's registry at set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
COMPILED := tests/gateway tests/store tests/upstream/credentials tests/upstream/transport tests/client \
  $(foreach it,asking budgets data_plane gates handover keys logs up workers,tests/serve/test_$(it).py) \
  $(foreach it,balance conversation cost decide features loops manners objective sketch warmth,tests/policy/test_$(it).py) \
  tests/wire/anthropic/test_watch.py tests/wire/openai_chat tests/wire/openai_responses/test_watch.py \
  $(foreach it,edits scan sse watching,tests/wire/test_$(it).py)

.PHONY: setup demo test lint types contracts unit processes guide wheel compiled on-wheel conformance errors sbom licences fuzz atheris attack clients agents lock clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Pointsman needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/pointsman demo

# Two at a time, the longest first: most of the time is spent on waiting for processes and sockets.
test: setup
	$(MAKE) --no-print-directory -j2 unit compiled processes guide clients types lint contracts

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/python -m pytest --ignore=tests/guide --ignore=tests/serve

# Whole installations, started, killed and started again: a target of its own, so that both lanes end together.
processes: setup
	$(BIN)/python -m pytest tests/serve

# The guide's commands, one after the other: minutes of waiting for what a reader would wait for.
guide: setup
	$(BIN)/python -m pytest tests/guide

# What is published: modules of the hot path compiled, for this platform and this Python. Needs a C compiler and Python's headers.
wheel: setup
	rm -rf dist
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m hatchling build -t wheel

# What runs through compiled modules, tested once more in them; left out, with the reason, where nothing can be compiled.
compiled: setup
	@if $(BIN)/python tests/compiler.py; then $(MAKE) --no-print-directory on-wheel; fi

on-wheel: wheel
	rm -rf build/wheel
	$(BIN)/python -m zipfile -e dist/*.whl build/wheel
	PYTHONPATH=$(CURDIR)/build/wheel $(BIN)/python -m pytest -m "not interpreted" $(COMPILED)

# The conformance table: every client dialect on every provider dialect, every case, into docs/conformance.md.
conformance: setup
	$(BIN)/python -m tests.wire.conformance

# What bad input gets, in every client dialect: the table that the tests play, into docs/errors.md.
errors: setup
	$(BIN)/python -m tests.gateway.bad_input

# The bill of materials of what runs, in CycloneDX's format, and the licences of all of it.
sbom: setup
	mkdir -p dist
	$(BIN)/python -m supply.sbom > dist/pointsman.cdx.json
	@echo dist/pointsman.cdx.json

licences: setup
	$(BIN)/python -m supply.licences

# The property tests of the codecs with 100,000 examples each (hours; EXAMPLES=N draws another number).
fuzz: setup
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -m hypothesis --timeout=0 tests/wire

# Coverage-guided fuzzing of every decoder, for SECONDS, in an environment of its own: the project does not depend on atheris.
SECONDS ?= 3600
atheris:
	test -d .atheris/venv || $(PYTHON) -m venv .atheris/venv
	.atheris/venv/bin/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0 msgspec
	mkdir -p .atheris/corpus
	PYTHONPATH=src .atheris/venv/bin/python fuzz/decoders.py .atheris/corpus fuzz/corpus \
	  -max_total_time=$(SECONDS) -timeout=20 -max_len=4096 -artifact_prefix=.atheris/

# What an attacker on the wire tries against a running gateway, and schemathesis, from an environment of its own.
attack: setup
	test -d .attack || $(PYTHON) -m venv .attack
	.attack/bin/python -m pip install --quiet --disable-pip-version-check schemathesis==4.32.5
	$(BIN)/python bench/attack.py

# Real clients in .clients, an environment of their own, against the gateway in front of a scripted provider.
clients: setup
	PYTHON=$(PYTHON) tests/client/install.sh
	.clients/venv/bin/python -m pytest --confcutdir=tests/client/suites tests/client/suites

# Claude Code and Codex themselves (800 MB), against the gateway in front of a scripted provider; no part of `make test`.
agents: setup
	PYTHON=$(PYTHON) tests/client/install.sh agents
	POINTSMAN_AGENTS=.clients/agents .clients/venv/bin/python -m pytest --confcutdir=tests/client/suites tests/client/suites/test_agents.py

# Maintainers only: needs uv. Rewrites the lock files from pyproject.toml, for every platform and Python 3.11+.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-find-links --no-header --extra demo --extra encoder --extra otel --group dev -o requirements/dev.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-find-links --no-header --extra demo -c requirements/dev.lock -o requirements/run.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-find-links --no-header -c requirements/dev.lock --group build -o requirements/build.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-find-links --no-header --group clients -o requirements/clients.lock

clean:
	rm -rf $(VENV) .atheris .attack .clients demo dist build
