# Thin on purpose: the work is in crates/xtask.
XTASK := cargo run --quiet --package xtask --

.PHONY: help setup run test check release

help: ## say what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|'

setup: ## get ONNX Runtime and find Postgres; done at once when both are there
	@$(XTASK) setup

run: ## build, start Lamina on 127.0.0.1:2080, take in the demo pictures; PHOTOS=dir takes in more, PORT=n moves it
	@$(XTASK) run $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(PORT),--port $(PORT)) $(if $(DATA),--data-dir "$(DATA)")

test: ## all tests, with a database of their own; ARGS="-p lamina-media" narrows
	@$(XTASK) test $(ARGS)

check: ## what must hold before a change lands: format, lints, docs, dependencies, containers, tests
	@$(XTASK) check

release: ## the optimised binary, target/release/lamina
	cargo build --release --locked --package lamina-server
