#!/usr/bin/env bash
# Why: one command from sources to artifacts. Builds every component for wasm32-wasip2 and composes them
# into dist/ as compose/*.wac say. Fails when a part is missing or does not fit. Arguments go to compose
# (see --help there); BLESS=1 accepts a changed list of imports.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

# The parts are what the graphs name: `new secure-log:core` is crate secure-log-core.
mapfile -t crates < <(sed -n 's/.*new \([a-z-]*\):\([a-z0-9-]*\).*/\1-\2/p' compose/*.wac | sort -u)
graphs=()
if ! printf '%s\n' "${crates[@]}" | grep -qx secure-log-token-softhsm; then :
elif [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ]; then
    # Says which artifacts are missing; those of an earlier build are not left lying about.
    ./scripts/softhsm.sh
    mapfile -t without < <(grep -L 'new secure-log:token-softhsm' compose/*.wac)
    for graph in $(grep -l 'new secure-log:token-softhsm' compose/*.wac); do rm -f "dist/$(basename "$graph" .wac).wasm"; done
    mapfile -t crates < <(sed -n 's/.*new \([a-z-]*\):\([a-z0-9-]*\).*/\1-\2/p' "${without[@]}" | sort -u)
    if [ $# -eq 0 ]; then graphs=("${without[@]}"); fi
else
    SECURE_LOG_SOFTHSM=$(./scripts/softhsm.sh)
    export SECURE_LOG_SOFTHSM
fi
[ ${#crates[@]} -gt 0 ] || { echo "no component is named in compose/*.wac" >&2; exit 1; }
echo "building ${#crates[@]} components: ${crates[*]}"
cargo build --locked --release --target wasm32-wasip2 "${crates[@]/#/--package=}"
cargo run --locked -p secure-log-compose -- "${graphs[@]}" "$@"
