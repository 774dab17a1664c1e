#!/usr/bin/env bash
# Why: one command on a fresh Debian with rustup shows the whole path working: installs what is missing,
# builds and composes the components, and runs the main job on a file and on an SQLite database.
# The first run compiles for about a quarter of an hour on two cores; later runs take seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

./scripts/setup.sh
./scripts/build-components.sh

echo "building the host (wasmtime); the first time takes minutes"
CARGO_TARGET_DIR="$SECURE_LOG_VERIFY_TARGET_DIR" cargo build --locked --release --manifest-path verify/Cargo.toml

state=state/quickstart-$(date +%Y%m%d-%H%M%S)
mkdir -p "$state"
./scripts/verify.sh dist/secure-log-file.wasm "$state/audit.jsonl" --alg ed25519
./scripts/verify.sh dist/secure-log-sqlite.wasm "$state/audit.db" --alg ed25519
echo "the logs are in $state; README.md says how to read them with jq and sqlite3"
