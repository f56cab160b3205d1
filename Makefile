# Everything a new clone needs; each target sets up what it uses.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
LOCAL_VENV ?= .venv-local
TRAIN_VENV ?= .venv-train

.DEFAULT_GOAL := help
.PHONY: help demo test test-editors bench-editors pictures test-faults test-local check format bench-core bench-repeat bench-runner bench-context bench-proxy bench-metrics bench-rollout bench-commits bench-ingest bench-quality peer-suite record-sessions bench-gpu clean test-train loop-smoke bench-teacher

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zeta_context needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zeta_context needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,test,dev]'
	@touch $@ $(VENV)/.demo

# A local model needs torch; one behind a URL does not.
DEMO_VENV = $(if $(filter-out http:% https:% unix:% shared,$(MODEL)),$(LOCAL_VENV)/.local,$(VENV)/.demo)

demo: $(DEMO_VENV)  ## replay a recorded editing session with a real language server: [MODEL=NAME|PATH|URL] [FORMAT=NAME]
	@$(dir $(DEMO_VENV))bin/zeta-context demo $(if $(MODEL),--model "$(MODEL)") $(if $(FORMAT),--format "$(FORMAT)") $(DEMO_ARGS)

test: $(VENV)/.dev  ## run every test (ARGS="-k name" to choose)
	@$(BIN)/python -m pytest $(ARGS)

$(LOCAL_VENV)/.local: pyproject.toml
	@test -x $(LOCAL_VENV)/bin/python || $(PYTHON) -m venv $(LOCAL_VENV)
	@$(LOCAL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(LOCAL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[local,llamacpp,test]'
	@touch $@

test-local: $(LOCAL_VENV)/.local  ## run the tests of the local runner, with torch (ARGS="-k name" to choose)
	@$(LOCAL_VENV)/bin/python -m pytest tests/runners tests/cli/test_model.py tests/cli/test_model_local.py tests/cli/test_eval_model.py tests/predict/test_model_proposer.py $(ARGS)

bench-runner: $(LOCAL_VENV)/.local  ## local predictions against what people run today: [FULL=1] [BENCH_ARGS=...]
	@$(LOCAL_VENV)/bin/python -m tests.bench.runner $(if $(FULL),--full) $(BENCH_ARGS)

test-editors: $(VENV)/.dev  ## run the plugins in real editors, fetching these: [EDITORS="neovim emacs"]
	@ZETA_CONTEXT_FETCH_EDITORS=1 $(BIN)/python -m tests.e2e.editors.report $(EDITORS)

bench-gpu: $(LOCAL_VENV)/.local  ## the same on a CUDA device: fetches what it needs, needs a torch with CUDA in LOCAL_VENV
	@$(LOCAL_VENV)/bin/python -m tests.bench.runner --device cuda --json out/bench-gpu.json $(if $(FULL),--full) $(BENCH_ARGS)

bench-editors: $(VENV)/.dev  ## what plugins cost at the start of an editor, and the first try
	@$(BIN)/python -m tests.bench.editors

pictures: $(VENV)/.dev  ## make the screenshots and the recording of the documentation anew
	@$(BIN)/python -m tools.pictures

check: $(VENV)/.dev  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev  ## format and fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench-core: $(VENV)/.dev  ## cost of a keystroke, a repeat prediction, an import
	@$(BIN)/python -m tests.bench.core

bench-repeat: $(VENV)/.dev  ## precision and recall of the repeat proposer: REPO=PATH [EXT=py]
	@$(BIN)/python -m tests.bench.repeat $(if $(REPO),--repo "$(REPO)") $(if $(EXT),--ext $(EXT))

bench-context: $(VENV)/.dev  ## how much of what the next edit needs is in the prompt: REPO=PATH [EXT=py]
	@$(BIN)/python -m tests.bench.context $(if $(REPO),--repo "$(REPO)") $(if $(EXT),--ext $(EXT)) $(BENCH_ARGS)

record-sessions: $(VENV)/.dev  ## record fixtures/sessions again through a real Neovim
	@$(BIN)/python -m tools.record_session $(NAMES)

bench-proxy: $(VENV)/.dev  ## what the proxy adds to each message, the start and memory
	@$(BIN)/python -m tests.bench.proxy $(BENCH_ARGS)

bench-secrets: $(VENV)/.dev  ## secrets found, false alarms, cost: [VECTORS=PATH of a detect-secrets checkout]
	@$(BIN)/python -m tests.bench.secrets $(if $(VECTORS),--vectors "$(VECTORS)")

$(TRAIN_VENV)/.train: pyproject.toml
	@test -x $(TRAIN_VENV)/bin/python || $(PYTHON) -m venv $(TRAIN_VENV)
	@$(TRAIN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(TRAIN_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[train,test]'
	@touch $@

test-train: $(TRAIN_VENV)/.train  ## run the tests of training, with torch (ARGS="-k name" to choose)
	@$(TRAIN_VENV)/bin/python -m pytest tests/training $(ARGS)

loop-smoke: $(TRAIN_VENV)/.train  ## sessions to a student that is measured to be better, on SmolLM2-135M
	@$(TRAIN_VENV)/bin/python -m tests.bench.loop $(BENCH_ARGS)

bench-teacher: $(VENV)/.dev  ## 100,000 questions to a teacher, killed at random: [BENCH_ARGS=--examples=N]
	@$(BIN)/python -m tests.bench.teacher $(BENCH_ARGS)

bench-commits: $(VENV)/.dev  ## examples a second from a git history: [REPO=PATH] [BENCH_ARGS=...]
	@$(BIN)/python -m tests.bench.commits $(if $(REPO),--repo "$(REPO)") $(BENCH_ARGS)

bench-licences: $(VENV)/.dev  ## traps and restricted licences taken, permissive ones refused, cost: [BENCH_ARGS=--explain]
	@$(BIN)/python -m tests.bench.licences $(BENCH_ARGS)

test-faults: $(VENV)/.dev  ## kill client and server over and over, count every record: [KILLS=1000]
	@$(BIN)/python -m tests.faults.kills --kills $(or $(KILLS),50)

bench-ingest: $(VENV)/.dev  ## the collection server under load: [RECORDS=1000000]
	@$(BIN)/python -m tests.bench.ingest $(if $(RECORDS),--records $(RECORDS)) $(BENCH_ARGS)

bench-metrics: $(VENV)/.dev  ## how many answers are scored in a minute on two cores
	@$(BIN)/python -m tests.bench.metrics

bench-rollout: $(VENV)/.dev  ## false alarms and power of a rollout that is looked at every day: [RUNS=1000]
	@$(BIN)/zeta-context rollout simulate --runs $(or $(RUNS),1000)

bench-quality: $(VENV)/.dev  ## what keeps predictions switched on: hits, interpolation, ripple, verification, cost
	@$(BIN)/python -m tests.bench.quality $(BENCH_ARGS)

peer-suite: $(VENV)/.dev  ## a language server's own tests, with the proxy in between: SUITE=PATH
	@$(BIN)/python -m tests.e2e.peer_suite "$(SUITE)"

clean:  ## remove what make created
	rm -rf $(VENV) $(LOCAL_VENV) $(TRAIN_VENV) dist build out
