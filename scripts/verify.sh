#!/usr/bin/env bash
# Why: verify/ is a workspace of its own with a target folder of its own (scripts/env.sh); this runs it from
# any folder without compiling wasmtime twice. Arguments go to verify (--help lists them).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/env.sh"
export CARGO_TARGET_DIR="$SECURE_LOG_VERIFY_TARGET_DIR"
exec cargo run --locked --quiet --release --manifest-path "$root/verify/Cargo.toml" -- "$@"
