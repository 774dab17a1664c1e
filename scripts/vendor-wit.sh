#!/usr/bin/env bash
# Why: wit/deps must hold exactly the WASI interfaces of the wasmtime that runs the product, so they
# are copied from the wasmtime-wasi-http crate pinned in verify/Cargo.lock. --check compares instead.
set -euo pipefail
cd "$(dirname "$0")/.."

manifest=$(cargo metadata --manifest-path verify/Cargo.toml --locked --format-version 1 |
    python3 -c 'import json,sys; print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "wasmtime-wasi-http"))')
source=$(dirname "$manifest")/wit/deps

if [[ ${1:-} == --check ]]; then
    diff -r "$source" wit/deps || { echo "wit/deps differs from the pinned crate: run scripts/vendor-wit.sh" >&2; exit 1; }
    echo "wit/deps equals the pinned wasmtime-wasi-http"
else
    rm -rf wit/deps && mkdir -p wit/deps && cp "$source"/*.wit wit/deps/
    echo "copied $(ls wit/deps | wc -l) files to wit/deps"
fi
