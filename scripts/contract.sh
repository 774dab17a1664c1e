#!/usr/bin/env bash
# Why: a store or a keystore that keeps its contract natively may still break it inside the graph. Runs the contract
# suites as a guest under a stock wasmtime, over every store and every algorithm of the software keystore. The
# remote store gets a new endpoint for each case, because only the endpoint can have new storage.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh

artifacts=(contract-file contract-sqlite contract-remote rpc-server rpc-server-file)
stage "${artifacts[@]}"
# Once: each case of the remote store starts an endpoint and a client.
compile "${artifacts[@]}"
# suite ARTIFACT ARGUMENTS..
suite() { "$wasmtime" run --allow-precompiled --dir "$work::/data" "${options[@]}" "$work/$1" "${@:2}"; }

mkdir "$work/file" "$work/shared" "$work/sqlite" "$work/owned"
options=()
for store in 'file file/{}.jsonl' 'file shared/{}.jsonl?shared' 'sqlite sqlite/{}.db' 'sqlite owned/{}.db?owner'; do
    echo "== ${store% *}, ${store#* }"
    config=/data/${store#* }
    suite "contract-${store% *}" store "$config" --read-only "${config%%\?*}?readonly"
done
for algorithm in ed25519 ecdsa-p256 rsa-pss-sha256; do
    echo "== keystore, $algorithm"
    mkdir -m 700 "$work/$algorithm"
    options=(--env "SECURE_LOG_KEYSTORE_DIR=/data/$algorithm" --env "SECURE_LOG_KEYSTORE_ALG=$algorithm" --env SECURE_LOG_KEYSTORE_CREATE=1)
    suite contract-file keystore one two
    options=(--env "SECURE_LOG_KEYSTORE_DIR=/data/$algorithm")
    suite contract-file keystore --absent three one two
done

token=a-token-of-this-run-alone
mkdir "$work/tokens"
printf '%s' "$token" | sha256sum | cut -d' ' -f1 > "$work/tokens/tokens"
options=()
cases=$(suite contract-file store-cases)
for served in rpc-server rpc-server-file; do
    echo "== remote over $served"
    for ((number = 0; number < cases; number++)); do
        mkdir "$work/served"
        serve "$work/said" --allow-precompiled --dir "$work/served::/data" --dir "$work/tokens::/tokens" \
            --env SECURE_LOG_STORE_CONFIG=/data/log --env SECURE_LOG_RPC_TOKENS=/tokens/tokens "$work/$served"
        options=(-S http --env "SECURE_LOG_RPC_URL=$url/" --env "SECURE_LOG_RPC_TOKEN=$token")
        suite contract-remote store-case "$number" handshake || fail "case $number; the endpoint said: $(cat "$work/said")"
        stop
        rm -rf "$work/served"
    done
done
echo "contract: every store and every algorithm keeps it inside the graph"
