# Everything a newcomer needs: `make demo`, `make test`. No target needs hardware or Rust,
# `firmware` aside.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin

.PHONY: demo test lint bench soak firmware clean

demo: $(VENV)/.installed
	@$(RUN)/python -m idoldbg demo

test: $(VENV)/.installed
	$(RUN)/python -m pytest

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
