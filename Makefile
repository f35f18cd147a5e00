# The scripts a person runs are the scripts that CI runs. `make help` lists them.
PY := .venv/bin/python
# Test files side by side, those that share servers in one worker; most of them wait. WORKERS=0 runs everything one after the other.
WORKERS ?= 3
# Many images set it; then every process that a test starts compiles all that it imports, every time.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
# What does not need one another is done at once: packages come while the checks run.
MAKEFLAGS += --jobs=4
.PHONY: help setup hub compiled test check fmt lock demo bench faults clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup:  ## install everything that the tests and the demo need (again: nothing to do)
	@bash deploy/tools/setup.sh

hub:
	@bash deploy/tools/setup.sh hub

# Byte code of everything, tests too: each worker would make all of it. Whatever is wrong with it, the tests themselves say.
compiled: hub
	@$(PY) -m pytest --collect-only -qqq $(ARGS) >/dev/null 2>&1 || true

check: hub  ## format, lint, types and import rules
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	@.venv/bin/lint-imports

test: check compiled setup  ## all checks, then all tests but the long ones
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS) || { \
		echo "What failed beside other tests is run once more, alone; whatever fails again fails."; \
		$(PY) -m pytest -n 0 --last-failed --last-failed-no-failures none $(ARGS); }

fmt: hub  ## format the code and fix what can be fixed
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lock: hub  ## pin the dependencies again (constraints*.txt)
	@bash deploy/tools/lock.sh

demo: setup  ## real servers and clients around a hub; ONCE=1 runs and ends, UP=1 STATE=dir keeps it up
	@$(PY) -m deploy.demo $(if $(ONCE),--once) $(if $(UP),up $(if $(STATE),--state $(STATE)))

bench: setup  ## measure throughput and latency on this machine
	@$(PY) -m deploy.bench

faults: setup  ## the long tests: servers killed, networks cut, thousands of mails and requests, for minutes
	$(PY) -m pytest -m long $(ARGS)

clean:  ## remove what setup made
	rm -rf .venv .venv-synapse deploy/world/js/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
