# Everything here needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Several hundred processes of the tests would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JS := clients/javascript
NODE_MODULES := $(JS)/node_modules/.installed

.PHONY: demo example-login example-sms test bench lint map alerts site pictures stills types javascript lock clean

demo: $(VENV)/.demo  ## one verification, narrated, then a page to try it; ARGS=--once ends before the page, ARGS=--help: all options
	@$(BIN)/python examples demo $(ARGS)

example-login: $(VENV)/.demo  ## a login page next to a demo stack of its own, until Ctrl-C
	@$(BIN)/python examples login $(ARGS)

example-sms: $(VENV)/.demo  ## an SMS system that falls back to a call, narrated; ARGS=--once ends after it
	@$(BIN)/python examples sms $(ARGS)

# Where Node is missing, the tests of the JavaScript client are left out.
test: lint $(if $(shell command -v npm),$(NODE_MODULES))  ## lint, types, import contracts, tests in six processes; ARGS goes to pytest
	$(BIN)/pytest --numprocesses 6 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.demo  ## speed and memory, about three minutes; ARGS="--size full --svg FILE": more of it
	@$(BIN)/python benchmarks/run.py $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/check_words.py
	$(BIN)/mypy
	$(BIN)/lint-imports

map: $(VENV)/.test  ## draw the modules and their imports into docs/architecture.md
	$(BIN)/python scripts/module_map.py

alerts: $(VENV)/.test  ## write docs/alerts.md from the alerts
	$(BIN)/python scripts/alerts_page.py

site: $(VENV)/.test  ## build the documentation as a site, .site/html
	$(BIN)/python scripts/build_site.py

pictures: $(VENV)/.test  ## draw the diagrams of the pages with Chromium and Mermaid
	@npm ci --prefix scripts/mermaid --ignore-scripts --no-audit --no-fund --silent
	$(BIN)/python scripts/pictures.py

stills: $(VENV)/.test  ## take the pages' stills for the documentation, with the browser tests
	OTPVOICE_STILLS=1 $(BIN)/pytest -q --numprocesses 0 tests/sandbox/test_page_in_browser.py::test_call_rings_is_answered_and_speaks \
	  tests/examples/test_demo_page.py::test_visitor_is_called_and_logged_in tests/system/test_console.py

types: $(VENV)/.test $(NODE_MODULES)  ## generate the JavaScript client's types from the OpenAPI document
	$(BIN)/python scripts/javascript_types.py

javascript: $(NODE_MODULES)  ## install the tools of the JavaScript client's tests

$(NODE_MODULES): $(JS)/package.json $(JS)/package-lock.json
	@npm ci --prefix $(JS) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# The locks name every package with its hash. Editable, so that a change is seen at once.
$(VENV)/.demo: requirements/demo.txt pyproject.toml clients/python/pyproject.toml
	@echo "Setting up $(VENV) (once) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/demo.txt
	@$(PIP) install --no-deps --no-build-isolation --editable clients/python --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.demo requirements/test.txt
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

# otpvoice-client is this checkout's: its dependencies are locked, itself it is not.
LOCK := uv pip compile -q --universal --generate-hashes --no-header --no-emit-package otpvoice-client

lock:  ## resolve pyproject.toml anew into requirements/
	$(LOCK) -o requirements/run.txt pyproject.toml
	$(LOCK) -o requirements/build.txt requirements/build.in
	$(LOCK) -c requirements/run.txt --extra demo -o requirements/demo.txt pyproject.toml requirements/build.in
	$(LOCK) -c requirements/demo.txt --extra demo --group test -o requirements/test.txt pyproject.toml requirements/build.in
	for sdk in tests/integrations/*/*.in; do $(LOCK) --python-version 3.11 -o $${sdk%.in}.txt $$sdk || exit; done

clean:
	rm -rf $(VENV) .site .cache $(JS)/node_modules $(JS)/types .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
