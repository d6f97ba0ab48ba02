# Every target starts from a bare machine with make and Python 3.11 or newer: what it needs is
# installed into .venv first, in the versions of constraints/dev.txt. To start over: make clean.

PYTHON ?= python3
DEMO_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?= -n 2 --dist worksteal # few fixtures are built by both workers

PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check
RUNTIME = .venv/.installed-runtime
DEV = .venv/.installed-dev
OLDEST = .venv-oldest/.installed
PINS = pyproject.toml constraints/dev.txt

# glibc keeps what a test frees for the next: less time in the kernel
test test-newest test-oldest: export MALLOC_MMAP_THRESHOLD_ = 33554432
test test-newest test-oldest: export MALLOC_TRIM_THRESHOLD_ = 1073741824

.DEFAULT_GOAL := help
.PHONY: help demo test test-newest test-oldest lint format docs coverage audit links bench bench-quick clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## Fit and judge a public-domain portrait: a table and a picture, no network
	.venv/bin/sklearn-diffake demo $(DEMO_ARGS)

test: $(DEV) ## Run the tests (PYTEST_ARGS="-n 2")
	.venv/bin/python -m pytest $(PYTEST_ARGS)

test-newest: ## Run the tests with the newest dependencies that there are
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	.venv-newest/bin/python -m pytest $(PYTEST_ARGS)

test-oldest: $(OLDEST) ## Run the tests with the oldest supported dependencies
	.venv-oldest/bin/python -m pytest $(PYTEST_ARGS)

lint: $(DEV) ## Check style, types, the direction of imports and spelling
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/codespell

format: $(DEV) ## Format the code and sort its imports
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

docs: $(DEV) ## Build the documentation into docs/_build/html
	.venv/bin/sphinx-build -W --keep-going -n -q -b html docs docs/_build/html
	.venv/bin/python docs/check_site.py docs/_build/html
	@echo "docs/_build/html/index.html is ready"

coverage: $(DEV) ## Measure which lines and branches the tests run; at least 95 % of both
	.venv/bin/python -m coverage erase
	.venv/bin/python -m coverage run -m pytest -m "not gpu and not realdata" $(PYTEST_ARGS)
	.venv/bin/python -m coverage combine -q
	.venv/bin/python -m coverage json -q -o build/coverage.json
	.venv/bin/python benchmarks/release/coverage_figures.py build/coverage.json

audit: $(DEV) ## Look for unsafe code and for published advisories; needs a network
	@$(PIP) bandit pip-audit
	.venv/bin/bandit -q -c pyproject.toml -r sklearn_diffake benchmarks docs/_ext examples
	.venv/bin/pip-audit --strict --no-deps --disable-pip -r constraints/dev.txt

links: $(DEV) ## Check the documentation's links to other sites; needs a network
	.venv/bin/sphinx-build -q -b linkcheck -D plot_gallery=0 docs docs/_build/links

bench: $(DEV) ## Run the benchmarks into benchmarks/results (BENCH_ARGS="--only store")
	.venv/bin/python benchmarks/speed/run.py $(BENCH_ARGS)

bench-quick: $(DEV) ## The same at small sizes, in minutes, into build/bench-quick.json
	.venv/bin/python benchmarks/speed/run.py --quick $(BENCH_ARGS)

clean: ## Remove the environments and everything built
	rm -rf .venv .venv-newest .venv-oldest build dist docs/_build docs/auto_examples docs/generated .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11: run make PYTHON=/path/to/python3"; exit 1; }
	@echo "Creating .venv"
	@$(PYTHON) -m venv .venv

$(RUNTIME): .venv/bin/python $(PINS)
	@echo "Installing the package into .venv (a few minutes the first time)"
	@$(PIP) -c constraints/dev.txt -e '.[demo]'
	@touch $@

$(DEV): $(RUNTIME)
	@echo "Installing the development tools into .venv"
	@$(PIP) -c constraints/dev.txt -e '.[dev]'
	@touch $@

$(OLDEST): pyproject.toml constraints/oldest.txt
	@echo "Installing the oldest supported dependencies into .venv-oldest"
	@$(PYTHON) -m venv --clear .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints/oldest.txt -e '.[test]'
	@touch $@
