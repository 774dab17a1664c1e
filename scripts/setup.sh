#!/usr/bin/env bash
# Why: a fresh Debian with rustup lacks a wasm target, a C compiler for wasm (SQLite), the tools that
# read the logs and a token to test with. Installs what is missing and nothing else; says what to type when it may not.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

fail() { echo "setup: $*" >&2; exit 1; }

command -v cargo >/dev/null || fail "cargo is missing: install rustup first, the Rust toolchain manager"

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need cc build-essential
need sqlite3 sqlite3
need jq jq
need openssl openssl
need python3 python3
# A real token to test with, and a tool over any PKCS #11 module that is not ours: they judge our tokens.
need softhsm2-util softhsm2
need pkcs11-tool opensc
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
[ -e /usr/include/wasm32-wasi/stdlib.h ] || missing+=(wasi-libc)
if ! { command -v clang-22 && command -v llvm-ar-22; } >/dev/null && ! { command -v clang-19 && command -v llvm-ar-19; } >/dev/null; then
    missing+=(CLANG)
fi

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || fail "these Debian packages, or what is like them elsewhere, are missing: ${missing[*]/CLANG/clang-22 lld-22 llvm-22}"
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && root=(sudo)
    fi
    # Which clang there is can only be asked of fresh package lists.
    if [ "$(id -u)" -eq 0 ] || [ ${#root[@]} -gt 0 ]; then "${root[@]}" apt-get update -q; fi
    version=19
    apt-cache show clang-22 >/dev/null 2>&1 && version=22
    packages=()
    for name in "${missing[@]}"; do
        if [ "$name" = CLANG ]; then
            packages+=("clang-$version" "lld-$version" "llvm-$version" "libclang-rt-$version-dev-wasm32")
        else
            packages+=("$name")
        fi
    done
    install=(apt-get install -y --no-install-recommends "${packages[@]}")
    if [ "$(id -u)" -ne 0 ] && [ ${#root[@]} -eq 0 ]; then
        fail "run this as root, then start again: apt-get update && ${install[*]}"
    fi
    echo "setup: ${install[*]}"
    DEBIAN_FRONTEND=noninteractive "${root[@]}" "${install[@]}"
fi

# rust-toolchain.toml names the compiler, the target and the components; rustup installs them on request.
if command -v rustup >/dev/null; then
    rustup target list --installed | grep -qx wasm32-wasip2 || rustup target add wasm32-wasip2
    for component in rustfmt clippy; do
        rustup component list --installed | grep -q "^$component" || rustup component add "$component"
    done
else
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" ] || fail "this rustc has no wasm32-wasip2 and there is no rustup to add it"
fi
echo "setup: complete"
