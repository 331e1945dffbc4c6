# Everything is set up by the first target that needs it; only Python >= 3.11 and make are assumed.
PYTHON ?= python3
CORES ?= 2
STUDY ?= config/config.yaml
DEVICE ?= cpu
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --configfile $(STUDY)
# Snakemake meets a study file that is missing or broken with a traceback.
CHECK := $(BIN)/python -m cotsieve.study.settings.file $(STUDY)

.PHONY: run preflight plan status explain publish test test-unit test-slow bench lint format rulegraph export clean

run: .venv/ready  ## run the study (STUDY=config/other.yaml for another one)
	@$(CHECK)
	@$(SNAKEMAKE)

status: .venv/ready  ## tell where the study stands, from its files alone
	@$(BIN)/python -m cotsieve.report.status $(STUDY)

preflight: .venv/ready  ## look for everything that would stop a run (docs/reliability.md)
	@$(BIN)/python -m cotsieve.study.checks.preflight $(STUDY)

plan: .venv/ready  ## show what would be run
	@$(CHECK)
	@$(SNAKEMAKE) --dry-run

explain: .venv/ready  ## say for every planned job what changed (docs/reruns.md)
	@$(BIN)/python workflow/explain.py $(STUDY)

publish: .venv/ready  ## show what publishing a dataset would do; PUSH=1 does it (docs/publishing.md)
	@$(BIN)/python workflow/publish.py $(STUDY) --repo "$(REPO)" --model "$(MODEL)" \
	    $(if $(BRANCH),--branch "$(BRANCH)") $(if $(filter 1,$(TRACES)),--traces) \
	    $(if $(filter 1,$(PRIVATE)),--private) $(if $(filter 1,$(PUSH)),--push)

test: .venv/ready  ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-unit: .venv/ready  ## run the tests of the package alone, without whole runs of the workflow
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile \
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
