# SPDX-License-Identifier: BSD-3-Clause
# make demo   see it work              make test   all that must pass before a commit
# make lint types floors docs pytest   the parts of `make test`, one at a time
# make slow fuzz bench coverage clean  the rest.   PYTHON=... chooses the interpreter (3.11 or newer)

PYTHON ?=
VENV   ?= .venv
EXTRAS ?= skops,onnx,keyring,kms,fast,lz4,zstd,store,s3,serve,dask,parquet,bench
BENCH  ?=
COMPARE ?=
JOBS   ?= 2
FUZZ   ?= 20

BIN    := $(VENV)/bin
PY     := $(BIN)/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
# One thread a worker: the libraries would otherwise fight for the cores that the workers share.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS)

# A stamp says what has been installed, so that nothing is installed twice.
MADE  := $(VENV)/.stamp-made
USER  := $(VENV)/.stamp-user
DEV   := $(VENV)/.stamp-dev
MEASURE := $(VENV)/.stamp-bench
ATHERIS := $(VENV)/.stamp-atheris

.PHONY: demo test lint types floors pytest slow fuzz fuzz-atheris docs bench coverage clean test-clients
.NOTPARALLEL:
.DELETE_ON_ERROR:

demo: $(USER)
	@$(BIN)/safeserial demo

test: lint types floors pytest docs

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

floors: $(DEV)
	$(BIN)/lint-imports

pytest: $(DEV)
	$(PYTEST) -m "not slow"

# The readers in other languages, with their compilers; npm's packages are kept in the user's cache.
test-clients: $(DEV)
	@tools/system_packages.sh clients
	$(PYTEST) tests/clients

slow: $(DEV)
	$(PYTEST) -m slow

fuzz: $(DEV)
	SAFESERIAL_FUZZ=$(FUZZ) $(PYTEST) tests/property tests/verifier/test_differential.py tests/validators/test_mutations.py

# Coverage-guided, FUZZ minutes in all; what it finds is in .fuzz/found.
fuzz-atheris: $(ATHERIS)
	$(PY) -m tools.fuzz --minutes $(FUZZ)

docs: $(DEV)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

bench: $(MEASURE)
	@mkdir -p build
	$(PY) -m safeserial_benchmarks $(BENCH)
	$(BIN)/safeserial bench $(COMPARE) --fresh -o build/formats.json --html build/formats.html

# What converts to ONNX, and is right: every estimator of scikit-learn and the pipelines of the tests.
coverage: $(DEV)
	@mkdir -p build
	OMP_NUM_THREADS=1 $(PY) -m safeserial_converters.coverage -j $(JOBS) -o build/onnx-coverage.json --page docs/reference/onnx-coverage.md

clean:
	rm -rf build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f .coverage .coverage.*
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(MADE): tools/bootstrap.sh
	@PYTHON="$(PYTHON)" tools/bootstrap.sh $(VENV)
	@touch $@

$(USER): $(MADE) pyproject.toml
	@$(PIP) -e .
	@touch $@

$(DEV): $(MADE) pyproject.toml tools/system_packages.sh
	@tools/system_packages.sh
	@$(PIP) -e '.[$(EXTRAS)]' --group dev
	@touch $@ $(USER)

$(ATHERIS): $(DEV)
	@$(PIP) 'atheris>=3'
	@touch $@

$(MEASURE): $(MADE) pyproject.toml
	@$(PIP) -e '.[$(EXTRAS)]'
	@touch $@ $(USER)
