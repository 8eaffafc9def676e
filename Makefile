# make run    everything a visitor needs, then the gateway with the emulator and GraphiQL
# make check  lint, types and the fast tests
# make test   everything that CI runs
# Empty: the usual port of `gateway dev`.
PORT ?=
IMAGE ?= card-gateway
# The Python to make the virtual environment with; empty: the newest that tools/install finds.
export PYTHON ?=
VENV := .venv
# What Python compiles is kept out of the source folders, also where it would not be kept at all:
# without it each of the tests' processes compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(abspath .pycache)
BIN := $(VENV)/bin
UV := .venv-installer/lib/bin/uv
# make lock UPGRADE=--upgrade renews.
UPGRADE ?=

# Extras stay in the locks: without them old pips look for the newest release of a package that
# another one wants with an extra, and refuse it for want of a hash.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-strip-extras \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(UPGRADE)

# Each of these files says that a step was done after its inputs changed last.
RUNNABLE := $(VENV)/.runnable
TESTABLE := $(VENV)/.testable

.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
.PHONY: run test check test-one test-long chaos attack bench lint format schema tables contract lock assets image clean help

run: $(RUNNABLE) ## install what is missing, start the gateway with the emulator and GraphiQL (PORT=9000 for another port)
	@exec $(BIN)/gateway dev $(if $(PORT),--port $(PORT))

test: lint ## lint, types, then all tests with branch coverage: what CI runs
	$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing:skip-covered

check: lint ## lint, types, and the tests that start no process: for between two edits
	$(BIN)/python -m pytest -n auto -m "not (process or browser or slow or long or hypothesis)"

test-one: $(TESTABLE) ## some tests (T=test_ledger, or T="test_ledger -k refused")
	$(BIN)/python -m pytest -n 0 $(or $(shell find tests -name $(firstword $(T)).py),$(error \
	  T=test_ledger names the file of the tests; there is no $(firstword $(T)).py in tests)) $(wordlist 2,99,$(T))

test-long: $(TESTABLE) ## the long forms of tests, and properties with many random examples
	$(BIN)/python -m pytest -n auto -m "long or hypothesis" --hypothesis-profile=long

chaos: $(TESTABLE) ## 1,000 cards while replicas are killed and the provider fails (CHAOS="--engine postgres --seed 2")
	$(BIN)/python -m tests.chaos $(CHAOS)

attack: $(TESTABLE) ## every costly input, and how long another caller waits meanwhile, 8 minutes (ATTACK="--only header")
	$(BIN)/python -m tests.attack $(ATTACK)

bench: $(TESTABLE) ## measure the gateway beside its peers, 25 minutes (BENCH="--only a,c --runs 3" for less)
	$(BIN)/python -m benchmarks $(BENCH)

lint: $(TESTABLE) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TESTABLE) ## let ruff mend and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(RUNNABLE) ## write the code's schema to schema.graphql
	$(BIN)/gateway schema > $(VENV)/schema.graphql
	mv $(VENV)/schema.graphql schema.graphql

tables: $(RUNNABLE) ## write the documentation's tables of settings, operations, error codes, metrics and log lines
	$(BIN)/python -m tools.tables

# A break on purpose is released: once its tag is there, it is what later versions are held to.
contract: $(RUNNABLE) ## what changed in the schema since the last tag, else since main; fails on a break
	@$(FIND_CONTRACT); \
	[ -n "$$base" ] || exit 0; \
	git show "$$base:schema.graphql" > $(VENV)/contract.graphql 2>/dev/null || exit 0; \
	echo "The schema, compared with $$base:"; \
	$(BIN)/gateway schema --against $(VENV)/contract.graphql

# With the extras, so that the image and every checkout have the driver, the exporter and AWS-LC.
lock: $(RUNNABLE) ## write the requirements*.lock files anew from pyproject.toml (UPGRADE=--upgrade)
	$(COMPILE) pyproject.toml --extra fast --extra postgres --extra tracing -o requirements.lock
	$(COMPILE) pyproject.toml --extra fast --extra postgres --extra tracing --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --group pyproject.toml:build -c requirements-dev.lock -o requirements-build.lock
	$(COMPILE) --group pyproject.toml:installer -o requirements-installer.lock

assets: ## renew the vendored GraphiQL in gateway/http/static (needs npm)
	tools/graphiql/refresh

image: ## build the container image with docker (IMAGE=card-gateway)
	docker build --tag $(IMAGE) --build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' gateway/__init__.py)" \
	  --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null)" --build-arg CREATED="$$(date -u +%Y-%m-%dT%H:%M:%SZ)" .

clean: ## remove what make made: environments, caches, reports
	rm -rf $(VENV) .venv-installer tools/graphiql/node_modules tests/audits/node_modules tests/clients/node_modules tests/clients/tools/node_modules benchmarks/peers/hive/node_modules build dist htmlcov .coverage .coverage.*
	rm -rf .mypy_cache .pycache .pytest_cache .ruff_cache .hypothesis

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# The version that frontends have; empty in a fresh repository, and on main itself without a tag.
define FIND_CONTRACT
base=$$(git describe --tags --abbrev=0 2>/dev/null); \
if [ -z "$$base" ] && [ "$$(git branch --show-current 2>/dev/null)" != main ]; then \
  for base in origin/main main ""; do \
    git rev-parse --verify --quiet "$$base^{commit}" >/dev/null 2>&1 && break; \
  done; \
fi
endef

# The build lock holds what makes the editable install, so that nothing is fetched unpinned.
$(RUNNABLE): tools/install pyproject.toml requirements.lock requirements-build.lock requirements-installer.lock
	@tools/install requirements.lock requirements-build.lock
	@touch $@

$(TESTABLE): $(RUNNABLE) requirements-dev.lock
	@tools/install requirements-dev.lock
	@touch $@
