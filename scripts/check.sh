#!/usr/bin/env bash
# Why: everything that must hold before a change lands, in one command. Every step runs even when one
# before it failed, so that one run shows all that is wrong; the exit status is that of the whole.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
. scripts/graphs.sh

passed=0
failed=()

# step NAME COMMAND..: runs it, says how long it took.
step() {
    local name=$1 begin=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        passed=$((passed + 1))
        echo "== $name: passed, $((SECONDS - begin)) s"
    else
        failed+=("$name")
        echo "== $name: FAILED, $((SECONDS - begin)) s"
    fi
}

# beside COMMAND..: begins it, to run beside the steps that follow; `beside_done` is the command of its step and shows what
# it said. One at a time; it ends with this script, however that ends.
beside=
beside() {
    said=$(mktemp)
    # A process group of its own, so that all of it can be ended.
    set -m
    { "$@"; status=$?; echo "beside the steps before: $SECONDS s after the beginning"; exit "$status"; } </dev/null >"$said" 2>&1 &
    set +m
    beside=$!
}
beside_done() {
    local status=0
    # From its beginning on, and what it goes on to say.
    if [ -n "$(jobs -rp)" ]; then tail -n +1 -f --pid="$beside" "$said"; else cat "$said"; fi
    wait "$beside" || status=$?
    beside=
    rm -f "$said"
    return "$status"
}
end() {
    if [ -n "$beside" ]; then kill -- -"$beside" 2>/dev/null; fi
    rm -f "${said-}"
}
trap end EXIT

# The verify workspace, in its own target folder.
in_verify() { CARGO_TARGET_DIR="$SECURE_LOG_VERIFY_TARGET_DIR" cargo "$1" --locked --manifest-path verify/Cargo.toml "${@:2}"; }

formatting() { cargo fmt --all --check && (cd verify && cargo fmt --all --check); }
shell_syntax() { local script; for script in scripts/*.sh .ci/run; do bash -n "$script" || return 1; done; sh -n scripts/secure-log && sh -n scripts/recompute-root.sh; }
# Lints what cargo compiles anyway (the environment that `cargo clippy` sets), so that no dependency is compiled once
# to be checked and once to be run. Not for artifacts: clippy compiles without optimizing MIR.
linted() { RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ "$@"; }
# In release, so that SQLite's C is compiled for wasm once and the build below finds it.
lints_wasm() { cargo clippy --locked --release --target wasm32-wasip2 $(crates | sed s/^/--package=/) --package=secure-log-hostile-store -- -D warnings; }
documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --features secure-log/contract --no-deps --document-private-items; }

# And the harness itself, which the steps after it run; on what the steps beside it leave of the processors.
verify_workspace() { renice -n 10 "$BASHPID" >/dev/null || true; linted in_verify test --release --quiet && in_verify build --release --quiet; }

# OpenSSL and SoftHSM for wasm, once per machine; the lints and the build below link them.
softhsm() { SECURE_LOG_SOFTHSM=$(./scripts/softhsm.sh) && export SECURE_LOG_SOFTHSM; }

step "setup" ./scripts/setup.sh
# Most of all there is to compile, and nothing before its own step needs it.
beside verify_workspace
step "SoftHSM for wasm" softhsm
step "formatting" formatting
step "shell syntax" shell_syntax
step "WIT of WASI equals the pinned crate" ./scripts/vendor-wit.sh --check
step "import rules" ./scripts/import-rules.sh
step "lints, wasm" lints_wasm
step "verifiers that are not ours" ./scripts/oracles.sh
step "lints and tests" linted cargo test --locked --workspace --quiet --no-fail-fast
step "documentation" documentation
step "components and composition" ./scripts/build-components.sh
step "lints and tests of verify" beside_done
# It waits for the disk more than it computes.
beside ./scripts/verify.sh --all
step "contract suites inside the graph" ./scripts/contract.sh
step "a hostile store finds nothing" ./scripts/confine.sh
step "signatures and hashes in a guest" ./scripts/guest-tests.sh
step "the token in the graph, beside the native one" ./scripts/token.sh
step "keys in a token, through the command line" ./scripts/pkcs11.sh
step "our witness before a public client" ./scripts/witness.sh
step "the session of the documentation" ./scripts/session.sh
step "a token of one's own, through the host" ./scripts/own-token.sh
step "every stack under wasmtime" beside_done

echo "$passed passed, ${#failed[@]} failed${failed:+: $(printf '%s; ' "${failed[@]}")}"
[ ${#failed[@]} -eq 0 ]
