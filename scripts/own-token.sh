#!/usr/bin/env bash
# Why: who has a token of their own and a PKCS #11 module for it must be able to use it through the host as docs/tokens.md
# says. Types the blocks that stand there: a SoftHSM of one's own, made with its own tool and OpenSC's, then `verify` on it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh

root=$PWD
stage_tokens sqlite-pkcs11-host
cd "$work"
export USER_PIN=canary-user-2750 OFFICER_PIN=canary-officer-8146

# block WORDS: the block of docs/tokens.md that has these words in it.
block() {
    awk -v words="$1" '/^```/ {if (index(text, words)) printf "%s", text; inside = /^```sh$/; text = ""; next} inside {text = text $0 "\n"}' \
        "$root/docs/tokens.md" | sed "s,/usr/lib/softhsm/libsofthsm2.so,$module,"
}
block 'softhsm2-util --init-token' >make
grep -q 'pkcs11-tool' make || fail "docs/tokens.md has no block that makes a token"
block '--pkcs11-module' | awk '/^SECURE_LOG_PKCS11_TOKEN_LABEL/ {own = 1} own' |
    sed "s,\./scripts/verify\.sh dist/,$root/scripts/verify.sh $root/dist/," >use
grep -q -- '--pkcs11-module' use || fail "docs/tokens.md has no command over a token of one's own"

# On a variable that chooses one key: two are used.
{ cat make; echo 'export SECURE_LOG_PKCS11_KEY_ID=01'; cat use; } >one
{ cat make use; } >both
mkdir first second
(cd first && bash -eu ../both) >said 2>&1 || fail "a token of one's own: $(cat said)"
grep -q '^verdict: VERIFIED' said || fail "a token of one's own: $(cat said)"
status=0
(cd second && bash -eu ../one) >refused 2>&1 || status=$?
[ "$status" -eq 3 ] && grep -q 'SECURE_LOG_PKCS11_KEY_ID is set' refused || fail "one key for two: status $status: $(cat refused)"
if grep -qF -e "$USER_PIN" -e "$OFFICER_PIN" said refused; then fail "a PIN is told"; fi
echo "own-token: $(grep '^verdict' said); $(tail -n 1 refused)"
