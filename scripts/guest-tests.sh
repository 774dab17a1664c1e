#!/usr/bin/env bash
# Why: what verifies signatures must do so where it runs, and what hashes has code of its own there. Compiles the
# Wycheproof tests and those of the hashes of the domain crate for wasm32-wasip2 and runs them inside a stock wasmtime,
# which scripts/oracles.sh fetches.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

./scripts/oracles.sh
export CARGO_TARGET_WASM32_WASIP2_RUNNER="$SECURE_LOG_ORACLES/wasmtime run"
exec cargo test --locked --quiet --release --target wasm32-wasip2 -p secure-log --test guest
