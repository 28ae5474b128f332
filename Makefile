# Everything is installed into .venv; nothing outside this folder is changed.

PYTHON ?= python3
VENV   ?= .venv
# The versions that are tested. The newest of everything but torch: make setup CONSTRAINTS=
CONSTRAINTS ?= constraints.txt
# pip's own settings choose the build of torch (CPU, CUDA). Another version: make setup CONSTRAINTS= TORCH=torch==2.14.1
TORCH  ?= $(shell grep '^torch==' constraints.txt)
# Lanes of tests side by side. With more than one, what a run of pytest prints comes when it ends.
LANES  ?= 2
SYNC   := $(if $(filter 1,$(LANES)),,$(if $(filter output-sync,$(.FEATURES)),--output-sync=line))
ARGS   ?=
EXTRAS ?= model,pose,web,webrtc,tracing,train,dev
PAGE   := services/gateway
BIN    := $(VENV)/bin
# On a terminal pip shows what it downloads; it takes minutes the first time.
QUIET  := $(shell test -t 2 || echo --quiet)
PIP    := $(BIN)/python -m pip install $(QUIET) --disable-pip-version-check \
          $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS),--upgrade --upgrade-strategy eager)
TEST   := OMP_NUM_THREADS=$(or $(OMP_NUM_THREADS),1) $(BIN)/python -m pytest -q
# Checkov pins versions that clash with ours, so it has an environment of its own.
CHECKOV := build/checkov-3.3.30
# Folders of packages, whose doctests are tests.
PACKAGES := cornerman media mobile_videogpt pose services shared training
STAMP  := $(VENV)/.installed$(if $(CONSTRAINTS),,-newest)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-first-lane test-second-lane unit lint docs compat faults netns fuzz bench coach-gate coach-weights chart chart-lint e2e-docker sbom arm64 screenshots reference clean

help: ## Show this
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo "  Options: ARGS=\"…\" for demo, compat, faults and bench; LANES for test; CONSTRAINTS, TORCH, PYTHON and VENV for setup."

setup: $(STAMP)-$(EXTRAS) ## Install everything for work on Cornerman into .venv

# torch goes first and alone, so that no other package chooses its build. One stamp at a time: it names the extras installed.
$(STAMP)-%: pyproject.toml $(CONSTRAINTS)
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is no Python of 3.11 or newer: install one and name it, as in make demo PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@rm -f $(VENV)/.installed*
	@echo "Installing PyTorch and the other packages into $(VENV); a few minutes, the first time"
	$(PIP) "$(TORCH)"
	$(PIP) "$(TORCH)" -e ".[$*]"
	@$(if $(findstring pose,$*),$(BIN)/cornerman models get pose || \
		echo "set-up goes on without the pose model; fetch it later: $(BIN)/cornerman models get pose" >&2)
	@touch $@

demo: ## Watch the bundled clip with the bundled model; ARGS="--headless --json"
	@test -e $(STAMP)-$(EXTRAS) || $(MAKE) --no-print-directory $(STAMP)-model,pose,web
	@$(BIN)/cornerman demo $(ARGS)

unit: setup ## The fast tests only: without the model's and the trainer's
	$(TEST) tests/unit tests/contract --ignore tests/unit/model --ignore tests/unit/training

test: setup ## All tests, in two lanes side by side, as most of them wait; one after the other: LANES=1
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory --jobs=$(LANES) $(SYNC) test-first-lane test-second-lane
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --include='shared/**,services/**/core.py' --fail-under=90

test-first-lane: # unit and doctests, contract, integration
	COVERAGE_FILE=.coverage.unit $(TEST) tests/style tests/unit tests/contract --doctest-modules $(PACKAGES) --cov --cov-report=
	COVERAGE_FILE=.coverage.integration $(TEST) tests/integration --cov --cov-report=

test-second-lane: # end to end, faults (short), parity, deployment
	$(TEST) tests/e2e tests/faults tests/parity tests/deploy

lint: setup $(PAGE)/node_modules/.installed docs ## ruff, mypy --strict, import rules; the docs; prettier, eslint and tsc for the page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd $(PAGE) && npm run --silent lint

docs: setup ## The site of the documentation, into build/docs; ARGS=serve shows it while you write
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(if $(filter serve,$(ARGS)),serve,build --strict --quiet)

$(PAGE)/node_modules/.installed: $(PAGE)/package.json
	@command -v npm >/dev/null || { echo "make lint needs Node.js and npm: apt install nodejs npm" >&2; exit 1; }
	cd $(PAGE) && npm install --no-audit --no-fund --no-package-lock --loglevel=error
	@touch $@

compat: ## Unit and contract tests with the lowest versions allowed and with the newest; prints both
	$(PYTHON) -m tests.compat --torch "$(TORCH)" --extras "$(EXTRAS)" $(ARGS)

faults: setup ## The long fault run: kills, hangs, restarts, poison, clocks, lossy network; the seed is printed
	CORNERMAN_FAULTS=long $(TEST) -s tests/faults $(ARGS)

netns: setup ## Services on several hosts: network namespaces with loss, delay, partitions; needs root, iproute2, iptables
	$(TEST) -s tests/netns $(ARGS)

fuzz: setup ## Damaged media files in child processes, 2,000 of them; the seed is printed
	$(BIN)/python -m tests.media_fuzz $(ARGS)

bench: setup ## Every benchmark beside its peer, as JSON lines
	$(BIN)/python -m benchmarks $(ARGS)

coach-gate: setup ## What a new coach on skeletons must pass: gym, quiet, people with PEOPLE=DIR, pictures with ROAD=DIR
	$(BIN)/python -m cornerman_training.skeleton.coach_gate $(if $(PEOPLE),--people $(PEOPLE)) $(ARGS)
	$(if $(ROAD),$(BIN)/python -m benchmarks.whole_road --cache $(ROAD) --demands)

coach-weights: setup ## Train the coach on skeletons from one seed, two jobs at a time: OUT=DIR, SEED=1; takes longer than an hour
	$(MAKE) --no-print-directory --jobs=2 --file training/skeleton.mk PYTHON=$(BIN)/python

chart: setup ## Write deploy/k8s and the dashboard from the Helm chart
	$(BIN)/python deploy/dashboard.py > deploy/chart/files/dashboard.json
	$(BIN)/python -m tests.deploy.tools > deploy/k8s/cornerman.yaml

chart-lint: setup ## checkov over the chart with its five sets of values; exceptions and reasons are in deploy/checkov.yaml
	@test -e $(CHECKOV)/.installed || { $(PYTHON) -m venv $(CHECKOV) && \
		$(CHECKOV)/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30 && touch $(CHECKOV)/.installed; }
	$(BIN)/python -m tests.deploy.tools build/chart
	$(CHECKOV)/bin/checkov --config-file deploy/checkov.yaml --directory build/chart

e2e-docker: setup ## The compose file on a real Docker engine: restarts, kills, scaling; E2E_COMPOSE adds files
	$(BIN)/python -m tests.docker_engine $(ARGS)

sbom: ## What each image contains, as CycloneDX files in sbom/; needs Docker
	docker build --target sbom --output sbom -f deploy/Dockerfile $(ARGS) .

arm64: setup ## Check that every requirement of the images has a wheel for arm64; needs a package index
	$(BIN)/python deploy/arm64.py

screenshots: setup ## Pictures of the page, into screenshots/, and the README's moving one; on an idle machine
	CORNERMAN_SCREENSHOTS=$(CURDIR)/screenshots $(TEST) tests/e2e -k screenshot $(ARGS)
	$(BIN)/python -m benchmarks.moving_picture docs/demo.webp

reference: setup ## Write cornerman.yaml from the settings tree
	$(BIN)/python -m cornerman.reference > cornerman.yaml

clean: ## Remove .venv and every generated file
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf .coverage htmlcov screenshots sbom runs .compat
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
