# Signet's commands. "make" alone lists them.

SHELL   := bash
GO      ?= go
TOOLS   := $(CURDIR)/.cache/bin
LINT    := 2.15.0
DIR     ?= .signet
FUZZTIME ?= 60s
PLAN     ?=
PARALLEL ?= 2
export GOFLAGS ?= -mod=readonly

.PHONY: help build run demo-check test test-cluster cluster race lint bench bench-parts bench-transit copy-million fuzz conformance controls tools clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

build: ## build bin/signet and bin/resource-server
	@[ -x bin/signet ] || echo "building; the first time takes a minute or two ..."
	@$(GO) build -o bin/ ./cmd/signet ./cmd/resource-server

run: build ## make the demonstration in .signet, start it and print commands to paste
	@exec bin/signet demo --dir $(DIR)

demo-check: build ## run the demonstration's printed commands in a new folder on free ports, and exit
	@.ci/need curl
	@.ci/demo-check

test: tools ## everything that must hold: vet, all tests, the demonstration
	$(GO) vet ./...
	$(GO) test -timeout 14m ./...
	$(MAKE) --no-print-directory demo-check

test-cluster: tools ## the store on a Galera cluster of three nodes, some of which are killed (5 minutes)
	@.ci/need galera rsync
	$(GO) test -tags cluster -count=1 -p 1 -timeout 20m -run Galera ./provider/store ./provider/store/dbtest

cluster: tools ## the drill: two replicas, three Galera nodes, Vault, HAProxy; each is killed under load (3 minutes)
	@.ci/need galera rsync
	@set -o pipefail; $(GO) test -tags cluster -count=1 -timeout 15m -run 'TestCluster$$' -v ./provider | grep -v -e '^=== ' -e 'level='

copy-million: tools ## copy a million rows from SQLite to MariaDB, killed twice on the way
	$(GO) test -tags cluster -count=1 -timeout 30m -run TestCopyMillion -v ./provider/store

race: tools ## all tests with the race detector (needs a C compiler; slow)
	@.ci/need cc
	CGO_ENABLED=1 $(GO) test -race -timeout 40m ./...

tools: ## install what the tests need and this machine lacks
	@.ci/need curl node npm chromium mariadbd mvn haproxy nginx nginx-stream nginx-js prometheus authlib requests
	@.ci/mysql8 >/dev/null
	@.ci/vault >/dev/null

lint: $(TOOLS)/golangci-lint-$(LINT) ## golangci-lint, with the rules of .golangci.yml
	$< run --build-tags cluster,conformance ./...

# Built from source by the Go toolchain: no script from elsewhere runs here.
$(TOOLS)/golangci-lint-$(LINT):
	@mkdir -p $(TOOLS)
	@if command -v golangci-lint >/dev/null && golangci-lint version 2>/dev/null | grep -q 'version v\?$(LINT) '; then \
	  ln -sf "$$(command -v golangci-lint)" $@; \
	else \
	  echo "installing golangci-lint $(LINT) into .cache/bin: make lint needs it (some minutes, once)"; \
	  GOFLAGS= GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(LINT) && \
	  mv $(TOOLS)/golangci-lint $@; \
	fi

bench: ## what a token costs beside a bare handler: CPU time and its ratio
	$(GO) test -run '^$$' -bench TokenCost -benchtime 15x ./provider

bench-transit: tools ## signatures by Vault transit: one by one beside gathered, 64 callers
	$(GO) test -tags cluster -count=1 -run TestThroughput -v ./provider/keys/transit

bench-parts: ## benchmarks of the parts
	$(GO) test -run '^$$' -bench '^Benchmark[^T]|^BenchmarkT[^o]' -benchmem ./...

fuzz: ## each fuzz target for FUZZTIME (60s)
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

conformance: build ## run the OpenID Foundation's conformance suite; PLAN=fapi2... runs the plans that begin so
	@.ci/need chromium
	@exec bin/signet conformance run --plan '$(PLAN)' --parallel $(PARALLEL)

controls: build ## what must fail in the conformance suite: wrong ciphers, refresh token rotation, RS256
	@.ci/need chromium
	$(GO) test -tags conformance -count=1 -timeout 20m -run TestControls -v ./cmd/signet

clean: ## remove what make built (the demonstration's .signet stays: remove it by hand)
	rm -rf bin .cache
