# Why: those who build and those who lint must agree on which graphs there are and which crates are in them. Source it
# in the repository root.

# The graphs to compose, as paths; SECURE_LOG_SKIP_SOFTHSM=1 leaves out those with SoftHSM in them, and
# KEYSTORE_SOFTHSM stands in for the keystore over it.
graphs() {
    local needs='new secure-log:token-softhsm'
    [ -n "${KEYSTORE_SOFTHSM:-}" ] || needs="$needs\|new composed:secure-log-keystore-softhsm"
    if [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ]; then grep -L "$needs" compose/*.wac; else printf '%s\n' compose/*.wac; fi
}

# The crates they name: `new secure-log:core` is crate secure-log-core (and `composed:..` is another graph).
crates() { sed -n 's/.*new \(secure-log\):\([a-z0-9-]*\).*/\1-\2/p' $(graphs) | sort -u; }
