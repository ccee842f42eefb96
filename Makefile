# Needs Python 3.11+ and make, nothing else. Another interpreter: make test PYTHON=/path/to/python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test check format docs bench results lock clean

help:
	@echo "make demo    train LeNet at the seven precisions and write runs/demo/report.html"
	@echo "make test    linters, types, layers and the whole test suite"
	@echo "make check   linters, types and layers alone;  make format mends the layout"
	@echo "make docs    the documentation;  make bench  the benchmarks"
	@echo "make results the published study, the training methods and the planes: goes on where it stopped"
	@echo "make lock    the lock files again, at the newest versions allowed;  make clean"

demo: $(VENV)/run.stamp
	$(BIN)/bitwatt study --network lenet --data mnist-small --precisions paper --out runs/demo

test: check
	$(BIN)/python -m pytest -n 2

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/build.py

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

# Says what is left and how long it takes, does it, keeps what is published. Data that is not there is downloaded.
results: $(VENV)/run.stamp
	$(BIN)/bitwatt study studies/paper.toml --out runs/paper --dry-run
	$(BIN)/bitwatt study studies/paper.toml --out runs/paper
	$(BIN)/python scripts/keep_results.py runs/paper
	$(BIN)/bitwatt study studies/methods-lenet.toml --out runs/methods-lenet
	$(BIN)/bitwatt study studies/methods-alex.toml --out runs/methods-alex
	$(BIN)/python docs/methods.py runs/methods-lenet runs/methods-alex
	$(BIN)/bitwatt study studies/plane-lenet.toml --out runs/plane-lenet
	$(BIN)/bitwatt study studies/plane-alex.toml --out runs/plane-alex
	$(BIN)/python scripts/keep_plane.py runs/plane-lenet
	$(BIN)/python scripts/keep_plane.py runs/plane-alex
	$(BIN)/python docs/findings.py

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "bitwatt needs Python 3.11 or newer; '$(PYTHON)' is not on the PATH. Say which: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import platform, sys; sys.version_info >= (3, 11) or sys.exit("bitwatt needs Python 3.11 or newer; $(PYTHON) is " + platform.python_version() + ". Say which: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than everything the environment was made from. The development lock contains the other.
$(VENV)/run.stamp: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet -r requirements.lock
	$(PIP) install --quiet --no-deps -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(PIP) install --quiet -r requirements-dev.lock
	$(PIP) install --quiet --no-deps -e .
	@touch $@ $(VENV)/run.stamp

lock:
	$(PYTHON) scripts/lock.py

clean:
	rm -rf build dist runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
