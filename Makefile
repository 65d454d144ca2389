# What a newcomer needs: `make demo`, `make test`. Both set everything up first.
BIN := .venv/bin

# Much of a test is waiting for servers, so files go on three at a time; those of one file share its servers.
TOGETHER := --numprocesses 3 --dist loadfile --no-loadscope-reorder -v

.PHONY: help setup demo test lint bench fuzz clean

help: ## Tell what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

setup: ## Install what is missing: tools of the system, .venv, Kafka's jars
	@infra/setup.sh

demo: setup ## Run everything with a virtual property group (ARGS=--once for a checked short run)
	@$(BIN)/sluice demo $(ARGS)

test: setup lint ## Check formatting, types and all tests (ARGS go to pytest)
	@infra/setup.sh test-tools
	$(BIN)/pytest $(TOGETHER) $(ARGS)

lint: setup ## Check formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: setup ## Measure, one JSON line a figure (ARGS=NAME for one benchmark)
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: setup ## Run long seeded runs of random work (ARGS go to pytest)
	@$(BIN)/pytest -m fuzz $(ARGS)

clean: ## Stop what runs and remove everything that was made here
	@if [ -x $(BIN)/sluice ]; then $(BIN)/sluice down; fi
	rm -rf .venv .sluice .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
