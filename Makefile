# Everything a developer runs. `make` alone lists it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
MODULE  := github.com/bulkhead-run/bulkhead
LDFLAGS := -s -w -X main.version=$(VERSION) -X $(MODULE)/ipc.build=$(VERSION)

# Tools are built from source at these versions, and never installed globally.
STATICCHECK        := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BUF                := github.com/bufbuild/buf/cmd/buf@v1.75.0
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
NFPM               := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
TOOLS              := $(CURDIR)/.tools

# Where `make install` puts things; DESTDIR goes before all of them.
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
BIN        := bin
LIBDIR     := $(PREFIX)/lib/bulkhead
DOCDIR     := $(PREFIX)/share/doc/bulkhead
COMPLETION := $(PREFIX)/share/bash-completion/completions/supervisor \
	$(PREFIX)/share/zsh/vendor-completions/_supervisor $(PREFIX)/share/fish/vendor_completions.d/supervisor.fish
MANUAL     := $(PREFIX)/share/man/man1/supervisor.1
INSTALLED  := $(PREFIX)/bin/supervisor $(addprefix $(LIBDIR)/,supervisor sandbox database) \
	$(addprefix $(PREFIX)/lib/systemd/system/,bulkhead.service bulkhead.socket bulkhead-functions.socket) \
	$(PREFIX)/lib/sysusers.d/bulkhead.conf $(PREFIX)/lib/tmpfiles.d/bulkhead.conf $(DOCDIR)/bulkhead.yaml $(DOCDIR)/operations.md $(COMPLETION) $(MANUAL)

# A Debian version begins with a digit, and later ones sort after earlier ones:
# v1.2.3-4-gabc becomes 1.2.3+4.gabc; without a tag, the commit's time leads.
DEB_VERSION ?= $(shell case '$(VERSION)' in (v[0-9]*) echo '$(VERSION)' | sed 's/^v//; s/-/+/; s/-/./g';; \
	(*) echo "0~git$$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S 2>/dev/null).$(VERSION)" | sed 's/-/+/; s/-/./g';; esac)

.DEFAULT_GOAL := help
# What the console is built from; a stamp says when it was.
CONSOLE_SOURCES := $(wildcard console/*.json console/.npmrc console/*.mjs types/index.d.ts sandbox/testdata/surface.txt console/src/* console/src/pages/* examples/*.js examples/platform/*.js)
NPM ?= npm

.PHONY: help build console install uninstall deb demo test hostile faults soak bench bench-engine lint cross proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: console ## bin/supervisor, bin/sandbox and bin/database
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/supervisor ./cmd/sandbox ./cmd/database

console: console/dist/index.html.br ## the playground and console, which bin/supervisor holds; needs Node 20 and npm

console/dist/index.html.br: $(CONSOLE_SOURCES)
	@command -v $(NPM) >/dev/null || { echo "make: the console is built with Node.js (20 or newer) and npm, and there is no npm; go build ./cmd/... makes the programs without it" >&2; exit 1; }
	cd console && $(NPM) ci --loglevel=error && $(NPM) run --silent check && $(NPM) run --silent build

install: build ## the programs, units and example configuration, below PREFIX (/usr/local) and SYSCONFDIR (/etc)
	install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))) $(SYSCONFDIR)/bulkhead)
	install -m 755 $(BIN)/supervisor $(BIN)/sandbox $(BIN)/database $(DESTDIR)$(LIBDIR)/
	ln -sf ../lib/bulkhead/supervisor $(DESTDIR)$(PREFIX)/bin/supervisor
	for unit in bulkhead.service bulkhead.socket bulkhead-functions.socket; do \
		sed 's,/usr/lib/bulkhead/,$(LIBDIR)/,; s,/etc/bulkhead/,$(SYSCONFDIR)/bulkhead/,' deploy/systemd/$$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit && \
		chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; done
	install -m 644 deploy/systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/bulkhead.conf
	install -m 644 deploy/systemd/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/bulkhead.conf
	install -m 644 examples/bulkhead.yaml docs/operations.md $(DESTDIR)$(DOCDIR)/
	test -e $(DESTDIR)$(SYSCONFDIR)/bulkhead/bulkhead.yaml || install -m 644 deploy/bulkhead.yaml $(DESTDIR)$(SYSCONFDIR)/bulkhead/
	set -e; set -- bash zsh fish; for file in $(COMPLETION); do $(BIN)/supervisor completion $$1 > $(DESTDIR)$$file; chmod 644 $(DESTDIR)$$file; shift; done
	$(BIN)/supervisor help --man > $(DESTDIR)$(MANUAL) && chmod 644 $(DESTDIR)$(MANUAL)

uninstall: ## what install has put there; the configuration and the data stay
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	rmdir $(DESTDIR)$(LIBDIR) $(DESTDIR)$(DOCDIR)

deb: ## bin/bulkhead_VERSION_ARCH.deb
	rm -rf bin/deb
	$(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/bin/deb PREFIX=/usr SYSCONFDIR=/etc
	VERSION='$(DEB_VERSION)' ARCH=$$($(GO) env GOARCH) $(GO) run $(NFPM) package --config deploy/debian/nfpm.yaml --packager deb --target bin/
	rm -rf bin/deb

demo: build ## two tenants' functions at work, and what keeps them apart
	@bin/supervisor demo

test: console ## vet, and every test with the race detector
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
	rm -rf bin .tools console/node_modules console/dist/assets console/dist/index.html.*
