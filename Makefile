# Signet's commands. "make" alone lists them.

SHELL   := bash
GO      ?= go
TOOLS   := $(CURDIR)/.cache/bin
LINT    := 2.15.0
DIR     ?= .signet
FUZZTIME ?= 60s
export GOFLAGS ?= -mod=readonly

.PHONY: help build run demo-check test race lint bench bench-parts fuzz tools clean

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
	$(GO) test -timeout 12m ./...
	$(MAKE) --no-print-directory demo-check

race: tools ## all tests with the race detector (needs a C compiler; slow)
	@.ci/need cc
	CGO_ENABLED=1 $(GO) test -race -timeout 40m ./...

tools: ## install what the tests need and this machine lacks
	@.ci/need curl node npm chromium

lint: $(TOOLS)/golangci-lint-$(LINT) ## golangci-lint, with the rules of .golangci.yml
	$< run ./...

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

bench-parts: ## benchmarks of the parts
	$(GO) test -run '^$$' -bench '^Benchmark[^T]|^BenchmarkT[^o]' -benchmem ./...

fuzz: ## each fuzz target for FUZZTIME (60s)
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

clean: ## remove what make built (the demonstration's .signet stays: remove it by hand)
	rm -rf bin .cache
