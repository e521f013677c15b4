# How a layer's kubectl is built: make -C layers/kubectl/1.36 build OUT=/some/folder GOARCH=arm64
#
# A layer is unpacked to /opt, so OUT/kubectl/kubectl becomes /opt/kubectl/kubectl. The folder's name is
# the Kubernetes minor version, and go.mod beside the Makefile has the exact one.
#
# The bytes depend on nothing but that folder and the Go version: no path (-trimpath), no commit
# (-buildvcs=false), no build id. So a layer built twice has one SHA-256, and a stage that compares by
# it copies nothing. CGO_ENABLED and -trimpath are part of the build cache's key and must be the same
# as in tests/localcloud/kubernetes, which compiles the same packages as 1.36; -s, -w and -X only
# concern the link.

GOARCH  ?= amd64
MINOR   := $(notdir $(CURDIR))
VERSION := $(patsubst v0.%,v1.%,$(shell GOWORK=off go list -m -f '{{.Version}}' k8s.io/kubectl))

# Without these stamps kubectl calls itself v0.0.0-master. The commit is left empty: it is not known
# from a module, and the built-in text for that is a placeholder.
PACKAGES := k8s.io/component-base/version k8s.io/client-go/pkg/version
STAMPS   := $(foreach package,$(PACKAGES),-X $(package).gitVersion=$(VERSION) -X $(package).gitMajor=1 -X $(package).gitMinor=$(MINOR:1.%=%) -X $(package).gitCommit=)

.PHONY: build
build: ## Build kubectl as OUT/kubectl/kubectl for GOARCH
	@test -n "$(OUT)" || { echo "set OUT to the folder to build into" >&2; exit 2; }
	@case "$(VERSION)" in v$(MINOR).*) ;; *) echo "go.mod of layer $(MINOR) has kubectl $(VERSION)" >&2; exit 1;; esac
	mkdir -p "$(OUT)/kubectl"
	CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -buildvcs=false -ldflags '-s -w -buildid= $(STAMPS)' -o "$(OUT)/kubectl/kubectl" .

# SAM calls build-<LogicalId> and packs what lies in ARTIFACTS_DIR.
.PHONY: build-KubectlLayer$(subst .,,$(MINOR))
build-KubectlLayer$(subst .,,$(MINOR)):
	@$(MAKE) --no-print-directory build OUT="$(ARTIFACTS_DIR)"
