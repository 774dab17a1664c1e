#!/usr/bin/env bash
# Why: a witness is worth what others can do with it. Serves dist/secure-log-witness.wasm with a stock wasmtime on a
# loopback port and lets a public client and verifier (PyPI) use it: components/witness/tests/public_client.py.
# The other way round, our log before a public witness, is components/log/tests/witness_oracles.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh

stage witness
[ -x "$SECURE_LOG_ORACLES/aics/bin/aics-witness" ] || { echo "witness: left out, there is no Python 3.12 for its client"; exit 0; }
"$SECURE_LOG_ORACLES/aics/bin/python" components/witness/tests/public_client.py "$wasmtime" dist/secure-log-witness.wasm
