# Each target does its own set-up: only Python 3.11+ and pip are needed.
# Other interpreter: make PYTHON=python3.13 test. Other place for the environment: make VENV=build/venv test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test slow lint bench gallery docs clean

# Made anew by whatever changes the dependencies.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "goodfit needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# A fresh run each time: the same folder again would show the recorded result.
demo: $(VENV)/.ready
	rm -rf goodfit-runs/demo
	$(BIN)/goodfit fit digits --budget 45s --out goodfit-runs/demo

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto -m "not slow and not figures"

slow: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto -m slow

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# PyTorch first: asked for together with what needs it, its build for GPUs may come, gigabytes large.
$(VENV)/.bench-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	touch $@

# Speed beside other libraries, about 40 minutes with nothing else running; `make bench ROW=a` runs one row.
bench: $(VENV)/.bench-ready
	$(BIN)/python benchmarks/speed.py $(if $(ROW),--row $(ROW))

# docs/gallery.md and its figures, from MNIST (GOODFIT_DATA) or scikit-learn's digits; goes on where it was.
gallery: $(VENV)/.ready
	$(BIN)/goodfit lab run all --out build/gallery
	$(BIN)/python docs/gallery.py build/gallery

# The site, build/site/index.html: every warning is an error, and no page loads anything from another host.
docs: $(VENV)/.ready
	$(BIN)/python -m sphinx -q -W --keep-going -E -b html -d build/site-doctrees docs build/site
	@echo "The site: build/site/index.html"

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
