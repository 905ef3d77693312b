# make book     execute every chapter from scratch, check the claims, write the site to _build/html
# make read     write the site from the committed outputs, without executing
# make plain    the same with plain Sphinx 9 and no jupyter-book, in an environment of its own
# make pdf      the whole book as one file, _build/book.pdf, from the committed outputs (needs Chromium)
#               each of the four with SOLUTIONS=no: exercises without their solutions, for a course
# make test     all tests
# make refresh  execute the chapters and write the committed notebooks (CHAPTERS="ising" for some)
# make clean    remove what the others made, .venv included

SHELL := /bin/bash
# make 3.81, that of macOS, does not know these flags: no recipe depends on them
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: book read plain pdf test refresh constraints clean

PYTHON ?= python3
SOLUTIONS ?= yes
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLAIN := .venv-plain
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export NUMBA_NUM_THREADS := 1
ifneq ($(filter-out yes no,$(SOLUTIONS)),)
$(error SOLUTIONS is yes or no, not $(SOLUTIONS))
endif
WITHOUT := $(if $(filter no,$(SOLUTIONS)),--without-solutions)

book: $(STAMP)
	@$(BIN)/python -m lib book $(WITHOUT)

read: $(STAMP)
	@$(BIN)/python -m lib read $(WITHOUT)

plain: $(PLAIN)/.installed
	@$(PLAIN)/bin/python -m lib read $(WITHOUT)

pdf: $(STAMP)
	@$(BIN)/python -m lib single --pdf $(WITHOUT)

# two processes of tests side by side: each has one core, so that chapters start no workers of their own
test: export DAN_BOOK_WORKERS := 1
# The cells are tried where a test failed, too: a stale chapter may be accepted if they pass. Not after an interrupt.
test: $(STAMP)
	@$(BIN)/ruff check .
	@failed=0; $(BIN)/python -m pytest tests -n 2 --dist loadgroup --durations=15 || failed=$$?; \
	test $$failed -le 1 || exit $$failed; \
	$(BIN)/python -m pytest -p tests.verdicts --nbval-lax --nbval-current-env --nbval-cell-timeout=2400 \
		-n 2 --dist loadfile --no-loadscope-reorder book; \
	exit $$failed

refresh: $(STAMP)
	@$(BIN)/python -m lib execute --write $(CHAPTERS)

constraints: $(STAMP)
	@$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/constraints.all
	@sed 's/+cpu$$//' $(VENV)/constraints.all > $(VENV)/constraints.part
	@mv $(VENV)/constraints.part constraints.txt

clean:
	rm -rf _build $(VENV) $(PLAIN) *.egg-info .pytest_cache .ruff_cache

define check-python
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON); install Python 3.11, 3.12 or 3.13"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "make: $$($(PYTHON) --version) was not tried, 3.11 to 3.13 is needed; try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments; install its venv package (Debian: python3-venv)"; exit 1; }
endef

$(STAMP): pyproject.toml constraints.txt
	$(check-python)
	@echo "installing into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[book,test]'
	@$(BIN)/python -c 'import matplotlib.font_manager' # writes its list of fonts, which every kernel gets a copy of
	@touch $@

$(PLAIN)/.installed: requirements-plain.txt
	$(check-python)
	@echo "installing into $(PLAIN) (once)"
	@test -x $(PLAIN)/bin/python || $(PYTHON) -m venv $(PLAIN)
	@$(PLAIN)/bin/python -m pip install --quiet -r requirements-plain.txt
	@touch $@
