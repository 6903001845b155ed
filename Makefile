# make demo    set up everything and take AlexNet from PyTorch to a checked ToffeeIR file
# make demo-c2 the script of 2017, line for line, on Caffe2
# make test    set up everything and run the tests
# make test-c2 fetch Caffe2 (882 MB, once) and run the tests that need it
# make bench   measure export, load and check beside their peers
# make lint    ruff and clang-format, in check mode
# make docs    the documentation as a site, build/docs/index.html
# make help    the rest

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
C_SOURCES := $(shell find csrc tests/fuzz -name '*.[ch]' 2>/dev/null)
CC_SOURCES := $(wildcard toffee/backend/c2/*.cc)

# The tests use one thread each: the machines have few cores, and pytest uses them.
TEST_ENV := OMP_NUM_THREADS=1 PYTHONHASHSEED=0

.PHONY: help setup demo demo-c2 caffe2 test test-c2 test-opinfo test-models test-wheel wheel wheels compatibility bench screenshots notebooks docs lint format fuzz fuzz-load fuzz-programs fuzz-sizes sanitize clean

help:
	@sed -n 's/^# make/make/p' Makefile

# make setup   Debian packages, a virtual environment in .venv, and the build
setup: $(VENV)/.built

$(VENV)/.made: tools/debian-packages tools/requirements.txt
	tools/debian-packages $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet -r tools/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps torchvision==0.28.0
	touch $@

$(VENV)/.built: $(VENV)/.made setup.py pyproject.toml $(wildcard proto/*.proto) $(C_SOURCES)
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/python examples/alexnet.py

demo-c2: setup caffe2
	$(BIN)/python examples/demo_c2.py

# make caffe2  Caffe2's runtime in the user's cache folder, if it is not there yet
caffe2: setup
	$(BIN)/python -m toffee.backend.c2 status >/dev/null 2>&1 \
	|| $(BIN)/python -m toffee.backend.c2 install

test: setup
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal

test-c2: setup caffe2
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal tests/c2

# make test-opinfo  all of PyTorch's operator database against tests/opinfo_baseline.json
test-opinfo: setup
	$(TEST_ENV) $(BIN)/python tests/opinfo.py --check

# make test-models  all models of torchvision, timm and transformers against their baseline
test-models: setup
	$(TEST_ENV) $(BIN)/python tests/models/run.py --check
	$(TEST_ENV) $(BIN)/python tests/models/dynamic.py --check

# make wheel   dist/: the source distribution, and from it a wheel for this interpreter
wheel: setup
	BUILDER=$(BIN)/python tools/wheel $(BIN)/python

# make wheels  the same for every CPython 3.10 to 3.14 at hand
wheels: setup
	BUILDER=$(BIN)/python PYTHON=$(BIN)/python tools/wheel --all

# make test-wheel  the wheel in a new environment, without and with toffee[all]
test-wheel: wheel
	$(BIN)/python tools/test_wheel dist/*.whl

# make compatibility  versions of torch, NumPy and Python (docs/compatibility.md); 15 GB to fetch
compatibility: setup
	$(BIN)/python tools/compatibility --write

bench: setup caffe2
	$(BIN)/python benchmarks/export.py
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/to_module.py
	$(BIN)/python benchmarks/trace.py
	$(BIN)/python benchmarks/c2.py
	$(BIN)/python benchmarks/command_line.py
	$(BIN)/python benchmarks/dynamic.py

# make screenshots  docs/images: pages and pictures as headless Chromium shows them
screenshots: setup
	$(BIN)/python tools/screenshots

# make notebooks  run docs/notebooks; what they show is then in build/notebooks
notebooks: setup caffe2
	$(TEST_ENV) $(BIN)/python tools/notebooks --run

# make docs NOTEBOOKS=1  the same, with the notebooks executed
docs: setup
	TOFFEE_DOCS_NOTEBOOKS=$(NOTEBOOKS) $(BIN)/python -m sphinx -q -n -W --keep-going \
	-d build/docs-doctrees docs build/docs

lint: $(VENV)/.made
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(C_SOURCES) $(CC_SOURCES)
	$(BIN)/mypy --strict toffee

# make format  let ruff and clang-format write
format: $(VENV)/.made
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_SOURCES) $(CC_SOURCES)

# make fuzz    all three below
fuzz: fuzz-programs fuzz-sizes fuzz-load

# make fuzz-programs  N random programs (20000) against eager PyTorch, on all cores
N ?= 20000
fuzz-programs: setup
	$(TEST_ENV) $(BIN)/python tests/fuzz/run_programs $(N)

# make fuzz-sizes  N_SIZES random programs that compute with sizes (10000), with open sizes
N_SIZES ?= 10000
fuzz-sizes: setup
	$(TEST_ENV) $(BIN)/python tests/fuzz/run_size_programs $(N_SIZES)

# make fuzz-load  libFuzzer on the reader for FUZZ_SECONDS (60); needs clang
FUZZ_SECONDS ?= 60
fuzz-load: setup
	PATH=$(abspath $(BIN)):$$PATH tests/fuzz/run $(FUZZ_SECONDS)

# make sanitize  the tests that need no torch, under AddressSanitizer and UBSan
sanitize: setup
	PATH=$(abspath $(BIN)):$$PATH tools/sanitize

clean:
	rm -rf build dist *.egg-info toffee/_core*.so .pytest_cache .ruff_cache .hypothesis
