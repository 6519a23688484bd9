# Needs Python 3.11 or newer with pip, and make. `make help` lists what there is.

PYTHON ?= python3
PORT ?= 8000
MINUTES ?= 3
SEED ?= 0
# Another index for torch and torchvision alone, such as PyTorch's own CPU builds: a tenth of the download.
TORCH_INDEX_URL ?=

bin := .venv/bin
pip := $(bin)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: help serve train test test-page test-slow test-deploy test-ray test-uvicorn soak lint format audit sbom fuzz bench-training
.PHONY: bench-serving bench-queueing loop constraints clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: .venv/serve.done ## serve the models in models/ on 127.0.0.1 (PORT=8000)
	@exec $(bin)/python -m app --port $(PORT)

train: .venv/train.done ## fit softmax regression to Fashion-MNIST (ARGS="--epochs 10")
	$(bin)/python -m training fit $(ARGS)

test: .venv/dev.done .venv/schemas/kserve.done .venv/client-generator/done ## run the tests (ARGS="-k predict")
	$(bin)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

test-page: .venv/dev.done ## run the tests of the pages, in Chromium (ARGS="-k review")
	$(bin)/python -m pytest -m "browser and not slow" --numprocesses 2 --dist loadfile $(ARGS)

test-slow: .venv/dev.done ## run the tests that take longer each, or need two workers
	$(bin)/python -m pytest -m slow --numprocesses 2 --dist loadfile $(ARGS)

test-deploy: .venv/dev.done ## build the image and try docker-compose.yml on the Docker engine (ARGS="-k restart")
	$(bin)/python -m pytest -m engine $(ARGS) tests/deploy

soak: .venv/dev.done ## run the tests that take minutes, one after another (ARGS="-k swaps")
	$(bin)/python -m pytest -m soak --capture no $(ARGS)

test-ray: .venv-ray/done ## run the tests of Ray Serve, on a cluster of this machine
	sh tests/deploy/loopback_alone.sh .venv-ray/bin/python -m pytest -W ignore tests/deploy/test_ray_serve.py $(ARGS)

test-uvicorn: .venv/uvicorn/done ## run uvicorn's own tests of its HTTP protocol on our connections
	@cp tests/uvicorn_suite.py .venv/uvicorn/tests/conftest.py
	cd .venv/uvicorn && PYTHONPATH=$(CURDIR) $(CURDIR)/$(bin)/python -m pytest -c /dev/null --rootdir . -q \
	  $(ARGS) tests/protocols/test_http.py

lint: .venv/dev.done ## check style and types
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy

format: .venv/dev.done ## format the code
	$(bin)/ruff check --fix
	$(bin)/ruff format

fuzz: .venv/dev.done ## send damaged requests to a real server for so long (MINUTES=3, SEED=0)
	$(bin)/python -m tests.reliability.fuzz --minutes $(MINUTES) --seed $(SEED)

# pip-audit's exit code is 1 for a vulnerability and for a network that is not there; only the first prints a table.
audit: .venv/dev.done ## look the pinned and the lowest versions up among known vulnerabilities
	@$(bin)/python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	  print(*project['dependencies'], *sum(project['optional-dependencies'].values(), []), sep='\n')" \
	  | sed -n 's/>=/==/p' > .venv/lowest.txt
	@for versions in constraints.txt .venv/lowest.txt; do \
	  if $(bin)/pip-audit --vulnerability-service osv --no-deps --disable-pip --requirement $$versions \
	    > .venv/audit.txt 2> .venv/audit.log; then cat .venv/audit.txt .venv/audit.log; \
	  elif test -s .venv/audit.txt; then cat .venv/audit.txt; exit 1; \
	  else echo "NOT AUDITED: $$versions; the database can't be reached: $$(tail -n 1 .venv/audit.log)"; fi; \
	done

sbom: .venv/dev.done ## write sbom.json: what is installed in .venv, its licenses, and what needs what (CycloneDX)
	$(bin)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(bin)/python

bench-training: .venv/dev.done ## measure training next to other ways of doing it (ARGS="--rounds 1")
	$(bin)/python -m benchmarks.training $(ARGS)

bench-serving: .venv/dev.done ## measure the service next to other servers, half an hour (ARGS="--only ours")
	$(bin)/python -m benchmarks.serving $(ARGS)

bench-queueing: .venv/dev.done ## simulate queues, and set the real server beside them (ARGS="--measure")
	$(bin)/python -m benchmarks.queueing $(ARGS)

loop: .venv/dev.done ## live through a shift: serve, learn, promote, in a minute (ARGS="--picture docs/loop.png")
	$(bin)/python -m benchmarks.loop $(ARGS)

constraints: ## write constraints.txt anew, from the newest versions that fit pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(bin)/python -m pip install --quiet --editable '.[dev,ray]'
	(sed -n '/^#/p' constraints.txt; $(bin)/python -m pip freeze --exclude-editable) > .venv/constraints.txt
	mv .venv/constraints.txt constraints.txt

clean: ## remove the environment and all caches
	rm -rf .venv .venv-ray build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

# What KServe publishes of its types; a test reads the wheel, nothing installs it: it wants another psutil than ours.
.venv/schemas/kserve.done: .venv/dev.done
	@$(bin)/python -m pip --disable-pip-version-check download --quiet --no-deps --dest $(@D) kserve==0.21.0
	@touch $@

# A test makes a client of our OpenAPI description with it; it wants an older typer than ours.
.venv/client-generator/done: .venv/dev.done
	@$(bin)/python -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install --quiet openapi-python-client==0.29.1
	@touch $@

# The tests of the installed uvicorn, which only its source distribution has.
.venv/uvicorn/done: .venv/dev.done
	@rm -rf $(@D)
	@$(bin)/python -m pip --disable-pip-version-check download --quiet --no-deps --no-binary uvicorn --dest $(@D) \
	  uvicorn==$$($(bin)/python -c 'import uvicorn; print(uvicorn.__version__)')
	@tar --extract --gzip --file $(@D)/uvicorn-*.tar.gz --directory $(@D) --strip-components 1 --wildcards '*/tests'
	@touch $@

.venv/serve.done: extra :=
.venv/train.done: extra := [train]
.venv/dev.done: extra := [dev]
.venv/serve.done .venv/train.done .venv/dev.done: pyproject.toml constraints.txt
	@echo "Installing into .venv; with TORCH_INDEX_URL unset, torch comes with CUDA and takes some minutes." >&2
	@test -x $(bin)/python || $(PYTHON) -m venv .venv
	@$(if $(TORCH_INDEX_URL),$(pip) --no-deps --index-url $(TORCH_INDEX_URL) torch torchvision)
	@$(pip) --editable '.$(extra)'
	@touch $@

# Ray's packages stand beside those of .venv, which they leave as they are.
purelib := -c "import sysconfig; print(sysconfig.get_path('purelib'))"
.venv-ray/done: .venv/dev.done
	@$(bin)/python -m venv .venv-ray
	@$(bin)/python $(purelib) > "$$(.venv-ray/bin/python $(purelib))/beside.pth"
	@.venv-ray/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt '.[ray]'
	@touch $@
