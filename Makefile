# Everything a newcomer needs: `make demo`, `make test`. No target needs hardware or Rust,
# `firmware` aside. `make demo PYTHON=python3.12` chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
# `make test LOCKED=1` installs what requirements/ci.txt names, file by file.
LOCKED ?=
RUN := $(VENV)/bin

# Tests start hundreds of short-lived processes: where compiled files may not be kept, most of their
# time is spent compiling.
unexport PYTHONDONTWRITEBYTECODE

# Old interpreters must be able to read this one: it is all that they get to see.
OLD := idoldbg needs Python 3.11 or later, and `$(PYTHON)` is %d.%d.%d; \
	choose another, as in: make demo PYTHON=python3.11
IS_NEW_ENOUGH = @$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("$(OLD)" % v[:3])'

.PHONY: demo test lint bench soak firmware packages lock site clean always

demo:
	$(IS_NEW_ENOUGH)
	@$(PYTHON) setup_venv.py $(VENV) emu
	@$(RUN)/python -P -m idoldbg demo

# Whole files to each worker: their tests share boards and labs. In their order, which begins with
# the longest ones. (A plain `pytest` runs everything in one process.)
# `TEST_OPTIONS`: more options for pytest.
test: $(VENV)/.installed
	$(RUN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(TEST_OPTIONS)

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
	$(RUN)/python fixtures/firmware/build.py --suite
	$(RUN)/python fixtures/firmware/build.py --toolchains

# Looked at every time, and cheap: the interpreter may be another one today.
$(VENV)/.installed: always
	$(IS_NEW_ENOUGH)
	@$(PYTHON) setup_venv.py $(VENV) emu test $(if $(LOCKED),--locked)

# Builds sdist and wheel, and tries both on every Python that this machine has.
packages:
	$(IS_NEW_ENOUGH)
	@$(PYTHON) -m tools.packages $(PACKAGES_OPTIONS)

# Newest versions of all that CI installs, with hashes.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --require-hashes -r requirements/release.txt
	$(VENV)-lock/bin/python -m tools.lock $(VENV)-lock/bin/uv
	rm -rf $(VENV)-lock

# The documentation site, in site/. Every warning is an error; links inside of it are checked.
site:
	$(PYTHON) -m venv $(VENV)-site
	$(VENV)-site/bin/pip install --quiet --require-hashes -r requirements/docs.txt
	NO_MKDOCS_2_WARNING=1 $(VENV)-site/bin/python -m mkdocs build --quiet
	$(VENV)-site/bin/python -m tools.check_site site
	rm -rf $(VENV)-site

clean:
	rm -rf $(VENV) build dist *.egg-info
