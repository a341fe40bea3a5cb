# Everything a developer runs. `make` alone lists it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULE  := github.com/bulkhead-run/bulkhead
LDFLAGS := -s -w -X main.version=$(VERSION) -X $(MODULE)/ipc.build=$(VERSION)

# Tools are built from source at these versions, and never installed globally.
STATICCHECK        := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BUF                := github.com/bufbuild/buf/cmd/buf@v1.75.0
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
TOOLS              := $(CURDIR)/.tools

.DEFAULT_GOAL := help
.PHONY: help build demo test hostile faults soak bench bench-engine lint cross proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/supervisor, bin/sandbox and bin/database
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/supervisor ./cmd/sandbox ./cmd/database

demo: build ## two tenants' functions at work, and what keeps them apart
	@bin/supervisor demo

test: ## vet, and every test with the race detector
	$(GO) vet ./...
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

# ROUNDS is how many rounds, or for how long: 1000, 30m.
ROUNDS ?= 10
hostile: ## the hostile corpus, ROUNDS times against one supervisor
	BULKHEAD_ROUNDS=$(ROUNDS) $(GO) test -count=1 -v -timeout 0 -run '^TestRounds$$' ./tests/hostile

# DURATION is how long faults and soak go on.
DURATION ?= 10m
faults: ## processes, disk and data are taken away at random, each for DURATION
	BULKHEAD_FAULTS=$(DURATION) $(GO) test -count=1 -v -timeout 0 ./tests/faults

soak: ## a mixed load with attackers for DURATION, after which nothing may be left
	BULKHEAD_SOAK=$(DURATION) $(GO) test -count=1 -v -timeout 0 -run '^TestSoak$$' ./tests/faults

bench: build ## the benchmarks, medians of several runs
	$(GO) run ./bench

bench-engine: ## the JavaScript engine beside qjs's Go API, goja and QuickJS in Node
	$(GO) run ./bench/engine

lint: cross ## format, vet, staticcheck, and a build for each architecture
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted; run gofmt -w" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

cross:
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -o /dev/null ./cmd/supervisor
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -o /dev/null ./cmd/sandbox
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build -o /dev/null ./cmd/database
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/supervisor
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/sandbox
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/database

proto: ## generate the code of ipc/sandboxpb and plugin/pluginpb from their .proto files
	GOBIN=$(TOOLS) $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go
	GOBIN=$(TOOLS) $(GO) install $(PROTOC_GEN_GO_GRPC)
	PATH="$(TOOLS):$$PATH" $(GO) run $(BUF) generate

clean: ## remove what was built
	rm -rf bin .tools
