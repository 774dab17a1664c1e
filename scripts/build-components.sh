#!/usr/bin/env bash
# Why: one command from sources to artifacts. Builds every component for wasm32-wasip2 and composes them
# into dist/ as compose/*.wac say. Fails when a part is missing or does not fit. Arguments go to compose
# (see --help there); BLESS=1 accepts a changed list of imports.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

# The parts are what the graphs name: `new secure-log:core` is crate secure-log-core (and `composed:..` another graph).
mapfile -t crates < <(sed -n 's/.*new \(secure-log\):\([a-z0-9-]*\).*/\1-\2/p' compose/*.wac | sort -u)
[ ${#crates[@]} -gt 0 ] || { echo "no component is named in compose/*.wac" >&2; exit 1; }
echo "building ${#crates[@]} components: ${crates[*]}"
cargo build --locked --release --target wasm32-wasip2 "${crates[@]/#/--package=}"
cargo run --locked -p secure-log-compose -- "$@"
