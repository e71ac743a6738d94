# make run: install into .venv and run the example. make test: every check. PYTHON=... picks the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input
SOURCES := daemon retrain drift tests examples benchmarks docs
# Notebooks' packages stand beside these of the environment.
SHARED := numpy psutil tzdata
# Many tests wait for processes, settle times and disks: three at once keep two cores busier than two.
PYTEST_ARGS ?= -n 3 --dist loadgroup --durations 12
export OMP_NUM_THREADS := 1
# What runs over PostgreSQL as well, in place of a file of SQLite.
ON_POSTGRESQL := tests/daemon/ledger tests/daemon/intake tests/daemon/cycles $(addprefix tests/scenarios/,test_loop.py \
	test_crash.py test_error_stream.py test_prediction_log.py test_rollout.py test_suspicion.py)
# Where it is set, each of the hundreds of processes of the tests compiles what it imports of the sources anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: cluster cluster-bench floor hosts failover followers controls sizes mlflow image-test engines rolling adopted-latency forget-proof scoring prometheus groups tried field gate gate-noise labels labels-seeds help audit run demo-recommender test check lint format docs types layers long crash hostile world bench calibration drops poison streams recommend-bench recommend-answers peers serving serving-soak page-load soak start-up year long-file large-window lock clean browser screenshots power systemd wrong-labels

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

run: $(VENV)/.installed ## install what is needed, then run the service on the example flights
	@DRIFTD_DEMO_TARGET=run $(BIN)/driftd demo .

demo-recommender: $(VENV)/.installed ## the same on the generated log of a shop that recommends
	@DRIFTD_DEMO_TARGET=demo-recommender $(BIN)/driftd demo --recommender .

test: lint types $(VENV)/notebook/.installed ## lint, types, tests, among them that of the layers, and doctests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: format test ## format, then everything that `make test` does

lint: $(VENV)/.installed-dev ## style, without changing anything
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(VENV)/.installed-dev ## write the house format
	$(BIN)/ruff check --fix --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.installed-dev ## write the documentation's tables from what the code declares
	$(BIN)/python docs/tables.py

types: $(VENV)/.installed-dev ## mypy
	$(BIN)/mypy

layers: $(VENV)/.installed-dev ## imports run downward only
	$(BIN)/lint-imports

long: $(VENV)/.installed-dev ## the tests that take minutes each and variants of stories, but for those of `make world`, `make systemd`, `make browser` and `make image-test`
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m long --ignore tests/faults --ignore tests/systemd --ignore tests/browser --ignore tests/containers

browser: $(VENV)/.installed-dev $(VENV)/axe/.installed ## drive every view and action of the status page in a real Chromium; axe-core; minutes
	$(BIN)/python -m pytest --durations 12 -m "long or not long" tests/browser tests/daemon/page/test_browser.py

screenshots: $(VENV)/.installed-dev ## play the example and take the README's pictures; Chromium; ten minutes; SCREENSHOTS="--in DIR" or "--only-notebook"
	PYTHONPATH=.:tests $(BIN)/python examples/screenshots.py $(SCREENSHOTS)

forget-proof: $(VENV)/.installed-dev ## forget people in two hundred random states, half of them of a recommender, each with a kill in the middle; minutes
	$(BIN)/python -m pytest -q tests/daemon/service/test_forgetting.py tests/daemon/service/test_forgetting_events.py -m long -n 0

hosts: $(VENV)/.installed-dev ## kill, stop and unplug three hosts with one ledger and one store, a thousand times; hours; root, and the packages of `make engines`; HOSTS="--faults 50 --only unplugged"
	PYTHONPATH=tests $(BIN)/python -m host_faults $(HOSTS)

crash: $(VENV)/.installed-dev ## kill processes and fail effects a thousand times; two hours; CRASH="--seed 2 --points 200 --layers"
	PYTHONPATH=tests $(BIN)/python -m faults $(CRASH)

hostile: $(VENV)/.installed-dev ## send every request of the hostile corpus while another client predicts; ten minutes; HOSTILE="--only gzip"
	PYTHONPATH=tests $(BIN)/python -m hostile $(HOSTILE)

world: $(VENV)/.installed-dev ## the faults of the world, the long ones too: 100,000 files, 200 models; hours
	$(BIN)/python -m pytest -s -m "long or not long" tests/faults

systemd: $(VENV)/.installed-dev ## the service under a real systemd in a throw-away container, the long run; needs root
	$(BIN)/python -m pytest -s --durations 12 -m "long or not long" tests/systemd

image-test: $(VENV)/.installed-dev ## make the image by its Containerfile in a Debian root file system, and start it read-only; root, debootstrap, five minutes
	$(BIN)/python -m pytest -s --durations 12 -m "long or not long" tests/containers

IN_STORE := tests/retrain/store/test_objects.py tests/daemon/runtime/test_stored_state.py tests/scenarios/test_object_store.py tests/scenarios/test_failover.py tests/daemon/intake/test_prefix.py tests/scenarios/test_prefix.py tests/scenarios/test_uploads.py tests/scenarios/test_serving_hosts.py tests/test_beyond_page.py
engines: $(VENV)/.installed-dev ## the tests of the ledger over both engines and of the object store, other rooms and stories over PostgreSQL; needs their packages; minutes
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "long or not long" tests/daemon/ledger tests/scenarios/test_postgresql_ledger.py $(IN_STORE)
	$(BIN)/python -m pytest $(PYTEST_ARGS) --ledger postgresql $(ON_POSTGRESQL)

cluster: $(VENV)/.installed-dev ## stages on a real Dask cluster: tests, and faults drawn at random; minutes; CLUSTER="--faults 300 --seed 1"
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "long or not long" tests/daemon/runtime/cluster tests/scenarios/test_cluster.py
	PYTHONPATH=tests:. $(BIN)/python -m cluster_faults $(CLUSTER)

cluster-bench: $(VENV)/.installed-dev ## a replay of eight variants on one and two workers, and what a training costs more there; minutes; CLUSTER_BENCH="--rows 40000"
	PYTHONPATH=tests:. $(BIN)/python -m benchmarks.cluster $(CLUSTER_BENCH)

mlflow: $(VENV)/.installed-dev $(VENV)/mlflow/.installed $(VENV)/mlflow-server/.installed ## mirror versions into a real MLflow, over kills, absences and restores; installs it, 1 GB; minutes
	@echo "Mirroring into a real MLflow, which is started in temporary folders: some four CPU minutes"
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "long or not long" tests/registry

failover: $(VENV)/.installed-dev ## measure how long the work stands still when the host that leads is lost; needs the packages of make engines; minutes; FAILOVER="--lease 3 --rounds 20"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.failover $(FAILOVER)

followers: $(VENV)/.installed-dev ## measure how soon a hundred hosts know of a promotion; needs the packages of make engines; minutes; FOLLOWERS="--hosts 10 --promotions 5"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.followers $(FOLLOWERS)

controls: $(VENV)/.installed-dev ## measure how many files 1, 2 and 4 services take in on one PostgreSQL, and what that is bound by; needs its package; minutes; CONTROLS="--services 1 --files 50"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.controls $(CONTROLS)

sizes: $(VENV)/.installed-dev ## measure the bytes that a file, an answered row and a version cost; a minute
	PYTHONPATH=tests $(BIN)/python -m benchmarks.sizes $(SIZES)

prometheus: $(VENV)/.installed-dev ## ask a real Prometheus, which scrapes a real service, every query of the dashboard; needs its package
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "long or not long" tests/contrib

bench: $(VENV)/.installed-dev ## measure; prints a table and JSON; BENCH="latency idle rescan memory many swaps asked" picks
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(BENCH)

calibration: $(VENV)/.installed-dev ## measure how often checks alarm where nothing changed; half an hour on two cores
	$(BIN)/python -m benchmarks.calibration

drops: $(VENV)/.installed-dev ## measure false alarms and power of the test of a drop in performance; half an hour; DROPS="--jobs 2"
	$(BIN)/python -m benchmarks.drops $(DROPS)

groups: $(VENV)/.installed-dev ## measure false alarms and power of watched groups of rows; half an hour; GROUPS="--runs 100"
	$(BIN)/python -m benchmarks.groups $(GROUPS)

poison: $(VENV)/.installed-dev ## measure which poisoned batches are held and which clean ones; POISON="--streams DIR"
	$(BIN)/python -m benchmarks.poison $(POISON)

wrong-labels: $(VENV)/.installed-dev ## replay streams while somebody inverts labels: what is held, what it costs; ten minutes; POISON="--streams sine"
	$(BIN)/python -m benchmarks.poison.feedback $(POISON)

streams: $(VENV)/.installed-dev ## replay streams with the planner and fixed schedules; STREAMS="--streams DIR --ablation --jobs 2"
	$(BIN)/python -m benchmarks.streams $(STREAMS)

field: $(VENV)/.installed-dev ## compare decisions with schedules, detectors of river and frouros, and the bench lfmm; an hour; FIELD="--lfmm --delay 3"
	$(BIN)/python -m benchmarks.field $(FIELD)

tried: $(VENV)/.installed-dev ## replay streams with what was tried for decisions beside what the product does; an hour; TRIED="--variants trend --delays 3"
	$(BIN)/python -m benchmarks.tried $(TRIED)

labels: $(VENV)/.installed-dev ## replay streams whose labels are late, partial, one-sided or corrected; an hour; LABELS="--streams DIR --jobs 2"
	$(BIN)/python -m benchmarks.labels $(LABELS)

gate: $(VENV)/.installed-dev ## replay streams and compare what the gate foretold with what came; GATE="--streams DIR --batches 40 50 80"
	$(BIN)/python -m benchmarks.gate $(GATE)

gate-noise: $(VENV)/.installed-dev ## how often chance is promoted, on a thousand streams that do not change; GATE="--seeds 1000 --jobs 2"
	$(BIN)/python -m benchmarks.gate.noise $(GATE)

labels-seeds: $(VENV)/.installed-dev ## a thousand short streams whose positive labels come first: how often is a promotion harmful? LABELS="--jobs 2"
	$(BIN)/python -m benchmarks.labels.seeds $(LABELS)

power: $(VENV)/.installed-dev ## measure how often checks alarm through `driftd check`; half an hour
	PYTHONPATH=tests $(BIN)/python -m benchmarks.power

recommend-bench: $(VENV)/.installed-dev ## replay event logs with the recommender; RECOMMEND="--streams FILE --user C --item C --time C --peers"
	$(BIN)/python -m benchmarks.recommend $(RECOMMEND)

recommend-answers: $(VENV)/.installed-dev ## measure what a recommendation costs beside FastAPI and implicit; wrk, 500 MB, two minutes
	PYTHONPATH=tests $(BIN)/python -m benchmarks.recommend.answers

scoring: $(VENV)/.installed-dev ## measure a million rows scored from a file beside pandas and the same estimator; 1 GB, ten minutes; SCORING="--rows 100000"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.scoring $(SCORING)

floor: $(VENV)/.installed-dev ## measure how far each figure is from its goal, and draw it; needs wrk; half an hour on a quiet machine; FLOOR="rest start --write"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.floor $(FLOOR)

peers: $(VENV)/.installed-dev ## measure a check beside other tools, each in an environment made for it; 5 GB, half an hour
	$(BIN)/python -m benchmarks.peers

serving: $(VENV)/.installed-dev ## measure the server beside others, in swaps and beside a training; wrk, 2 GB, 35 minutes; SERVING="peers swap training"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.serving $(SERVING)

serving-soak: $(VENV)/.installed-dev ## minutes of full load with a swap every ten seconds; wrk; MINUTES=10
	PYTHONPATH=tests $(BIN)/python -m benchmarks.serving soak --minutes $(or $(MINUTES),10)

rolling: $(VENV)/.installed-dev ## restart three hosts in turn behind haproxy under load, and count what fails; needs haproxy and what `make engines` needs; minutes; ROLLING="--requests 100000"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.rolling $(ROLLING)

page-load: $(VENV)/.installed-dev ## measure what fifty open status pages cost who asks for predictions; wrk; five minutes
	PYTHONPATH=tests $(BIN)/python -m benchmarks.serving pages

soak: $(VENV)/.installed-dev ## everything at once until retention is steady, and an hour more; MINUTES=60
	PYTHONPATH=tests $(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),60)

year: $(VENV)/.installed-dev ## measure the queries of a ledger with a year of one file a minute; 1.5 GB, two minutes
	PYTHONPATH=tests $(BIN)/python -m benchmarks.year

adopted-latency: $(VENV)/.installed-dev $(VENV)/notebook/.installed ## measure one row of adopted pipelines and own preparations over HTTP, beside the plain call; two minutes
	PYTHONPATH=.:tests:$(VENV)/notebook $(BIN)/python -m benchmarks.adopted $(ADOPTED)

start-up: $(VENV)/.installed-dev ## measure what commands cost as a whole, beside a loop of SciPy's tests; 1 GB, three minutes; START_UP="--runs 9"
	$(BIN)/python -m benchmarks.start_up $(START_UP)

long-file: $(VENV)/.installed-dev ## compare a generated file of 20 GB; needs as much space
	$(BIN)/python -m benchmarks.long_file

large-window: $(VENV)/.installed-dev ## train on a generated window larger than the training's memory, in a real service; minutes, twice the space; LARGE="--gigabytes 5 --memory 1.5GB --large parts"
	PYTHONPATH=tests $(BIN)/python -m benchmarks.large_window $(LARGE)

audit: $(VENV)/.installed-dev ## ask pip's index for known vulnerabilities of the locked dependencies
	@$(BIN)/python .ci/audit.py

lock: $(VENV)/.installed-dev ## resolve pyproject.toml again into the two lock files
	$(PIP) install uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --quiet pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --quiet \
		--extra postgres --extra s3 --constraint requirements-dev.lock pyproject.toml -o contrib/containers/extras.lock
	echo 'setuptools>=77' | $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--upgrade --quiet --constraint requirements-dev.lock - -o contrib/containers/build.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --upgrade --no-deps tests/browser/axe.in -o tests/browser/axe.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --upgrade --constraint requirements-dev.lock $(foreach name,$(SHARED),--no-emit-package $(name)) \
		tests/notebook/notebook.in -o tests/notebook/notebook.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--quiet --upgrade --constraint requirements-dev.lock $(foreach name,$(SHARED),--no-emit-package $(name)) \
		tests/registry/mlflow.in -o tests/registry/mlflow.lock

clean: ## remove the environment and caches; state/ and data/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was installed from, so the second time costs nothing.
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing driftd into $(VENV) (once, about a minute)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing driftd and its development tools into $(VENV) (once, about a minute)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --editable .
	@touch $@ $(VENV)/.installed

# The script axe-core alone, as a package carries it: apart from the environment, for it needs nothing of the rest.
$(VENV)/axe/.installed: tests/browser/axe.lock | $(BIN)/python
	@$(PIP) install --require-hashes --no-deps --upgrade --target $(VENV)/axe -r tests/browser/axe.lock
	@touch $@

# What notebooks need, apart for the reason that its list gives; NumPy and the others are those of the environment.
$(VENV)/notebook/.installed: tests/notebook/notebook.lock | $(VENV)/.installed-dev
	@$(PIP) install --require-hashes --no-deps --upgrade --target $(VENV)/notebook -r tests/notebook/notebook.lock
	@touch $@

# MLflow's client with pandas, which its pyfunc needs, apart for the same reason; and its server, whose bounds of pyarrow are
# others, in an environment of its own.
$(VENV)/mlflow/.installed: tests/registry/mlflow.lock | $(VENV)/.installed-dev
	@echo "Installing MLflow's client with pandas into $(VENV)/mlflow (once, 200 MB, about a minute)"
	@$(PIP) install --require-hashes --no-deps --upgrade --target $(VENV)/mlflow -r tests/registry/mlflow.lock
	@touch $@

$(VENV)/mlflow-server/.installed: | $(BIN)/python
	@echo "Installing MLflow's server into $(VENV)/mlflow-server (once, 850 MB, a few minutes)"
	@$(PYTHON) -m venv $(VENV)/mlflow-server
	@$(VENV)/mlflow-server/bin/python -m pip -qq --disable-pip-version-check --no-input install 'mlflow>=3.5,<4'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
		"driftd needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo \
		"$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
