#!/usr/bin/env bash
# Why: one command from sources to artifacts. Builds every component for wasm32-wasip2 and composes them
# into dist/ as compose/*.wac say. Fails when a part is missing or does not fit. Arguments go to compose
# (see --help there); BLESS=1 accepts a changed list of imports.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/graphs.sh

mapfile -t crates < <(crates)
mapfile -t graphs < <(graphs)
if [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ]; then
    # Those of an earlier build are not left lying about.
    echo "SECURE_LOG_SKIP_SOFTHSM=1: no SoftHSM for wasm"
    for graph in compose/*.wac; do
        if [[ " ${graphs[*]} " != *" $graph "* ]]; then
            artifact=dist/$(basename "$graph" .wac).wasm
            echo "left out, and not in dist/: $artifact"
            rm -f "$artifact"
        fi
    done
elif printf '%s\n' "${crates[@]}" | grep -qx secure-log-token-softhsm; then
    SECURE_LOG_SOFTHSM=$(./scripts/softhsm.sh)
    export SECURE_LOG_SOFTHSM
fi
[ ${#crates[@]} -gt 0 ] || { echo "no component is named in compose/*.wac" >&2; exit 1; }
echo "building ${#crates[@]} components: ${crates[*]}"
# The hostile store is in no graph but those of confine.sh: built by itself it would have all that these have in common
# compiled again, with fewer features.
cargo build --locked --release --target wasm32-wasip2 "${crates[@]/#/--package=}" --package=secure-log-hostile-store
case ${1--} in -*) set -- "$@" "${graphs[@]}" ;; esac
cargo run --locked -p secure-log-compose -- "$@"
