# Needs python3 ≥ 3.11 and make. Everything else installs itself here, into .uv/ and .venv/, pinned by hash.

PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
# Use the Python that is here; never fetch another one.
export UV_PYTHON_DOWNLOADS := never
# Images for containers often set this; here it would compile every module again in each of hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

# In the order given, where what takes long comes first: a file that is begun last leaves a core with nothing to do.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"
# From outside, and soon told: an administrator's first steps, and the official SDKs.
STORIES := tests/acceptance/test_stories.py tests/acceptance/test_python_sdks.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run test acceptance soak fuzz check format bench docs lock clean help

run: .venv/.run ## Start the gateway on http://127.0.0.1:5397 (Ctrl-C lets answers in flight finish)
	@$(BIN)/keystead serve

test: .venv/.dev ## Run what tests in process, and the first stories from outside (some eight minutes on two slow cores)
	$(PYTEST) $(STORIES) tests/integration tests/contract tests/unit

acceptance: .venv/.dev ## Run everything else: running processes, every SDK, the browser, attacks, kill -9 (some twelve minutes)
	$(PYTEST) tests/acceptance tests/chaos tests/leaks tests/attacks $(STORIES:%=--ignore=%)

soak: .venv/.dev ## Run the slow tests: kill -9 by the hundred, every property with many examples
	$(BIN)/pytest -m slow
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest -n 2 --dist loadfile tests/unit

fuzz: .venv/.dev ## Try everything that reads foreign bytes with inputs that are almost right (FUZZ_MINUTES=30)
	$(BIN)/python -m tests.fuzz --minutes $(or $(FUZZ_MINUTES),30)

check: .venv/.dev ## Lint, types, import rules, lock file and generated documentation
	$(UV) lock --check --offline --default-index https://pypi.org/simple --python $(PYTHON)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.build_docs --check

format: .venv/.dev ## Format the code and mend what lint can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/.dev ## Measure CPU, latency and memory beside bare proxies, and the console's pages (BENCH_PEERS=1 adds peers)
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.streams
	$(BIN)/python -m tests.benchmarks.pages

docs: .venv/.dev ## Write docs/reference again from the code
	$(BIN)/python -m tools.build_docs

lock: $(UV) ## Resolve the dependencies again, seven days behind the newest
	$(UV) lock --upgrade --python $(PYTHON)

clean: ## Remove what was installed and cached here; the data in ./var stays
	rm -rf .uv .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

$(UV): tools/bootstrap.py tools/uv.txt
	@$(PYTHON) tools/bootstrap.py
	@touch $@

.venv/.run: pyproject.toml uv.lock $(UV)
	$(UV) sync --frozen --no-dev --inexact --python $(PYTHON)
	@touch $@

.venv/.dev: pyproject.toml uv.lock $(UV)
	$(UV) sync --frozen --python $(PYTHON)
	@touch .venv/.run $@
