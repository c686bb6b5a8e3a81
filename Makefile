# What a person does with this project: `make` lists it. Every command first prepares the environment it
# needs, which takes no time when nothing has changed. PORT and DATA_DIR may be variables of make or of the
# environment: `make run PORT=4000`.

.DEFAULT_GOAL := help
.PHONY: help run demo test test-strict e2e fuzz soak lint format openapi build sam deploy deploy-check smoke bench lock
.DELETE_ON_ERROR:
# Modules that are compiled anew in every process make tests begin twice as late.
unexport PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
# A worker per core, and who is done takes over half of what another still has to do: no large file is left for
# the end. More than four hardly help.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/ready ## Serve the API on http://127.0.0.1:3000 with three demo apps (PORT, DATA_DIR, DEMO_SECRET)
	@$(PYTHON) -m local.serve.run

demo: .venv/ready ## Play one conversation per demo app against it, and show what happened
	@$(PYTHON) -m local.demo

test: .venv/ready ## Run the unit, integration and contract tests
	@$(PYTHON) -m pytest $(PARALLEL) tests/unit tests/integration tests/contract

test-strict: .venv/ready ## Run the integration tests on dynoxide, which refuses what DynamoDB refuses (needs npm)
	@ENGINE=dynoxide $(PYTHON) -m pytest $(PARALLEL) tests/integration

e2e: .venv/ready ## Test the served API over HTTP: start, restart, kill, reload
	@$(PYTHON) -m pytest tests/e2e

fuzz: .venv/ready ## Send the served API what its OpenAPI document allows and forbids, for about two minutes (SEED)
	@$(PYTHON) -m tests.fuzz

soak: .venv/ready ## Try each property 10,000 times, and fuzz for ten minutes: once before an issue is closed (SEED)
	@seed=$${SEED:-$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')} && \
	echo "Soaking. Again with the same seed: make soak SEED=$$seed" && \
	SOAK=1 $(PYTHON) -m pytest $(PARALLEL) --timeout 1800 -m hypothesis --hypothesis-seed $$seed tests/unit && \
	SOAK=1 SEED=$$seed $(PYTHON) -m pytest $(PARALLEL) --timeout 1800 tests/integration/test_saves_at_random.py && \
	ENGINE=dynoxide SEED=$$seed $(PYTHON) -m pytest $(PARALLEL) tests/integration/test_saves_at_random.py && \
	SEED=$$seed FUZZ_SECONDS=600 $(PYTHON) -m tests.fuzz

lint: .venv/ready ## Check style, types, the rules of dependence and the template
	@.venv/bin/ruff check -q
	@.venv/bin/ruff format -q --check
	@.venv/bin/mypy --no-error-summary .
	@said=$$(.venv/bin/lint-imports --no-logo) || { echo "$$said"; exit 1; }
	@.venv/bin/cfn-lint template.yaml

format: .venv/ready ## Put the code into its style
	@.venv/bin/ruff check -q --fix
	@.venv/bin/ruff format -q

openapi: .venv/ready ## Write docs/openapi.json anew from the declarations and the payloads of events/
	@RECORD=1 $(PYTHON) -m pytest tests/contract/test_routes.py -k event_file
	@$(PYTHON) -m local.build.openapi

build: .venv/ready .venv-sam/ready ## Build what is deployed, into .aws-sam/build (needs Python 3.13)
	@$(PYTHON) -m local.build.artifacts

sam: .venv/ready .venv-sam/ready ## Build, and serve it by sam local (needs Docker; PORT, DATA_DIR, DEMO_SECRET)
	@$(PYTHON) -m local.build.sam

deploy: .venv/ready .venv-sam/ready ## Build and deploy a stage of samconfig.toml: make deploy STAGE=dev
	@$(PYTHON) -m local.build.deploy

deploy-check: .venv/ready .venv-sam/ready .venv-ministack/ready ## Build, deploy to an emulator of AWS on this machine, use the stack, delete it (Linux)
	@$(PYTHON) -m local.deploy_check

smoke: .venv/ready ## Play a short conversation with a deployed service: make smoke URL=https://... SLUG=my-app
	@$(PYTHON) -m local.demo.smoke

bench: .venv/ready ## Measure, and print the figures
	@$(PYTHON) -m bench

# dev first, so that the layer gets the versions that tests run. Pins stay as they are unless they must move
# or `make lock UPGRADE=--upgrade` asks for it.
COMPILE = .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(UPGRADE)

lock: .venv/ready ## Compile the dependency groups of pyproject.toml into pinned requirements with hashes
	@$(COMPILE) --group dev -o requirements/dev.txt >/dev/null
	@$(COMPILE) --group core -c requirements/dev.txt -o layers/core/requirements.txt >/dev/null
	@for each in guardrails:guardrails qa:gemini live_tokens:gemini webhooks_sender:webhooks_sender; do \
		function=$${each%:*}; \
		mkdir -p functions/$$function; \
		$(COMPILE) --group $${each#*:} -c requirements/dev.txt -o functions/$$function/requirements.txt >/dev/null || exit 1; \
	done
	@$(COMPILE) --group sam -o requirements/sam.txt >/dev/null
	@$(COMPILE) --group ministack -o requirements/ministack.txt >/dev/null

.venv/ready: requirements/dev.txt requirements/environment.sh pyproject.toml
	@sh requirements/environment.sh
	@touch $@

# The SAM CLI pins other versions of what the project uses.
.venv-sam/ready: requirements/sam.txt | .venv/ready
	@echo 'Making .venv-sam …'
	@.venv/bin/uv venv -q --clear --python $(PYTHON) .venv-sam
	@.venv/bin/uv pip sync -q --python .venv-sam/bin/python --require-hashes requirements/sam.txt
	@touch $@

# It runs functions by its own Python, which must be Lambda's.
.venv-ministack/ready: requirements/ministack.txt | .venv/ready
	@echo 'Making .venv-ministack …'
	@python=$$($(PYTHON) -m local.build.lambda_python) && .venv/bin/uv venv -q --clear --python "$$python" .venv-ministack
	@.venv/bin/uv pip sync -q --python .venv-ministack/bin/python --require-hashes requirements/ministack.txt
	@touch $@
