# `make` lists the targets. Go and make are all that is needed; tools are
# built at the versions below into .tools/.

GO         ?= go
T          ?= 1m
N          ?= 1000000
SEED       ?= 1
EVERY      ?= 1
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS    := -s -w -X main.version=$(VERSION)
BUILD      := $(GO) build -ldflags '$(LDFLAGS)'

export CGO_ENABLED := 0

STATICCHECK_VERSION   := v0.8.2
GOLANGCI_LINT_VERSION := v2.15.0
STATICCHECK   := .tools/staticcheck-$(STATICCHECK_VERSION)
GOLANGCI_LINT := .tools/golangci-lint-$(GOLANGCI_LINT_VERSION)

# The race detector needs a C compiler; where there is none, its tests are left out, loudly.
RACE = $(shell command -v $$($(GO) env CC) 2>/dev/null)
RACE_PACKAGES := ./internal/gate ./internal/api ./internal/store/storetest ./client

say = @printf '==> %s\n'

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/' | expand -t 16

.PHONY: build
build: ## build bin/kernel and bin/solo
	@$(BUILD) -o bin/kernel ./cmd/kernel
	@$(BUILD) -o bin/solo ./cmd/solo

.PHONY: demo
demo: build ## decide, record, approve, ship, verify, tamper, replay: a tour of the kernel
	@PATH="$(CURDIR)/bin:$$PATH" sh examples/demo/demo.sh

.PHONY: test
test: ## every test, with everything it needs (Go modules and tools are fetched)
	$(say) 'format and vet'
	@$(MAKE) --no-print-directory fmt-check vet
	$(say) 'build'
	@$(MAKE) --no-print-directory build
	$(say) 'lint'
	@$(MAKE) --no-print-directory lint
	$(say) 'tests'
	@scripts/postgres.sh
	@scripts/solvers.sh
	@$(GO) test -timeout 20m ./...
	$(say) 'tests with the race detector$(if $(RACE),, LEFT OUT: it needs a C compiler, and there is none)'
	@$(if $(RACE),CGO_ENABLED=1 $(GO) test -race -short $(RACE_PACKAGES),true)
	$(say) 'policies'
	@$(MAKE) --no-print-directory policies
	$(say) 'what is proved of the policies, every fourth bundle'
	@$(MAKE) --no-print-directory prove EVERY=4
	$(say) 'examples and benchmarks'
	@$(MAKE) --no-print-directory modules
	$(say) 'fuzz what strangers send, two seconds each'
	@GO='$(GO)' scripts/fuzz.sh 2s . ./internal/grant ./internal/pdl
	$(say) 'all tests passed'

.PHONY: check
check: fmt-check vet staticcheck ## what a commit needs: format, vet, lint, fast tests
	@$(GO) test -short ./...

.PHONY: fmt
fmt: ## format the code
	gofmt -w .

.PHONY: fmt-check
fmt-check:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || \
		{ printf 'not formatted, run make fmt:\n%s\n' "$$unformatted" >&2; exit 1; }

.PHONY: vet
vet:
	@$(GO) vet ./...

.PHONY: staticcheck
staticcheck: $(STATICCHECK)
	@$(STATICCHECK) ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint with the rules of .golangci.yml
	@$(GOLANGCI_LINT) run --allow-parallel-runners ./...

$(STATICCHECK):
	@echo '    building staticcheck $(STATICCHECK_VERSION)'
	@$(call install,honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION),staticcheck,$@)

$(GOLANGCI_LINT):
	@echo '    building golangci-lint $(GOLANGCI_LINT_VERSION), some minutes the first time'
	@$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION),golangci-lint,$@)

# install MODULE@VERSION, BINARY, FILE
install = GOBIN="$(CURDIR)/.tools/new" $(GO) install $(1) && mv .tools/new/$(2) $(3)

.PHONY: policies
policies: build ## check, format and test every bundle under policies/
	@for bundle in policies/shipping policies/examples/*/ policies/library/*/; do \
		bin/kernel check "$$bundle" && bin/kernel fmt --check "$$bundle" >/dev/null && \
		bin/kernel test --fail-under 100 "$$bundle" >/dev/null || exit 1; done

.PHONY: prove
prove: build ## prove the properties of the policy library, and that lint finds nothing in any bundle; needs cvc5 and z3
	@scripts/solvers.sh
	@if command -v cvc5 >/dev/null 2>&1 && command -v z3 >/dev/null 2>&1; then \
		for bundle in $$(ls -d policies/library/*/ | awk 'NR % $(EVERY) == 0'); do \
		bin/kernel prove --solver both --timeout 30s "$$bundle" >bin/proof.txt || { cat bin/proof.txt; exit 1; }; \
		printf '%s: %s\n' "$$bundle" "$$(tail -1 bin/proof.txt)"; done; \
		for bundle in $$(ls -d policies/library/*/ policies/examples/*/ policies/shipping | awk 'NR % $(EVERY) == 0'); do \
		bin/kernel prove lint --solver both --timeout 30s "$$bundle" >bin/lint.txt || { cat bin/lint.txt; exit 1; }; \
		printf '%s: %s\n' "$$bundle" "$$(tail -1 bin/lint.txt)"; done; fi

.PHONY: modules
modules:
	@cd examples/storefront && $(GO) vet ./... && $(GO) test ./...
	@cd bench && $(GO) vet ./... && $(GO) test ./...

.PHONY: race
race: ## every test with the race detector; needs a C compiler and a quarter of an hour
	@CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

.PHONY: fuzz
fuzz: ## fuzz every target of the module for T each (make fuzz T=1m)
	@GO='$(GO)' scripts/fuzz.sh $(T)

.PHONY: longrun
longrun: ## compare N evaluations with cel-go's own, of conditions and of bundles, from SEED on
	@$(GO) test ./internal/eval -count 1 -v -timeout 0 -run '^TestLongRunOf' -evaluations $(N) -seed $(SEED)

.PHONY: proverun
proverun: ## hold N points of random bundles in formulas against the evaluator, from SEED on
	@$(GO) test ./internal/eval -count 1 -v -timeout 0 -run '^TestLongRunOfFormulas$$' -points $(N) -seed $(SEED) -inputs 120 -ask-every 20

.PHONY: rounds
rounds: ## the tests of the evaluator and its proofs with N times as much random input (make rounds N=10)
	@$(GO) test ./internal/eval -count 1 -timeout 0 -rounds $(N)

.PHONY: faults
faults: ## plant every fault in evaluator and encoder, where make test plants every third
	@$(GO) test ./internal/eval ./internal/formula -count 1 -timeout 0 -run '^TestPlantedFaultsAreCaught$$' -every-fault

.PHONY: bench-prove
bench-prove: ## measure what kernel prove asks of 100 and of 1,000 rules
	@$(GO) test ./internal/prove -run '^$$' -bench . -benchtime 1x -timeout 0

.PHONY: bench
bench: ## run the benchmarks and print the table of docs/performance.md
	@scripts/postgres.sh
	@cd bench && $(GO) test -run '^$$' -bench . -count 5 -timeout 0 . | $(GO) run ./table
	@$(MAKE) --no-print-directory bench-peers

.PHONY: bench-peers
bench-peers: ## compare with OPA, Cerbos, Cedar, CEL and Casbin (their modules are fetched)
	@cd bench/peers && $(GO) run -mod=mod .

.PHONY: docs
docs: ## write the generated parts of docs/ and run every example in them
	$(GO) test -count=1 -run '^TestDocs' . -update

.PHONY: cover
cover: ## measure the coverage of the tests, package by package
	@$(GO) test -short -coverprofile coverage.out -coverpkg ./... ./... >/dev/null
	@$(GO) tool cover -func coverage.out | tail -1

.PHONY: clean
clean: ## remove what make built
	rm -rf bin .tools coverage.out
