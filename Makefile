# The commands of the project. The work is done by scripts/; each target first installs what is missing.
# ARGS is passed on, for example: make run ARGS="--addr 127.0.0.1:8080"

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run demo build dev docs fmt setup setup-docs setup-test test test-release lint test-rust test-citus torture test-e2e test-clients test-openapi test-metrics bench screenshots

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build the release and serve http://127.0.0.1:3000 with SQLite in data/
	@exec target/release/sendlog serve $(ARGS)

demo: build ## The same on a throw-away database of 20,000 messages, with a local SMTP sink
	@exec target/release/sendlog demo $(ARGS)

test: setup-test lint test-rust test-e2e test-clients test-openapi test-metrics ## Everything CI runs: lint and all tests, on one build

test-release: setup-test build ## Browser tests, clients and schemathesis against the release
	@SENDLOG_BIN="$(CURDIR)/target/release/sendlog" scripts/test-e2e.sh
	@SENDLOG_BIN="$(CURDIR)/target/release/sendlog" scripts/test-clients.sh
	@SENDLOG_BIN="$(CURDIR)/target/release/sendlog" scripts/test-openapi.sh

build: setup ## Build the release: target/release/sendlog, which is all there is of it
	@scripts/build.sh

dev: setup ## Build for development, serve, and rebuild on every change
	@scripts/dev.sh $(ARGS)

docs: setup-docs ## Make the site of docs/ in target/book, and follow its links
	@scripts/docs.sh

fmt: ## Format the Rust code
	@cargo fmt
	@cargo fmt --manifest-path tools/bindgen/Cargo.toml
	@cargo fmt --manifest-path tools/mdbook/Cargo.toml
	@cargo fmt --manifest-path clients/rust/Cargo.toml

setup: ## Install what a build needs and is missing
	@scripts/setup.sh build

setup-docs: ## Install what the site of docs/ needs and is missing
	@scripts/setup.sh docs

setup-test: ## Install what the tests need and is missing
	@scripts/setup.sh test

lint: setup-test ## Formatting, clippy for server and browser, docs and their links, types of the browser tests
	@scripts/lint.sh

test-rust: setup-test ## The Rust tests, on SQLite and on a throw-away PostgreSQL
	@scripts/test-rust.sh $(ARGS)

test-citus: setup-test ## Those of PostgreSQL on Citus, whose nodes TEST_CITUS_URL names
	@scripts/test-citus.sh $(ARGS)

torture: setup-test ## Kill the program ROUNDS times under load, fill its disk, and look for what is lost or doubled
	@TORTURE_ROUNDS=$(or $(ROUNDS),50) scripts/test-rust.sh --test torture -- --nocapture

test-e2e: setup-test ## Playwright in Chromium
	@scripts/build-tested.sh
	@scripts/test-e2e.sh $(ARGS)

test-clients: setup-test ## The dialects, driven by the clients that others publish
	@scripts/build-tested.sh
	@scripts/test-clients.sh $(ARGS)

test-openapi: setup-test ## schemathesis over every OpenAPI document; CASES=20000 for a long run
	@scripts/build-tested.sh
	@scripts/test-openapi.sh $(ARGS)

test-metrics: setup-test ## The rules, the dashboard and the numbers, by a real Prometheus
	@scripts/build-tested.sh
	@scripts/test-metrics.sh

bench: build ## The measurements in benches/ with ROWS messages (1,000,000); the results go to benches/results/
	@scripts/bench.sh $(or $(ROWS),1000000) $(ARGS)

screenshots: setup-test build ## Remake docs/images/ from the demo
	@npm --prefix end2end run --silent screenshots
