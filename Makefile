# Everything a person or CI does with raskal. Each target sets up what it needs: a fresh machine with Rust (rustup),
# Python 3.11+ and make is enough. Repeated runs skip what is done; nothing is installed outside .venv and the cache.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# One target directory outside the checkout: clones, worktrees and CI share what is compiled already.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/raskal/target
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# PyO3 builds for the `python3` on the path unless told; say so only when another one was chosen, because every change
# of this variable compiles PyO3 again.
ifneq ($(PYTHON),python3)
export PYO3_PYTHON := $(shell command -v $(PYTHON))
endif
# The checkout's package comes first, whatever is installed; no test or demo talks to a proxy.
export PYTHONPATH := $(CURDIR)/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
SIZE ?=

.PHONY: help demo test test-rust test-python dashboard-test lint lint-rust lint-python deny format docs docs-serve \
        bench claim extension extension-release wheel clean distclean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# --- set-up -----------------------------------------------------------------------------------------------------

$(BIN)/python:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup (https://rustup.rs)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# .venv/NAME.installed says that requirements/NAME.txt is installed as it stands.
$(VENV)/%.installed: requirements/%.txt requirements/run.txt requirements/pins.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement $< --constraint requirements/pins.txt
	@touch $@

# Copies of what cargo built, where `import raskal` and the `raskal` command find them; replaced in one step, since a
# running process may have the old one mapped. $(1) is cargo's folder of the profile.
define place
mkdir -p python/raskal/bin
for pair in lib_raskal.so:python/raskal/_raskal.so raskal:python/raskal/bin/raskal; do \
  from=$(CARGO_TARGET_DIR)/$(1)/$${pair%%:*}; to=$${pair#*:}; \
  cmp --silent $$from $$to || { cp $$from $$to.new && mv $$to.new $$to; }; \
done
endef

# Cargo tells one checkout's sources from another's by their times only, and clones share the target directory: whoever
# built there last must not pass for us.
claim:
	@mkdir -p $(CARGO_TARGET_DIR); last=$(CARGO_TARGET_DIR)/.checkout; \
	if [ "$$(cat $$last 2>/dev/null)" != "$(CURDIR)" ]; then \
	  find crates -name '*.rs' -exec touch {} +; echo "$(CURDIR)" > $$last; \
	fi

extension: claim ## the extension and the raskal command, dev profile, copied into python/raskal
	cargo build --locked -p raskal-py -p raskal-cli
	@$(call place,debug)

extension-release: claim ## the same, optimised
	cargo build --locked --release -p raskal-py -p raskal-cli
	@$(call place,release)

# --- what people run --------------------------------------------------------------------------------------------

demo: $(VENV)/run.installed extension-release ## the main job on 1 GB of real input (SIZE=small for 20 MB)
	SIZE=$(SIZE) $(BIN)/python -m examples.demo

bench: $(VENV)/run.installed extension-release ## the benchmarks against peers (ARGS="--size small --case tasks")
	@for peer in $$(grep -vE '^(#|-)' requirements/bench.txt); do \
	  $(BIN)/python -m pip install --quiet --constraint requirements/pins.txt $$peer \
	  || echo "$$peer could not be installed: the report will name it as missing"; \
	done
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/docs.installed ## the documentation, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "site/index.html"

docs-serve: $(VENV)/docs.installed ## the documentation at http://127.0.0.1:8000, rebuilt on change
	$(BIN)/mkdocs serve

wheel: $(VENV)/build.installed ## a release wheel in dist/
	$(BIN)/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist .

# --- checks -----------------------------------------------------------------------------------------------------

test: test-rust test-python ## every test, Rust and Python

# nextest runs tests of all crates at once and kills a hanging one; cargo's own runner does where it is missing.
test-rust: claim
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --locked --workspace; \
	else cargo test --locked --workspace --lib --bins --tests; fi
	cargo test --locked --workspace --doc --quiet

test-python: $(VENV)/test.installed extension
	$(BIN)/python -m pytest $(ARGS)

dashboard-test: $(VENV)/browser.installed ## the dashboard in a real browser (needs chromium and chromedriver)
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null \
	  || { echo "chromium or chromedriver is missing: install both (Debian: apt-get install chromium chromium-driver)"; exit 1; }
	$(BIN)/python -m pytest -m browser tests/dashboard $(ARGS)

lint: lint-python lint-rust ## formatting, lints, types, licences, dependency arrows

lint-python: $(VENV)/lint.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lint-rust: claim $(BIN)/python
	cargo fmt --all --check
	$(BIN)/python .ci/arrows.py
	if cargo deny --version >/dev/null 2>&1; then cargo deny --log-level error check bans licenses sources; \
	else $(BIN)/python .ci/licences.py; fi
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Not part of lint: cargo-deny takes minutes to build, and its advisories need a database that is fetched from GitHub.
deny: ## licences and security advisories with cargo-deny (installed into the cache when missing)
	@tool=$$(command -v cargo-deny || echo $(CARGO_TARGET_DIR)/tools/bin/cargo-deny); \
	[ -x "$$tool" ] || CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/tools/build \
	  cargo install --locked --root $(CARGO_TARGET_DIR)/tools cargo-deny@0.20.2; \
	"$$tool" check bans licenses sources; \
	if timeout 30 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; \
	then "$$tool" check advisories; \
	else echo "advisories NOT CHECKED: the RustSec database on GitHub cannot be reached from here"; fi

format: $(VENV)/lint.installed ## write the formatting that lint asks for
	cargo fmt --all
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

clean: ## forget the virtual environment and what was built into the checkout (data/ and the shared cache stay)
	rm -rf $(VENV) dist site python/raskal/_raskal.so python/raskal/bin .pytest_cache .ruff_cache .mypy_cache
	find python tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## also the generated data and the compiled dependencies
	rm -rf data $(CARGO_TARGET_DIR)
