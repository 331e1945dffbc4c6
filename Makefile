# Everything is set up by the first target that needs it; only Python >= 3.11 and make are assumed.
PYTHON ?= python3
CORES ?= 2
STUDY ?= config/config.yaml
DEVICE ?= cpu
BIN := .venv/bin
COTSIEVE := $(BIN)/python -m cotsieve

.PHONY: help run preflight plan status explain publish test test-unit test-slow bench lint format rulegraph export clean

help:  ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

run: .venv/ready  ## run the study (STUDY=config/other.yaml for another one)
	@$(COTSIEVE) run $(STUDY) --cores $(CORES)

status: .venv/ready  ## tell where the study stands, from its files alone
	@$(COTSIEVE) status $(STUDY)

preflight: .venv/ready  ## look for everything that would stop a run (docs/reliability.md)
	@$(COTSIEVE) check $(STUDY)

plan: .venv/ready  ## show what would be run
	@$(COTSIEVE) plan $(STUDY)

explain: .venv/ready  ## say for every planned job what changed (docs/reruns.md)
	@$(COTSIEVE) explain $(STUDY)

publish: .venv/ready  ## show what publishing a dataset would do; PUSH=1 does it (docs/publishing.md)
	@$(COTSIEVE) publish $(STUDY) --repo "$(REPO)" --model "$(MODEL)" \
	    $(if $(BRANCH),--branch "$(BRANCH)") $(if $(filter 1,$(TRACES)),--traces) \
	    $(if $(filter 1,$(PRIVATE)),--private) $(if $(filter 1,$(PUSH)),--push)

test: .venv/ready  ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-unit: .venv/ready  ## run the tests of the package alone, without whole runs of the workflow
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
	    --ignore tests/workflow --ignore tests/docs

test-slow: .venv/ready  ## run the tests that take minutes and want the machine for themselves
	COTSIEVE_SLOW=1 $(BIN)/python -m pytest -m slow

bench: .venv/ready  ## measure the engine against the published procedure (DEVICE=cuda on a GPU)
	$(BIN)/python -m benchmarks.bench --device $(DEVICE)

lint: .venv/ready  ## check style and workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: .venv/ready  ## put everything into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

rulegraph: .venv/ready  ## draw the rules into README.md
	@$(BIN)/python workflow/rulegraph.py

.venv/ready: requirements.lock
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python >= 3.11 is needed"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	@touch $@
