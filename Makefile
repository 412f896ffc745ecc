# Everything a newcomer types. What a target needs it installs first; the second time it finds it there.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Another interpreter: make test PYTHON=python3.13
PYTHON ?=
# More for pytest: make test TESTS='tests/store -x'
TESTS ?=
WORKERS ?= 2
export PYTHON

BIN := .venv/bin
PACKAGES := $(wildcard tests/*/package-lock.json)

.PHONY: help demo test lint bench lock clean machine

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.runtime ## start a demo provider, the broker, two demo apps and an API, and print one URL
	@exec $(BIN)/broker demo

test: machine $(PACKAGES:%/package-lock.json=%/node_modules/.installed) ## run every test
	@# One seed, so that all workers read sets, and with them the names of tests, in one order.
	@PYTHONHASHSEED=$${PYTHONHASHSEED:-$$RANDOM} $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -p tests.plugins.results $(if $(CI),-p tests.plugins.no_skips) $(TESTS)

lint: .venv/.dev ## check style and types
	@$(BIN)/ruff format --check --quiet . || { echo 'make lint: run .venv/bin/ruff format'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

bench: .venv/.dev ## measure the CPU of one whole login, and what a start costs
	@$(BIN)/python -m tests.bench

lock: .venv/.dev ## pin again what the project stands on; UPGRADE=1 takes newer versions
	@.ci/lock $(if $(UPGRADE),--upgrade)

clean: ## remove everything that was made here
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find tests \( -name node_modules -o -name .venv -o -name build \) -prune -exec rm -rf {} +

.venv/.runtime: requirements.lock requirements-build.lock pyproject.toml .ci/venv
	@.ci/venv requirements.lock requirements-build.lock
	@touch $@

.venv/.dev: requirements-dev.lock requirements.lock pyproject.toml .ci/venv
	@.ci/venv requirements-dev.lock
	@touch $@ .venv/.runtime

# What tests use and Python's packages do not bring: browsers, servers, Node, a JDK.
machine: .venv/.dev # never stamped: it looks and is done in a moment where nothing lacks
	@.ci/machine

tests/%/node_modules/.installed: tests/%/package-lock.json | machine
	@.ci/node-packages $(<D)
