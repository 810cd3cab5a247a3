# Everything a newcomer needs: `make demo`, `make test`. No target needs hardware or Rust,
# `firmware` aside.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin

# Tests start hundreds of short-lived processes: where compiled files may not be kept, most of their
# time is spent compiling.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint bench soak firmware clean

demo: $(VENV)/.installed
	@$(RUN)/python -P -m idoldbg demo

# Whole files to each worker: their tests share boards and labs. In their order, which begins with
# the longest ones. (A plain `pytest` runs everything in one process.)
test: $(VENV)/.installed
	$(RUN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

bench: $(VENV)/.installed
	$(RUN)/python -m benchmarks.run

soak: $(VENV)/.installed
	$(RUN)/python -m benchmarks.soak

firmware: $(VENV)/.installed
	$(RUN)/python fixtures/firmware/build.py
	$(RUN)/python fixtures/firmware/build.py --gaps
	$(RUN)/python fixtures/firmware/build.py --toolchains

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --disable-pip-version-check -e '.[emu,test]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
