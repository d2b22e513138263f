# Two commands do all the set-up: `make demo` runs the main job, `make test` runs what CI runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test slow lint format types imports bench clean lock

demo: .make/installed ## the main job: the story, told with real processes
	@$(BIN)/countermark demo

test: .make/installed lint types imports ## what CI runs: lint, types, import contracts, tests
	@echo "== tests"
	@$(BIN)/python -m pytest -n 2 -m "not slow"

slow: .make/installed ## the tests that take longer (crash and load tests)
	@echo "== slow tests"
	@$(BIN)/python -m pytest -n 2 -m slow

lint: .make/installed
	@echo "== lint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

types: .make/installed
	@echo "== types"
	@$(BIN)/mypy

imports: .make/installed
	@echo "== import contracts"
	@$(BIN)/lint-imports --no-cache

format: .make/installed ## mend what `lint` would complain of
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

lock: ## renew requirements/*.lock (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes pyproject.toml -o requirements/run.lock --no-header
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes pyproject.toml --extra demo --extra assay --group dev -o requirements/dev.lock --no-header
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps requirements/axe.in -o requirements/axe.lock --no-header

.make/installed: requirements/dev.lock requirements/axe.lock pyproject.toml
	@echo "== setting up $(VENV) from requirements/dev.lock (once; about half a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "countermark needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --require-hashes --requirement requirements/dev.lock
	@$(PIP) install --quiet --require-hashes --no-deps --requirement requirements/axe.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	@mkdir -p .make && touch $@

clean:
	rm -rf $(VENV) .make .venv-bench .venv-bench-assay
