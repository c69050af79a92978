# Every target makes what it needs: python3.11+ and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RIVALS := .venv-bench
# Tests wait more than they compute: up to four processes, each with a Kafka of its own. JOBS=0 for one, as --pdb needs.
JOBS ?= auto
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 --dist worksteal

.PHONY: demo test test-faults test-night test-quality lint bench lock clean help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): requirements-dev.lock pyproject.toml setup.py learners/_fused.c learners/_fused_rows.h
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "millrace needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.11")'
	@echo "making $(VENV): over a hundred packages, some minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY)  ## real data through a real Kafka: online learning, drift, alerts, a report
	$(BIN)/millrace demo

test: $(READY)  ## the test suite, on a real Kafka; ARGS="-x tests/drift" for a part of it
	$(PYTEST) $(ARGS)

test-faults: $(READY)  ## all fault tests: kills, zombies, outages, damage (about 20 minutes); MILLRACE_SEED=N repeats one
	$(PYTEST) -m "" tests/faults tests/state tests/stages/test_protocol.py $(ARGS)

test-night: $(READY)  ## the same with half an hour of mixed faults and a hundred thousand simulated schedules
	MILLRACE_SOAK_S=1800 MILLRACE_SCHEDULES=25000 $(PYTEST) -m "" tests/faults tests/state tests/stages/test_protocol.py $(ARGS)

test-quality: $(READY)  ## all statistical tests: budgets, delays, refusals over many seeds (half an hour)
	$(PYTEST) -m "" tests/quality $(ARGS)

lint: $(READY)  ## ruff, mypy and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(RIVALS)/.ready: requirements-bench.lock
	@echo "making $(RIVALS): what millrace is compared with"
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock \
	  || echo "not installed: the benchmarks say what they leave out"
	@touch $@

bench: $(READY) $(RIVALS)/.ready  ## figures of docs/benchmarks.md (hours); ARGS="--only beside" for a part of it
	$(BIN)/python -m bench $(ARGS)

lock: $(READY)  ## pin what pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --extra local --extra s3 --extra dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --extra local --extra s3 -c requirements-dev.lock pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate bench/rivals/requirements.in -o requirements-bench.lock

clean:  ## stop the local broker; remove the virtual environment, caches and local data
	@for folder in .millrace/kafka .millrace/demo/kafka; do \
	  if [ -d $$folder ] && [ -x $(BIN)/millrace ]; then $(BIN)/millrace broker stop --folder $$folder; fi; done
	rm -rf learners/*.so $(VENV) $(RIVALS) .bench .millrace build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
