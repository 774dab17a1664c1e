#!/usr/bin/env bash
# Why: a key in a token must be as good as one in a file, from the first event to the last verdict, and whatever is
# wrong with token, PIN or key must be named and change nothing. Types the session of the command line over SQLite,
# its keys in SoftHSM in the same graph; has openssl judge what leaves it, and a native SoftHSM share the token.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh

root=$PWD
stage_tokens token-softhsm cli-sqlite-pkcs11
compile token-softhsm cli-sqlite-pkcs11

pin=canary-user-6183
officer=canary-officer-9027
wrong=canary-wrong-4415
cd "$work"
mkdir data tokens pins heads io by-hand
printf '%s\n' "$pin" >pins/user
printf '%s' "$officer" >pins/officer
printf '%s' "$wrong" >pins/wrong
: >pins/empty
printf '%s\n%s\n' "$pin" "$pin" >pins/two-lines
printf '{"amount":12.5,"to":"somebody"}' >io/payload.json

places=$work
under=()
variables=()
key=log
stream=app
# ran COMMAND..: what it says is kept, to look for PINs in, and printed.
ran() {
    local status=0
    "$@" >"$work/out" 2>"$work/err" || status=$?
    cat "$work/out" "$work/err" >>"$work/said"
    cat "$work/out"
    return "$status"
}
# token ARGUMENTS..: the command that makes tokens and keys.
token() {
    ran "$wasmtime" run --allow-precompiled --dir "$places/tokens::/tokens" --dir "$places/pins::/pins" --dir "$places/io::/io" \
        --env SECURE_LOG_TOKEN_DIR=/tokens --env SECURE_LOG_TOKEN_PIN_FILE=/pins/user \
        --env SECURE_LOG_TOKEN_SO_PIN_FILE=/pins/officer "$work/token-softhsm" "$@" || fail "token $*: $(cat "$work/err")"
}
# secure_log ARGUMENTS..: the command line, with key $key, on stream $stream, below $places.
# pin_file: the PIN file, /pins/user if unset, no variable at all if empty.
secure_log() {
    local pin_file=${pin_file-/pins/user}
    ran "${under[@]}" "$wasmtime" run --allow-precompiled --dir "$places/data::/data" --dir "$places/tokens::/tokens" \
        --dir "$places/pins::/pins" --dir "$places/heads::/heads" --dir "$places/io::/io" --env SECURE_LOG_STORE_DIR=/data \
        --env SECURE_LOG_NAME=log.example.org --env SECURE_LOG_HEAD_FILE=/heads/head --env SECURE_LOG_TOKEN_DIR=/tokens \
        ${pin_file:+--env "SECURE_LOG_PKCS11_PIN_FILE=$pin_file"} "${variables[@]}" "$work/cli-sqlite-pkcs11" \
        --store /data/log.db --stream "$stream" --key "$key" "$@"
}
# native ARGUMENTS..: pkcs11-tool over the same token.
native() {
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$places/tokens" >"$work/softhsm2.conf"
    SOFTHSM2_CONF=$work/softhsm2.conf pkcs11-tool --module "$module" --token-label audit --login --pin "$pin" "$@" >"$work/native" 2>&1 ||
        fail "pkcs11-tool $*: $(cat "$work/native")"
}
# expect STATUS WORDS ARGUMENTS..: the command line ends with this status and says these words.
expect() {
    local wanted=$1 words=$2 status=0
    shift 2
    secure_log "$@" >/dev/null || status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: status $status, not $wanted: $(cat "$work/out" "$work/err")"
    grep -qF -- "$words" "$work/out" "$work/err" || fail "$*: does not say '$words': $(cat "$work/out" "$work/err")"
}
state() {
    (cd "$places" && find data tokens pins heads io -printf '%p %y %m\n' | sort &&
        find data tokens pins heads io -type f -print0 | sort -z | xargs -0 sha256sum)
}
# refused STATUS WORDS ARGUMENTS..: expect, and it changed nothing but the files that match $may_change.
may_change='^$'
refused() {
    state >"$work/before"
    expect "$@"
    state >"$work/after"
    diff "$work/before" "$work/after" >"$work/differences" || true
    if grep '^[<>]' "$work/differences" | grep -vE -- "$may_change" >"$work/changed"; then
        fail "${*:3}: changed $(cat "$work/changed")"
    fi
}
# none_signs STATUS WORDS: nothing that needs the key works. A sealed segment waits to be signed.
none_signs() {
    refused "$1" "$2" sign
    refused "$1" "$2" vkey
    refused "$1" "$2" attest-key --attest
    refused "$1" "$2" record public-key
    refused "$1" "$2" record sign --transaction-hash 5f3a91 /io/payload.json
    refused "$1" "$2" record sign --attest --transaction-hash 5f3a91 /io/payload.json
    echo "   $1, $(tail -n 1 "$work/err" | cut -c 1-150)"
}
# fresh: a copy of everything, to be spoiled.
fresh() {
    rm -rf "$work/copy"
    mkdir "$work/copy"
    for place in data tokens pins heads io; do cp -a "$work/$place" "$work/copy/$place"; done
    places=$work/copy
}
# by_hand RECORD PUBLIC-KEY: the block of docs/records.md, as it stands there, finds the record good.
awk '/^```/ {inside = 0} inside; /^# By hand/ {inside = 1; print} /^```sh$/ {getline; if (/^# By hand/) {inside = 1; print}}' \
    "$root/docs/records.md" >block
grep -q 'echo good' block || fail "docs/records.md has no block 'By hand'"
by_hand() {
    cp "$1" by-hand/record.json
    cp "$2" by-hand/public.pem
    (cd by-hand && sh -eu ../block) >"$work/judged" 2>&1 && [ "$(tail -n 1 "$work/judged")" = good ]
}
# session KEY: from no stream to WHOLE and a record, with this key, on a stream of the same name.
session() {
    key=$1 stream=$1
    expect 0 'is durable' append "the first event of $key"
    expect 0 'are durable' append "a second" "a third"
    expect 0 'sealed segment 0' seal
    expect 0 "log log.example.org/$stream+" vkey --as-policy
    cp out "io/policy-$stream"
    expect 3 'NOT SIGNED' verify --policy "/io/policy-$stream"
    expect 0 'signed segment 0' sign
    expect 0 "WHOLE: log.example.org/$stream" verify --policy "/io/policy-$stream"
    expect 0 'BEGIN PUBLIC KEY' record public-key
    cp out "io/$stream.pem"
    expect 0 '"signature":' record sign --transaction-hash 5f3a91 /io/payload.json
    cp out "io/$stream.json"
    expect 0 'VALID (pinned-key)' record verify --public-key "/io/$stream.pem" "/io/$stream.json"
    by_hand "io/$stream.json" "io/$stream.pem" || fail "by hand, a record of $key is not good: $(cat judged)"
    sed 's/12\.5/12.6/' "io/$stream.json" >io/modified.json
    if by_hand io/modified.json "io/$stream.pem"; then fail "by hand, a modified record of $key is good"; fi
    echo "   $key: WHOLE, and a record that is good by hand ($(jq -r .algorithm "io/$stream.json"))"
}

echo "== keys made in wasm"
token init --label audit
number=0
for algorithm in ed25519 ecdsa-p256 rsa-pss-sha256; do
    number=$((number + 1))
    token generate --alg "$algorithm" --label "made-$algorithm" --id "0$number"
    session "made-$algorithm"
done

echo "== keys made natively"
native --keypairgen --key-type EC:prime256v1 --label native-ecdsa-p256 --id 21
native --keypairgen --key-type rsa:3072 --label native-rsa-pss-sha256 --id 22
session native-ecdsa-p256
session native-rsa-pss-sha256

echo "== a key that wants the PIN for each signature"
native --keypairgen --key-type EC:prime256v1 --label careful --id 23 --always-auth
native --list-objects --type privkey --id 23
grep -q 'always authenticate' native || fail "the key has no CKA_ALWAYS_AUTHENTICATE: $(cat native)"
# Contents and times of all that is in the token.
written() { (cd "$places/tokens" && find . -printf '%p %T@ %m\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
written >before
session careful
expect 0 '"signature":' record sign --transaction-hash 5f3a91 /io/payload.json
written >after
diff before after >differences || fail "signing wrote in the token: $(cat differences)"

echo "== attestation"
token generate --alg ecdsa-p256 --label log --id 31
token generate --alg ed25519 --label next --id 32
token generate --alg ecdsa-p256 --label other --id 33
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out io/root.pem -subj /CN=root -days 2 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout intermediate.key -out intermediate.csr -subj /CN=intermediate 2>/dev/null
printf 'basicConstraints=critical,CA:TRUE\n' >extensions
openssl x509 -req -in intermediate.csr -CA io/root.pem -CAkey root.key -days 2 -extfile extensions -out io/intermediate.pem 2>/dev/null
openssl req -new -key intermediate.key -subj /CN=leaf -out leaf.csr
stream=app
for key in log next; do
    expect 0 'BEGIN PUBLIC KEY' record public-key
    cp out "io/$key.pem"
    openssl x509 -req -in leaf.csr -force_pubkey "io/$key.pem" -CA io/intermediate.pem -CAkey intermediate.key -days 2 \
        -subj "/CN=$key" -out "io/$key.crt" 2>/dev/null
done
token import-certificate --certificate /io/log.crt --label log --id 31
token import-certificate --certificate /io/next.crt --label next --id 32
token import-certificate --certificate /io/next.crt --label other --id 33
token import-certificate --certificate /io/intermediate.pem --label intermediate --id a1
token import-certificate --certificate /io/root.pem --label root --id a2

chain='chain ok, 3 certificate(s) up to "CN=root"'
key=log
expect 0 'is durable' append "the first event"
expect 0 'log log.example.org/app+' vkey --as-policy
cp out io/policy
expect 0 'of attestation for key log' attest-key --attest
expect 0 'sealed segment 0' seal
expect 0 'signed segment 0' sign
expect 0 "$chain" verify --policy /io/policy
expect 0 '"hardware_attestation":' record sign --attest --transaction-hash 5f3a91 /io/payload.json
cp out io/attested.json
expect 0 "attested: $chain" record verify --public-key /io/log.pem /io/attested.json
by_hand io/attested.json io/log.pem || fail "by hand, an attested record is not good: $(cat judged)"
jq -r '.hardware_attestation.certificates[]' io/attested.json |
    while read -r certificate; do echo "$certificate" | base64 -d | openssl x509 -inform DER; done >chain.pem
openssl x509 -in chain.pem -out leaf.pem
openssl verify -CAfile io/root.pem -untrusted chain.pem leaf.pem >"$work/judged" 2>&1 || fail "openssl does not accept the chain: $(cat judged)"

# spoilt NAME WORDS: the record io/NAME.json is no good, for the command and by hand.
spoilt() {
    cmp -s "io/$1.json" io/attested.json && fail "$1: nothing was edited"
    expect 1 "$2" record verify --json --public-key /io/log.pem "/io/$1.json"
    if by_hand "io/$1.json" io/log.pem; then fail "by hand, a record with $1 is good"; fi
    echo "   $1: $2"
}
sed 's/"CKA_LOCAL":true/"CKA_LOCAL":false/' io/attested.json >io/attribute.json
spoilt attribute '"modified"'
sed 's/"certificates":\["[^"]*",/"certificates":[/' io/attested.json >io/certificate.json
spoilt certificate '"modified"'
jq -cjS 'del(.hardware_attestation)' io/attested.json >io/removed.json
echo >>io/removed.json
spoilt removed '"attestation-removed"'

expect 0 'key next signs from here on' rotate-key --to next --attest
key=next
expect 0 'is durable' append "the first under the next key"
expect 0 'sealed segment 2' seal
expect 0 'signed segment 2' sign
expect 0 'WHOLE: log.example.org/app' verify --policy /io/policy
[ "$(grep -cF "$chain" out)" -eq 2 ] || fail "verify does not tell both chains: $(cat out)"
echo "   attested in the log, at the rotation and in a record: $chain"

# One that the token gives the key's CKA_ID is not taken for the key's; one from a file is, and told.
key=other
expect 0 'BEGIN PUBLIC KEY' record public-key
cp out io/other.pem
jq -c .hardware_attestation io/attested.json >io/of-another-key.json
differing() {
    stream=$1
    expect 0 'is durable' append "the certificate is not of this key"
    expect 0 "log log.example.org/$stream+" vkey --as-policy
    cp out "io/policy-$stream"
    expect 0 'of attestation for key other' attest-key "${@:3}"
    expect 0 'sealed segment 0' seal
    expect 0 'signed segment 0' sign
    expect 0 "$2" verify --policy "/io/policy-$stream"
    expect 0 '"hardware_attestation":' record sign "${@:3}" --transaction-hash 5f3a91 /io/payload.json
    cp out "io/$stream.json"
    expect 0 "$2" record verify --public-key /io/other.pem "/io/$stream.json"
    echo "   a certificate of another key, $stream: $2"
}
differing in-the-token 'no certificates' --attest
differing from-a-file 'key differs' --attestation /io/of-another-key.json

echo "== what is wrong is named, and nothing is changed"
key=log stream=waits
expect 0 'is durable' append "to be signed"
expect 0 'log log.example.org/waits+' vkey --as-policy
cp out io/policy-waits
expect 0 'sealed segment 0' seal
expect 0 'is durable' append "to be signed, too"
expect 0 'sealed segment 1' seal

# A wrong PIN is noted in the token, as the standard has it: only there, and once however much there is to sign.
fresh
may_change=' (\./)?tokens/[^/]*/token\.object$'
pin_file=/pins/wrong none_signs 3 'C_Login: CKR_PIN_INCORRECT: the PIN is wrong; it is not tried again'
stream=app key=next pin_file=/pins/wrong refused 3 CKR_PIN_INCORRECT rotate-key --to other
# Two segments wait. SoftHSM says so each time a PIN does not decrypt its key.
pin_file=/pins/wrong refused 3 CKR_PIN_INCORRECT sign
[ "$(grep -c 'EVP_DecryptFinal failed' err)" -eq 1 ] || fail "a wrong PIN is not tried exactly once: $(cat err)"
may_change='^$'
pin_file='' none_signs 3 'a PIN is needed'
stream=app key=next pin_file='' refused 3 'a PIN is needed' rotate-key --to other
pin_file=/pins/empty none_signs 3 'the PIN is empty'
pin_file=/pins/two-lines none_signs 3 'more than one line'
pin_file=/pins/absent none_signs 3 'PIN file /pins/absent'
mkfifo "$places/pins/pipe"
pin_file=/pins/pipe none_signs 3 'PIN file /pins/pipe: not a regular file'
rm "$places/pins/pipe"
variables=(--env "SECURE_LOG_PKCS11_PIN=$pin")
none_signs 3 'SECURE_LOG_PKCS11_PIN_FILE and SECURE_LOG_PKCS11_PIN exclude one another'
pin_file='' expect 0 '"signature":' record sign --transaction-hash 5f3a91 /io/payload.json

variables=(--env SECURE_LOG_PKCS11_TOKEN_LABEL=nowhere)
none_signs 3 'no token is labelled "nowhere"; there are "audit" in slot'
variables=(--env SECURE_LOG_PKCS11_SLOT=7)
none_signs 3 'there is no slot 7; there are ['
variables=(--env SECURE_LOG_PKCS11_SLOT=first)
none_signs 3 'SECURE_LOG_PKCS11_SLOT: "first" is no number of a slot'
variables=(--env SECURE_LOG_PKCS11_TOKEN_LABEL=audit --env SECURE_LOG_PKCS11_SLOT=7)
none_signs 3 'SECURE_LOG_PKCS11_TOKEN_LABEL and SECURE_LOG_PKCS11_SLOT exclude one another'
variables=(--env SECURE_LOG_PKCS11_KEY_LABEL=log --env SECURE_LOG_PKCS11_KEY_ID=31)
none_signs 3 'SECURE_LOG_PKCS11_KEY_LABEL and SECURE_LOG_PKCS11_KEY_ID exclude one another'
variables=(--env "SECURE_LOG_PKCS11_PUBLIC_KEY_PEM=$(cat io/next.pem)")
none_signs 3 'it is not the pinned one'
variables=(--env SECURE_LOG_PKCS11_PUBLIC_KEY_PEM=)
none_signs 3 'SECURE_LOG_PKCS11_PUBLIC_KEY_PEM: is set and empty'
variables=()
key=absent none_signs 2 'has no private key with CKA_LABEL "absent"'
stream=app key=next refused 2 'has no private key with CKA_LABEL "absent"' rotate-key --to absent --attest
native --keypairgen --key-type EC:prime256v1 --label log --id 41
none_signs 3 'has 2 private keys with CKA_LABEL "log", of CKA_ID '
# By its CKA_ID it is found, and what waited is signed.
variables=(--env SECURE_LOG_PKCS11_KEY_ID=31 --env "SECURE_LOG_PKCS11_PUBLIC_KEY_PEM=$(cat io/log.pem)" --env SECURE_LOG_PKCS11_TOKEN_LABEL=audit)
key=31 expect 0 'signed segment 1' sign
key=31 expect 0 'WHOLE: log.example.org/waits' verify --policy /io/policy-waits
variables=()

fresh
rm -rf "$places"/tokens/*
none_signs 3 'no initialised token is there'

fresh
flag 0x40000 "$places"/tokens/*/token.object
none_signs 3 'CKF_USER_PIN_LOCKED'

for size in 0 7 100; do
    fresh
    truncate -s "$size" "$places"/tokens/*/token.object
    none_signs 3 'no initialised token is there'
    grep -q '"unreadable: .*can not be read: CKR_TOKEN_NOT_RECOGNIZED' err || fail "a slot that can not be read is not told: $(cat err)"
    grep -q "/token\.object: ends in the middle" err || fail "a torn token.object is not named: $(cat err)"
done
fresh
victim=
for object in "$places"/tokens/*/*.object; do
    if [ "${object##*/}" != token.object ]; then victim=$object; fi
done
truncate -s -9 "$victim"
none_signs 3 CKR_DEVICE_ERROR
grep -q -- "${victim##*/}" err || fail "a torn object is not named: $(cat err)"
# Who only verifies needs neither token nor PIN.
rm -rf "$places"/tokens/*
stream=app pin_file='' expect 0 'WHOLE: log.example.org/app' verify --policy /io/policy

echo "== a token that may only be read"
fresh
may_only_read "$places/tokens" "$places" "$work/cli-sqlite-pkcs11"
if [ "$(id -u)" -eq 0 ]; then chown -R 65534:65534 "$places/data" "$places/heads"; fi
"${under[@]}" test ! -w "$places/tokens" || fail "the token can be written"
(cd "$places" && find tokens -type f -print0 | sort -z | xargs -0 sha256sum) >before
expect 0 'signed segment 0' sign
expect 0 'WHOLE: log.example.org/waits' verify --policy /io/policy-waits
expect 0 '"signature":' record sign --attest --transaction-hash 5f3a91 /io/payload.json
cp out read-only.json
by_hand read-only.json io/log.pem || fail "by hand, a record of a token that is only read is not good: $(cat judged)"
(cd "$places" && find tokens -type f -print0 | sort -z | xargs -0 sha256sum) | cmp -s - before || fail "signing changed a token that may only be read"
under=()
chmod -R u+w "$places"

echo "== no PIN anywhere"
# Untouched, so that everything that was logged is there, and the copy beside it.
places=$work
for name in made-ed25519 made-ecdsa-p256 made-rsa-pss-sha256 native-ecdsa-p256 native-rsa-pss-sha256 app in-the-token from-a-file waits; do
    stream=$name expect 0 '' read 0 3
done
for secret in "$pin" "$officer" "$wrong"; do
    found=$(grep -rlaF --exclude-dir=pins -- "$secret" . || true)
    [ -z "$found" ] || fail "a PIN is in $found"
    grep -rlaF -- "$secret" . >found && grep -q pins/ found || fail "the search for PINs finds none at all"
done
echo "pkcs11: keys in a token do whatever keys in files do, what is wrong is named, and no PIN is told"
