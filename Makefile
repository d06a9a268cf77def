# What a newcomer runs. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# libtorch: the one that LIBTORCH names, or PyTorch's with LIBTORCH_USE_PYTORCH=1, else a CPU build
# unpacked into .libtorch from three wheels (1.3 GB).
ifeq ($(LIBTORCH)$(LIBTORCH_USE_PYTORCH),)
LIBTORCH := $(CURDIR)/.libtorch/torch
LIBTORCH_READY := .libtorch/ready-2.11.0
export LIBTORCH
endif

ARCH := $(shell uname -m)
PYTHON ?= python3
CARGO ?= cargo
# The one profile of this project, see Cargo.toml.
RELEASE := --release --locked
MIXMAKE := target/release/mixmake

.PHONY: help demo build test test-export test-remote soak fuzz lint bench doc clean

help: ## Show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: build vendor/.complete ## From the text of this project's dependencies to a predicted mixture, and a report
	$(MIXMAKE) -m manifests/demo.toml report

build: $(LIBTORCH_READY) ## Build target/release/mixmake and mixmake-trainer
	$(CARGO) build $(RELEASE) -p mixmake

test: $(LIBTORCH_READY) ## Run every test
	$(CARGO) test $(RELEASE) --workspace

KILLS ?= 500
CASES ?= 20000
SEED ?= 9
soak: $(LIBTORCH_READY) ## Kill runs at KILLS=500 random instants (SEED=9), and print the figures; 20,000 cases of the engine's model
	MIXMAKE_SOAK_KILLS=$(KILLS) MIXMAKE_SOAK_SEED=$(SEED) \
	  $(CARGO) test $(RELEASE) --workspace --test e2e -- --nocapture after_every_kill
	MIXMAKE_MODEL_SEED=$(SEED) MIXMAKE_MODEL_CASES=$(CASES) $(CARGO) test $(RELEASE) -p mixmake-core model_tests

# libFuzzer's coverage comes from LLVM's passes, which a stable compiler has too; dependencies are instrumented
# as well. --target keeps the flags from build scripts.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= manifest record lock pair sidecar
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
COVERAGE := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing
fuzz: ## Fuzz everything that reads bytes, FUZZ_SECONDS=60 each; a finding is left in fuzz/artifacts
	cd fuzz && RUSTFLAGS="$(COVERAGE)" $(CARGO) build $(RELEASE) --target $(HOST)
	cd fuzz && for target in $(FUZZ_TARGETS); do \
	  mkdir -p corpus/$$target artifacts/$$target; \
	  target/$(HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -malloc_limit_mb=512 \
	    -timeout=10 -max_len=65536 -print_final_stats=1 -artifact_prefix=artifacts/$$target/ \
	    corpus/$$target seeds/$$target; \
	done

test-export: build ## Compare exported tokens by the readers of Megatron, OLMo, datatrove… (installs several GB)
	test -d target/export-venv || $(PYTHON) -m venv target/export-venv
	target/export-venv/bin/pip install --quiet --disable-pip-version-check \
	  torch megatron-core==0.16.1 datatrove==0.10.1 ai2-olmo-core==3.0.0
	rm -rf target/export-check
	target/export-venv/bin/python tests/export/check.py $(MIXMAKE) target/export-check

test-remote: build ## Read from emulators of S3 (moto) and Azure (Azurite), from PyPI and npm
	test -d target/remote-venv || $(PYTHON) -m venv target/remote-venv
	target/remote-venv/bin/pip install --quiet --disable-pip-version-check 'moto[server]==5.2.5' azure-storage-blob
	npm install --silent --no-audit --no-fund --prefix target/remote-npm azurite@3
	rm -rf target/remote-check
	target/remote-venv/bin/python tests/remote/emulators.py $(MIXMAKE) target/remote-npm/node_modules/.bin/azurite-blob target/remote-check

lint: $(LIBTORCH_READY) ## Formatting, clippy, and the build without libtorch
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(RELEASE) --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(RELEASE) -p mixmake --no-default-features -- -D warnings

# Each part prints its own table, every figure beside its peer's on this machine in this run.
BENCHES := bench-engine bench-fit bench-data bench-train

bench: $(BENCHES) ## Measure everything, beside the peers on this machine
.PHONY: $(BENCHES) parity-train

bench-engine: $(LIBTORCH_READY) build target/bench/venv/.complete
	$(PYTHON) bench/engine/run.py

# The peers, from their packages; what cannot be had is left out of the table.
target/bench/venv/.complete:
	$(PYTHON) -m venv target/bench/venv
	for peer in ninja dvc snakemake; do \
	  target/bench/venv/bin/pip install --quiet --disable-pip-version-check $$peer || echo "$$peer: cannot be installed"; \
	done
	touch $@

bench-fit:
	CARGO="$(CARGO)" PYTHON="$(PYTHON)" bench/fit/run.sh

bench-data: $(LIBTORCH_READY) bench/data/.venv/ready
	$(CARGO) build $(RELEASE) -p mixmake -p mixmake-data --bins --example fastpass --example reading
	bench/data/.venv/bin/python bench/data/bench.py

# The peers, from PyPI. Without them (no network), `$(PYTHON) bench/data/bench.py` still measures those that are installed.
bench/data/.venv/ready: bench/data/requirements.txt
	$(PYTHON) -m venv bench/data/.venv
	bench/data/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r bench/data/requirements.txt
	touch $@

# Arguments of bench/train/bench.py, such as `--cases gpt2-2M --rounds 5`.
BENCH_TRAIN ?=

bench-train: $(LIBTORCH_READY) target/bench/train/.complete
	$(CARGO) build $(RELEASE) -p mixmake-train --examples
	target/bench/train/bin/python bench/train/bench.py $(BENCH_TRAIN)

parity-train: $(LIBTORCH_READY) target/bench/train/.complete ## Full-size models against transformers
	$(CARGO) build $(RELEASE) -p mixmake-train --examples
	target/bench/train/bin/python bench/train/full_size.py target/bench/parity
	target/release/examples/parity target/bench/parity

# The peers: PyTorch with all of its libraries (4.7 GB), and transformers.
target/bench/train/.complete:
	$(PYTHON) -m venv target/bench/train
	target/bench/train/bin/python -m pip install --quiet --disable-pip-version-check \
	  torch==2.11.0 numpy transformers==5.23.0 accelerate
	touch $@

doc: $(LIBTORCH_READY) ## Build the code's documentation
	$(CARGO) doc $(RELEASE) --workspace --no-deps

clean: ## Remove builds, results of the demo, vendored sources and libtorch
	rm -rf target .mixmake out vendor .libtorch bench/data/.venv

# The wheels are taken for a fixed Python, since only their libraries and headers are used.
.libtorch/ready-2.11.0:
	rm -rf .libtorch
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
	  --implementation cp --python-version 3.12 --abi cp312 --abi none \
	  $(foreach glibc,2_28 2_27 2_25 2_24 2_17,--platform manylinux_$(glibc)_$(ARCH)) --platform manylinux2014_$(ARCH) \
	  --target .libtorch torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85
	touch $@

vendor/.complete: Cargo.lock
	rm -rf vendor
	$(CARGO) vendor --locked --versioned-dirs vendor > /dev/null
	touch $@
