#!/usr/bin/env bash
# Why: that a store sees neither keys nor PINs is a claim about graphs, and graphs are edited. Puts a hostile store
# (components/hostile-store) in the place of the real one in each graph, with and without `confine`, and looks for
# canaries in all it says and writes. Without confine it must find every one: a test that can not fail proves nothing.
# The real stores then do their work in the same rooms. ./scripts/build-components.sh comes first: it builds the hostile
# store too. Arguments: graphs of compose/; none: one of each kind.
# PARTS: a folder of components, if not that of ./scripts/build-components.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh

graphs=("$@")
if [ $# -eq 0 ]; then
    graphs=(secure-log-cli-file secure-log-cli-sqlite secure-log-cli-file-online secure-log-rpc-server-file secure-log-witness)
    [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ] || graphs+=(secure-log-cli-sqlite-pkcs11)
fi
stage cli-file
PARTS=${PARTS:-$CARGO_TARGET_DIR/wasm32-wasip2/release}

# A part's graph is compiled from the real one: only the store is another, and in the loose variant the edges are gone
# that confine it.
mkdir -p "$work/compose"
cp -r wit "$work/wit"
for graph in "${graphs[@]}"; do
    for part in $(sed -n 's/.*new composed:\([a-z0-9-]*\).*/\1/p' "compose/$graph.wac"); do cp "compose/$part.wac" "$work/compose/"; done
    sed 's/new secure-log:store-[a-z0-9]*/new secure-log:hostile-store/' "compose/$graph.wac" > "$work/compose/$graph.wac"
    sed -E '/hostile-store/ s/(environment|preopens): confine\.[a-z-]*, //g' "$work/compose/$graph.wac" > "$work/compose/$graph-loose.wac"
    grep -q 'hostile-store {.*confine\.environment.*confine\.preopens' "$work/compose/$graph.wac" || fail "$graph does not confine its store"
    ! grep -q 'hostile-store {.*confine' "$work/compose/$graph-loose.wac" || fail "$graph can not be loosened"
done
BLESS=1 cargo run --locked --quiet -p secure-log-compose -- --root "$work" --parts "$PARTS" > "$work/composed" || fail "$(cat "$work/composed")"
# Each of them runs for a moment only: what compiles in half the time is fast enough.
for graph in "${graphs[@]}"; do
    for artifact in "$graph" "$graph-loose"; do
        "$wasmtime" compile -O opt-level=0 -O regalloc-algorithm=single-pass "$work/dist/$artifact.wasm" -o "$work/$artifact"
    done
done

# Any log that a witness may know.
log=log.example.org/app+d0f76702+ARwuOePkEgDpafRsrjuedkthf2eIiXp/mYszsq0AUxLr
# furnish: an empty room with canaries in it, and beside it the link that a careless operator made.
canaries=(canary-in-the-environment canary-in-the-pin-file canary-in-the-key-file canary-in-the-token)
furnish() {
    rm -rf "$work/room"
    mkdir -p "$work/room"/{data,keys/sub,token,pins,heads,conf}
    echo "${canaries[1]}" > "$work/room/pins/pin"
    echo "${canaries[2]}" > "$work/room/keys/canary.pem"
    echo "${canaries[3]}" > "$work/room/token/object"
    printf 'log %s\nquorum none\n' "$log" > "$work/room/conf/logs"
    ln -s ../keys "$work/room/data/shortcut"
    ln -s "$work/room/pins" "$work/room/data/longcut"
}
separate=()
for name in data keys token pins heads conf; do separate+=(--dir "$work/room/$name::/$name"); done
# What the keystore of a graph reads; where it keeps its keys, the canaries are.
variables=(--env SECURE_LOG_NAME=log.example.org --env "SECURE_LOG_PKCS11_PIN=${canaries[0]}")
named() { printf -- '--env\nSECURE_LOG_%s\n' KEYSTORE_CREATE=1 "KEYSTORE_DIR=$1keys" "TOKEN_DIR=$1token" "PKCS11_PIN_FILE=$1pins/pin" "HEAD_FILE=$1heads/head" "WITNESS_LOGS=$1conf/logs"; }

# attack ARTIFACT PREFIX CONFIG OPTIONS..: runs it in the room, where PREFIX begins its paths. What it says goes to "$work/said".
attack() {
    local artifact=$1 prefix=$2 config=$3 given status=0
    shift 3
    mapfile -t given < <(named "$prefix")
    case $artifact in
        *-cli-*)
            "$wasmtime" run -S http --allow-precompiled "${variables[@]}" "${given[@]}" "$@" "$work/$artifact" \
                --store "$config" --stream app --key audit append "an event" > "$work/said" 2>&1 || status=$? ;;
        *)
            serve "$work/said" --allow-precompiled "${variables[@]}" "${given[@]}" "$@" \
                --env "SECURE_LOG_STORE_CONFIG=$config" --env SECURE_LOG_RPC_DEMO=1 --env SECURE_LOG_WITNESS_NAME=witness.example.org/w1 \
                --env SECURE_LOG_WITNESS_IDENTITY=w1 "$work/$artifact"
            ask "$url" > "$work/answer" || status=$?
            stop
            cat "$work/answer" >> "$work/said" ;;
    esac
    grep -q 'hostile store: ' "$work/said" || fail "$artifact: the hostile store was not asked: $(cat "$work/said")"
    return "$status"
}

# One request that makes a served artifact open its store.
ask() {
    local body='{"jsonrpc":"2.0","id":1,"method":"streams","params":[null,10]}' hash
    hash=$(printf %s log.example.org/app | sha256sum | cut -d' ' -f1)
    case $artifact in *witness*) get "$1" "/$hash/evidence"; return ;; esac
    exec 3<> "/dev/tcp/127.0.0.1/${1##*:}"
    printf 'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
    cat <&3
    exec 3<&-
}

# The canaries in what it said and in what it wrote anywhere.
found() {
    local canary
    { cat "$work/said"; find "$work/room" -name 'loot*' -type f -exec cat {} +; } > "$work/loot"
    for canary in "${canaries[@]}"; do
        if grep -q "$canary" "$work/loot"; then echo "$canary"; fi
    done
}
wrote_only_in() { [ -z "$(find "$work/room" -name 'loot*' -not -path "$work/room/$1/*")" ]; }

for graph in "${graphs[@]}"; do
    echo "== $graph"
    furnish
    attack "$graph-loose" / /data/log "${separate[@]}" || true
    [ "$(found | wc -l)" = ${#canaries[@]} ] || fail "$graph without confine: the hostile store found only: $(found)"
    echo "without confine: environment, PIN file, key file and token are read"

    # check NAME PREFIX CONFIG DIRECTORY OPTIONS..: no canary; DIRECTORY, if any, is the only one it can write.
    check() {
        local name=$1 directory=$4
        attack "$graph" "$2" "$3" "${@:5}" || true
        [ -z "$(found)" ] || fail "$graph, $name: the hostile store found $(found)"
        wrote_only_in "${directory:-nothing}" || fail "$graph, $name: it wrote outside its directory: $(find "$work/room" -name 'loot*')"
        if [ -n "$directory" ]; then
            [ -f "$work/room/$directory/loot" ] || fail "$graph, $name: it could not write its own directory"
            ! grep -q 'the store gets no directory' "$work/said" || fail "$graph, $name: $(cat "$work/said")"
        else
            [ "$(grep -c 'the store gets no directory: .*SECURE_LOG_STORE_DIR' "$work/said")" = 1 ] || fail "$graph, $name: nobody said why: $(cat "$work/said")"
        fi
        echo "$name: nothing"
        furnish
    }
    furnish
    room=$work/room
    check "separate directories" / "/data/log#$room/keys#$room/pins/pin" data "${separate[@]}"
    check "its loot as an error" / "/data/log#refuse" data "${separate[@]}"
    check "its own directory of two" / /data/log data "${separate[@]}" --env SECURE_LOG_STORE_DIR=/data
    check "one directory" "" data/log data --dir "$room::." --env SECURE_LOG_STORE_DIR=data
    check "one directory, by another name" / /data/log data --dir "$room::/" --env SECURE_LOG_STORE_DIR=./data/
    check "one directory, nothing said" "" data/log "" --dir "$room::."
    check "the directory of all" "" data/log "" --dir "$room::." --env SECURE_LOG_STORE_DIR=.
    check "the directory of keys" / /keys/log "" "${separate[@]}" --env SECURE_LOG_STORE_DIR=/keys
    check "below the directory of keys" / /keys/sub/log "" "${separate[@]}" --env SECURE_LOG_STORE_DIR=/keys/sub
    check "no such directory" / /none/log "" "${separate[@]}" --env SECURE_LOG_STORE_DIR=/data/none
    check "the keys' directory under a second name" / /data/log "" --dir "$room/keys::/data" --dir "$room/keys::/keys" --dir "$room/conf::/conf"
    check "a directory that contains the keys, under a second name" / /data/log "" --dir "$room::/" --dir "$room::/data"
    rm -r "$room/keys" && mkdir "$room/data/inner" && ln -s data/inner "$room/keys" && echo "${canaries[2]}" > "$room/data/inner/canary.pem"
    check "keys through a link into the store's directory" "" data/log "" --dir "$room::." --env SECURE_LOG_STORE_DIR=data
done
echo "confine: no canary in what the hostile store said or wrote, and all of them without confine"
