# Why: every script must build in the same two folders and with the same C compiler, or a wasmtime is
# compiled twice. Source it: `. scripts/env.sh`. Whatever is already set wins.

_cache="${XDG_CACHE_HOME:-$HOME/.cache}/secure-log"
# What the workspace builds, natively and for wasm.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$_cache/target}"
# What verify/ builds: a workspace of its own, whose wasmtime takes minutes to compile.
export SECURE_LOG_VERIFY_TARGET_DIR="${SECURE_LOG_VERIFY_TARGET_DIR:-$(dirname "$CARGO_TARGET_DIR")/verify-target}"
# Where oracles.sh puts the tools that are not ours; the tests look there as well.
export SECURE_LOG_ORACLES="${SECURE_LOG_ORACLES:-$_cache/oracles}"
unset _cache

if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then . "$HOME/.cargo/env"; fi

# .cargo/config.toml names clang 22; the older one of Debian bookworm compiles SQLite as well.
if ! command -v clang-22 >/dev/null && command -v clang-19 >/dev/null; then
    export CC_wasm32_wasip2="${CC_wasm32_wasip2:-clang-19}" AR_wasm32_wasip2="${AR_wasm32_wasip2:-llvm-ar-19}"
fi
