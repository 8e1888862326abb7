# make        lists what there is to make.
# EXTRAS      extras of pyproject.toml to install, as in: make setup EXTRAS="dev docs"
# PYTEST_ARGS more arguments for pytest, as in: make test PYTEST_ARGS="-m 'not slow' -x"
# PYTHON      the interpreter to make .venv with (default: the first fitting one found)

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage lint format docs wheel bench clean

EXTRAS ?=
PYTEST_ARGS ?=

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup:  ## make .venv with the package in it (EXTRAS="dev docs" for more)
	@bash scripts/setup.sh $(EXTRAS)

demo: setup  ## run the small comparison of sleep conditions; figure in results/demo/demo.png
	.venv/bin/brainsleep compare demo --out results/demo --figure results/demo/demo.png

test:  ## run the tests (PYTEST_ARGS="-m 'not slow'" for the quick ones)
	@bash scripts/setup.sh dev docs analysis cluster cuda loop
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

coverage: PYTEST_ARGS += --cov --cov-report=term
coverage: test  ## run the tests and print which lines they reach

lint:  ## check style, formatting and types, change nothing
	@bash scripts/setup.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format:  ## apply the formatting and the safe fixes
	@bash scripts/setup.sh dev
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

docs:  ## build the documentation into docs/_build/html; a warning is an error
	@bash scripts/setup.sh dev docs
	rm -rf docs/api # pages of modules that are no more
	.venv/bin/python -m sphinx -W --keep-going -n -b html docs docs/_build/html

wheel:  ## build the wheel into dist/
	@bash scripts/setup.sh dev
	rm -rf build
	.venv/bin/python -m build --wheel --no-isolation --outdir dist .

bench:  ## time this package against its peers; two to three hours (results in benchmarks/, docs/images/)
	@bash scripts/setup.sh bench
	.venv/bin/python -m benchmarks.speed
	.venv/bin/python -m benchmarks.published
	.venv/bin/python -m benchmarks.scale
	.venv/bin/python -m benchmarks.costs
	.venv/bin/python -m benchmarks.ablation

clean:  ## remove what tests and builds leave; .venv and results stay
	rm -rf build dist output *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -rf docs/_build docs/api docs/examples docs/models docs/command_line.rst docs/sg_execution_times.rst
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
