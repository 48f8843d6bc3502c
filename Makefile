PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Holds in the isolated environments too in which pip builds.
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SEEDS ?= 1 2 3

# The recordings stand beside the project; without them there is nothing to score.
DATA ?= ../shared/data
EARTHQUAKES := $(sort $(dir $(wildcard $(DATA)/*/event.quakeml $(DATA)/openeew-mexico/*/event.quakeml)))

.PHONY: help install demo check test properties faults throughput fuzz scores calibration robustness performance constraints clean

help:
	@echo "make install      the command alatau in $(BIN)"
	@echo "make demo         replay the Ridgecrest earthquake of 2019; results in out/"
	@echo "make check        lint, types, import layers"
	@echo "make test         everything that CI runs"
	@echo "make properties   property tests with examples that make test has not seen"
	@echo "make faults       kill workers and brokers of a real cluster, half an hour: docs/faults.md"
	@echo "make throughput   how many stations this machine carries through Kafka"
	@echo "make fuzz         a million damaged records against libmseed, a minute or more"
	@echo "make scores       score the recordings in $(DATA): docs/scores.md"
	@echo "make robustness   the same with bad data and doublets, ten minutes: docs/robustness.md"
	@echo "make performance  measure the detector beside others: docs/performance.md"
	@echo "make constraints  pin the newest versions of all dependencies"
	@echo "make clean        take away what was built, but not $(VENV) and out/"

install: $(VENV)/installed

demo: install
	$(BIN)/alatau replay benchmarks/events/ridgecrest-2019-near --out out

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m tests.kafka.fetch || [ -z "$$ALATAU_REQUIRE_KAFKA" ]
	$(BIN)/python -m tests.mosquitto || [ -z "$$ALATAU_REQUIRE_MOSQUITTO" ]
	$(BIN)/pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -m kernel
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=build/numba $(BIN)/pytest -m kernel

properties: $(VENV)/installed-dev
	for seed in $(SEEDS); do \
		$(BIN)/pytest -m hypothesis --hypothesis-profile=others --hypothesis-seed=$$seed || exit 1; \
	done

faults: $(VENV)/installed-dev
	mkdir -p out
	$(BIN)/python -m tests.kafka.fetch
	$(BIN)/python -m tests.faults --json out/faults.json --page docs/faults.md

throughput: $(VENV)/installed-dev
	mkdir -p out
	$(BIN)/python -m tests.kafka.fetch
	$(BIN)/python -m benchmarks.throughput --json out/throughput.json

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m tests.fuzz_decode --records 1000000

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/installed

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Alatau needs Python 3.11 or newer: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes python3-venv; \
		else \
			echo "Install the package python3-venv first: sudo apt-get install python3-venv" >&2; exit 1; \
		fi; \
	fi
	$(PYTHON) -m venv $(VENV)

scores: $(VENV)/installed
	$(BIN)/python -m benchmarks.scores $(EARTHQUAKES) $(DATA)/noise-openeew-mexico --page docs/scores.md

calibration: $(VENV)/installed
	mkdir -p out
	$(BIN)/python -m benchmarks.calibration $(EARTHQUAKES) $(DATA)/noise-openeew-mexico --json out/calibration.json

robustness: $(VENV)/installed
	$(BIN)/python -m benchmarks.robustness_page $(EARTHQUAKES) --page docs/robustness.md

performance: $(VENV)/installed-dev
	mkdir -p out
	$(BIN)/python -m benchmarks.detector --json out/detector.json
	$(BIN)/python -m benchmarks.operators --json out/operators.json
	$(BIN)/python -m benchmarks.picks $(EARTHQUAKES) $(DATA)/noise-openeew-mexico > out/picks.md
	$(BIN)/python -m benchmarks.locator --json out/locator.json
	$(BIN)/python -m benchmarks.dispatch --json out/dispatch.json
	$(BIN)/python -m benchmarks.performance_page out/detector.json out/operators.json out/picks.md --locator out/locator.json --warnings out/dispatch.json $(if $(FUZZ),--fuzz "$(FUZZ)")

constraints:
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	PIP_CONSTRAINT= build/constraints/bin/pip install --quiet '.[dev]' 'setuptools>=77'
	build/constraints/bin/pip freeze --all --exclude pip --exclude alatau > constraints.txt
	rm -rf build/constraints

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
