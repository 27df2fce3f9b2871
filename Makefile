# Every target is one line of help: run `make` to read them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINT := $(if $(CI),--constraint .ci/lock.txt)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup setup-dev tools demo check test soak campaign golden bench bench-build bench-calibration bench-printed bench-setup bench-models bench-detector bench-threshold bench-trust bench-lpu docs docs-models wheel lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "flow needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); apt-get install -y -qq python3-venv >/dev/null 2>&1 && $(PYTHON) -m venv $(VENV); } || { echo "Python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.core: pyproject.toml hatch_build.py | $(VENV)/bin/python
	$(PIP) $(CONSTRAINT) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml hatch_build.py | $(VENV)/bin/python
	$(PIP) $(CONSTRAINT) --editable '.[dev]'
	@touch $(VENV)/.core $@

setup: $(VENV)/.core ## make the virtual environment .venv and install flow in it

setup-dev: $(VENV)/.dev ## the same with everything that the tests need from Python

tools: ## install the programs that the tests start (apt), or say which are missing
	@sh .ci/tools.sh

demo: $(VENV)/.core ## build the breast cancer classifier as a printed circuit, with its report
	$(BIN)/flow build --config examples/breast_cancer/flow.toml --output out/breast_cancer

check: $(VENV)/.dev ## format, lint, types, imports and the tests without tools; under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell flow docs examples benchmarks sim rtl templates *.md
	$(BIN)/pytest -m "not tool and not slow and not campaign" -n 2

test: $(VENV)/.dev tools ## everything: make check, then the tests that start tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2

soak: $(VENV)/.dev tools ## 3000 random networks on every rung of the ladder; hours, goes on where it stopped
	$(BIN)/python tests/soak.py

campaign: $(VENV)/.dev tools ## long random campaigns of the bit-exact ladder
	$(BIN)/pytest -m campaign

golden: $(VENV)/.dev ## rewrite the golden files; read the difference before you commit it
	$(BIN)/pytest --update-golden tests

bench: bench-build bench-calibration bench-printed bench-models bench-detector bench-threshold bench-trust bench-lpu ## every benchmark

bench-build: $(VENV)/.dev ## time, speed and proofs of `flow build` against alkaid
	$(BIN)/python benchmarks/build.py

bench-calibration: $(VENV)/.dev ## area of exact printed perceptrons against plain Verilog
	$(BIN)/python benchmarks/calibration.py

bench-printed: $(VENV)/.dev ## printed classifiers against everything published; hours, goes on where it stopped
	$(BIN)/python benchmarks/fitness.py
	$(BIN)/python benchmarks/printed.py

bench-setup: benchmarks/.venv/.done ## the rivals' own environment, for bench-models, bench-detector and bench-lpu

benchmarks/.venv/.done:
	@$(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/python -m pip install --quiet --disable-pip-version-check da4ml==0.6.0 alkaid==0.8.2 keras==3.15.1 tensorflow-cpu==2.21.0 HGQ2==0.2.0 numpy==2.4.6 tokenizers==0.23.3
	@touch $@

bench-models: $(VENV)/.dev bench-setup ## size, time and speed of models against alkaid and da4ml; hours, goes on where it stopped
	$(BIN)/python benchmarks/models.py

bench-detector: $(VENV)/.dev bench-setup ## taggers, muons, codesign, the encoder chip and HLS; hours, goes on where it stopped
	$(BIN)/python benchmarks/detector.py

bench-threshold: $(VENV)/.dev ## threshold gates, binary networks on the array and on flash cells
	$(BIN)/python benchmarks/threshold.py

bench-lpu: $(VENV)/.dev bench-setup ## language models as wires: the plan against its paper, neurons against rivals
	$(BIN)/python benchmarks/lpu.py

bench-trust: $(VENV)/.dev ## faults of printed classifiers, test vectors, hardening
	$(BIN)/python benchmarks/trust.py

docs: $(VENV)/.dev ## rewrite docs/reference.md from the code and build the site into site/
	$(BIN)/python docs/make_reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

docs-models: $(VENV)/.dev ## try every model file below MODELS=FOLDER and rewrite docs/models.md
	$(BIN)/python docs/make_models.py $(MODELS)

wheel: $(VENV)/.dev ## build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

lock: $(VENV)/.dev ## pin what is installed now for CI
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^flow ' > .ci/lock.txt

clean: ## remove everything that can be made again
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
