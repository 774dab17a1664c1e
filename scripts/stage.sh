# Why: every script that proves something of composed artifacts begins and ends alike. Source it after `cd` to the root.

. scripts/env.sh

fail() { echo "$(basename "$0" .sh): $*" >&2; exit 1; }

# stage NAME..: these artifacts are in dist/, or the script ends and says what to run. Sets `wasmtime`, a stock one;
# `work`, a folder that is gone at the end; and `server`, the id of a process that `stop` and the end will stop.
stage() {
    composed "$@"
    ./scripts/oracles.sh
    wasmtime=$SECURE_LOG_ORACLES/wasmtime
    [ -x "$wasmtime" ] || fail "no wasmtime in $SECURE_LOG_ORACLES"
    work=$(mktemp -d)
    server=
    trap 'stop; rm -rf "$work"' EXIT
}
composed() {
    local name
    for name in "$@"; do
        [ -f "dist/secure-log-$name.wasm" ] || fail "no dist/secure-log-$name.wasm: run ./scripts/build-components.sh first"
    done
}
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    server=
}

# compile NAME..: artifacts to "$work/NAME", for --allow-precompiled.
compile() {
    local name
    for name in "$@"; do "$wasmtime" compile "dist/secure-log-$name.wasm" -o "$work/$name"; done
}

# serve OUTPUT ARGUMENTS..: `wasmtime serve` with these as `server`, on any free port; sets `url`, without the last slash, when
# it listens. The script ends with the server's words when that ends, or does not listen within a minute.
serve() {
    local output=$1
    # Before it starts: the words of the server before it have a port of their own.
    : >"$output"
    "$wasmtime" serve -S cli --addr 127.0.0.1:0 "${@:2}" >"$output" 2>&1 &
    server=$!
    for _ in $(seq 1200); do
        url=$(sed -n 's,^Serving HTTP on \(http://127\.0\.0\.1:[0-9]*\)/.*,\1,p' "$output")
        if [ -n "$url" ]; then return; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    fail "no server: $(cat "$output")"
}

# get URL PATH: what an HTTP server on this machine answers, its head first.
get() {
    exec 3<>"/dev/tcp/127.0.0.1/${1##*:}"
    printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
    cat <&3
    exec 3<&-
}

# stage_tokens NAME..: a stage for artifacts with SoftHSM in them beside a native SoftHSM. `module` is that one's library;
# wasmtime is a copy in a folder that all may enter, because an unprivileged user must be able to start it too. Where
# SoftHSM for wasm was left out the script ends well, and says so.
stage_tokens() {
    local tool place
    if [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ]; then
        echo "$(basename "$0" .sh): nothing to prove: SECURE_LOG_SKIP_SOFTHSM=1 left SoftHSM for wasm out"
        exit 0
    fi
    stage "$@"
    for tool in pkcs11-tool softhsm2-util setpriv openssl jq basenc; do command -v "$tool" >/dev/null || fail "$tool is missing: run ./scripts/setup.sh"; done
    module=
    for place in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/softhsm/libsofthsm2.so; do
        if [ -e "$place" ]; then module=$place; fi
    done
    [ -n "$module" ] || fail "libsofthsm2.so is not where Debian puts it"
    chmod 755 "$work"
    cp "$(readlink -f "$wasmtime")" "$work/wasmtime"
    wasmtime=$work/wasmtime
}

# flag BITS FILE..: these CKF_ in each token.object, where they are the eight bytes after attribute 0x8000534b of kind 2.
flag() {
    python3 - "$@" <<'PYTHON'
import sys
for path in sys.argv[2:]:
    content = open(path, "rb").read()
    at = content.index(bytes.fromhex("000000008000534b0000000000000002")) + 16
    flags = int.from_bytes(content[at:at + 8], "big") | int(sys.argv[1], 16)
    open(path, "wb").write(content[:at] + flags.to_bytes(8, "big") + content[at + 8:])
PYTHON
}

# may_only_read DIRECTORY READABLE..: sets `under`, a command under which the tokens in DIRECTORY can not be written: that of another
# user, who can read these files too, where we are root.
may_only_read() {
    if [ "$(id -u)" -ne 0 ]; then
        chmod -R a-w "$1"
        return
    fi
    # With a place for wasmtime's cache.
    mkdir -m 777 "$work/cache"
    under=(env "HOME=$work/cache" "XDG_CACHE_HOME=$work/cache" setpriv --reuid 65534 --regid 65534 --clear-groups)
    chmod -R a+rX "$@"
}
