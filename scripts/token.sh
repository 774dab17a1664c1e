#!/usr/bin/env bash
# Why: a token in the graph is worth its name only if another implementation agrees. Makes tokens and keys in wasm
# and natively (Debian's SoftHSM, OpenSC's pkcs11-tool), lets each side use the other's, has openssl judge every
# signature, and then takes things away: the process, the end of a file, the right PIN, the right to write.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh

stage_tokens token-softhsm
compile token-softhsm

pin=canary-user-7391
officer=canary-officer-2846
mkdir "$work/io" "$work/tokens"
printf '%s\n' "$pin" >"$work/io/pin"
printf '%s' "$officer" >"$work/io/so-pin"
printf 'what is signed, of some length that is no multiple of anything' >"$work/io/message"
openssl dgst -sha256 -binary "$work/io/message" >"$work/io/digest"

tokens=$work/tokens
under=()
limits=()
# wasm ARGUMENTS..: the command in wasm, over $tokens. What it says is kept, to look for PINs in.
wasm() {
    local status=0
    "${under[@]}" "$wasmtime" run --allow-precompiled "${limits[@]}" --dir "$tokens::/tokens" --dir "$work/io::/io" \
        --env SECURE_LOG_TOKEN_DIR=/tokens --env "SECURE_LOG_TOKEN_PIN_FILE=${pin_file-/io/pin}" --env SECURE_LOG_TOKEN_SO_PIN_FILE=/io/so-pin \
        "$work/token-softhsm" "$@" >"$work/out" 2>"$work/err" || status=$?
    cat "$work/out" "$work/err" >>"$work/said"
    cat "$work/out"
    return "$status"
}
# native LABEL ARGUMENTS..: pkcs11-tool over the same directory.
native() {
    printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$tokens" >"$work/softhsm2.conf"
    SOFTHSM2_CONF=$work/softhsm2.conf pkcs11-tool --module "$module" --token-label "$1" --login --pin "$pin" "${@:2}" 2>>"$work/native"
}
# refused STATUS WORDS ARGUMENTS..: the command ends with this status, says these words, and changes nothing.
state() { (cd "$tokens" && find . -printf '%p %y %m\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum; }
refused() {
    local wanted=$1 words=$2 before status=0
    shift 2
    before=$(state)
    wasm "$@" >/dev/null || status=$?
    [ "$status" -eq "$wanted" ] || fail "$*: status $status, not $wanted: $(cat "$work/err")"
    grep -q -- "$words" "$work/err" || fail "$*: does not say '$words': $(cat "$work/err")"
    [ "$before" = "$(state)" ] || fail "$*: changed the token directory"
    echo "   $* -> $status, $words"
}
same() { [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"; }

# spki TOKEN ALGORITHM LABEL: the public key as the native library has it, for openssl.
spki() {
    if [ "$2" = ed25519 ]; then
        local point
        point=$(native "$1" --list-objects --type pubkey | awk -v label="$3" '/EC_POINT:/ {point = $2} /label:/ && $2 == label {print substr(point, 5)}')
        python3 -c "import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))" "302a300506032b6570032100$point" | openssl pkey -pubin -inform DER -out "$work/public.pem"
    else
        native "$1" --read-object --type pubkey --label "$3" --output-file "$work/public.der" >/dev/null
        openssl pkey -pubin -inform DER -in "$work/public.der" -out "$work/public.pem"
    fi
}
# verified ALGORITHM SIGNATURE: openssl accepts it under $work/public.pem; r || s is put into DER first.
verified() {
    case $1 in
        ed25519) openssl pkeyutl -verify -pubin -inkey "$work/public.pem" -rawin -in "$work/io/message" -sigfile "$2" ;;
        ecdsa-p256)
            python3 - "$2" "$work/der" <<'PYTHON'
import sys
raw = open(sys.argv[1], "rb").read()
assert len(raw) == 64, len(raw)
def integer(b):
    b = b.lstrip(b"\0") or b"\0"
    b = b"\0" + b if b[0] & 0x80 else b
    return bytes([2, len(b)]) + b
body = integer(raw[:32]) + integer(raw[32:])
open(sys.argv[2], "wb").write(bytes([0x30, len(body)]) + body)
PYTHON
            openssl dgst -sha256 -verify "$work/public.pem" -signature "$work/der" "$work/io/message" ;;
        rsa-pss-sha256)
            openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -verify "$work/public.pem" \
                -signature "$2" "$work/io/message" ;;
    esac >"$work/verified" 2>&1 || fail "openssl refuses a signature of $1: $(cat "$work/verified")"
}
# native_sign TOKEN ALGORITHM ID: pkcs11-tool chooses a key that signs by its id only.
native_sign() {
    rm -f "$work/signature"
    case $2 in
        ed25519) native "$1" --sign --mechanism EDDSA --id "$3" -i "$work/io/message" -o "$work/signature" ;;
        ecdsa-p256) native "$1" --sign --mechanism ECDSA --id "$3" -i "$work/io/digest" -o "$work/signature" ;;
        rsa-pss-sha256)
            native "$1" --sign --mechanism RSA-PKCS-PSS --hash-algorithm SHA256 --mgf MGF1-SHA256 --salt-len 32 --id "$3" \
                -i "$work/io/digest" -o "$work/signature" ;;
    esac >/dev/null || fail "the native library does not sign with $3: $(tail -n 3 "$work/native")"
}
wasm_sign() {
    rm -f "$work/io/signature"
    wasm sign --token "$1" --label "$3" /io/message --out /io/signature || fail "sign --label $3: $(cat "$work/err")"
    cp "$work/io/signature" "$work/signature"
}

echo "== made in wasm"
refused 2 'there is no token' generate --alg ed25519 --label a --id 01
wasm init --label graph
refused 2 'exists' init --label graph
number=0
for algorithm in ed25519 ecdsa-p256 rsa-pss-sha256; do
    number=$((number + 1))
    wasm generate --alg "$algorithm" --label "made-$algorithm" --id "0$number"
    openssl genpkey -out "$work/io/$algorithm.pem" $(case $algorithm in
        ed25519) echo -algorithm ed25519 ;;
        ecdsa-p256) echo -algorithm EC -pkeyopt ec_paramgen_curve:P-256 ;;
        rsa-pss-sha256) echo -algorithm RSA -pkeyopt rsa_keygen_bits:3072 ;;
    esac) 2>/dev/null
    wasm import --key "/io/$algorithm.pem" --label "imported-$algorithm" --id "1$number"
done
openssl req -x509 -key "$work/io/ecdsa-p256.pem" -subj /CN=secure-log -days 1 -out "$work/io/certificate.pem"
wasm import-certificate --certificate /io/certificate.pem --label imported-ecdsa-p256 --id 12
refused 2 'exists' generate --alg ed25519 --label made-ed25519 --id 77
refused 2 'exists' generate --alg ed25519 --label another --id 01
refused 2 'exists' import --key /io/ed25519.pem --label imported-ed25519 --id 78
wasm list --json >"$work/objects"
# A reader that went away is no failure: neither a trap nor a word.
{
    sleep 1
    status=0
    "$wasmtime" run --allow-precompiled --dir "$tokens::/tokens" --dir "$work/io::/io" --env SECURE_LOG_TOKEN_DIR=/tokens \
        --env SECURE_LOG_TOKEN_PIN_FILE=/io/pin "$work/token-softhsm" list 2>"$work/err" || status=$?
    echo "$status" >"$work/status"
} | true
same "$(cat "$work/status" "$work/err")" 0 "a list whose reader went away"
same "$(jq -s 'map(select(.class == "private-key" and .private and .sensitive and (.extractable | not))) | length' "$work/objects")" 6 "private keys in the list"
same "$(jq -s 'map(select(.class == "private-key" and .local and ."always-sensitive" and ."never-extractable")) | length' "$work/objects")" 3 "keys that never left the token"

echo "== the native library sees the same, and both sign with it"
native graph --list-objects | sed -n 's/^ *label: *//p' | sort >"$work/native-labels"
jq -r 'select(.class) | .label' "$work/objects" | sort >"$work/wasm-labels"
diff "$work/wasm-labels" "$work/native-labels" || fail "the two list different objects"
for algorithm in ed25519 ecdsa-p256 rsa-pss-sha256; do
    for key in "made-$algorithm" "imported-$algorithm"; do
        spki graph "$algorithm" "$key"
        native_sign graph "$algorithm" "$(jq -r "select(.label == \"$key\" and .class == \"private-key\") | .id" "$work/objects")"
        verified "$algorithm" "$work/signature"
        wasm_sign graph "$algorithm" "$key"
        verified "$algorithm" "$work/signature"
    done
    # The imported key's signature under the key openssl made: import lost nothing.
    openssl pkey -in "$work/io/$algorithm.pem" -pubout -out "$work/public.pem"
    verified "$algorithm" "$work/signature"
    echo "   $algorithm: signatures of both sides verified by openssl"
done
native graph --read-object --type cert --label imported-ecdsa-p256 --output-file "$work/certificate.der" >/dev/null
same "$(openssl x509 -inform DER -in "$work/certificate.der" -noout -fingerprint)" "$(openssl x509 -in "$work/io/certificate.pem" -noout -fingerprint)" "certificate"

echo "== made natively, used in wasm"
SOFTHSM2_CONF=$work/softhsm2.conf softhsm2-util --init-token --free --label native --pin "$pin" --so-pin "$officer" >/dev/null
native native --keypairgen --key-type EC:prime256v1 --label native-ecdsa-p256 --id 21 >/dev/null
native native --keypairgen --key-type rsa:2048 --label native-rsa-pss-sha256 --id 22 >/dev/null
SOFTHSM2_CONF=$work/softhsm2.conf softhsm2-util --import "$work/io/ed25519.pem" --token native --label native-ed25519 --id 23 --pin "$pin" >/dev/null
wasm list --token native --json | jq -r 'select(.class) | .label' | sort | uniq -c | awk '{print $2, $1}' >"$work/wasm-labels"
same "$(tr '\n' ' ' <"$work/wasm-labels")" "native-ecdsa-p256 2 native-ed25519 2 native-rsa-pss-sha256 2 " "native keys in wasm"
for algorithm in ecdsa-p256 rsa-pss-sha256; do
    spki native "$algorithm" "native-$algorithm"
    wasm_sign native "$algorithm" "native-$algorithm"
    verified "$algorithm" "$work/signature"
done
wasm_sign native ed25519 native-ed25519
openssl pkey -in "$work/io/ed25519.pem" -pubout -out "$work/public.pem"
verified ed25519 "$work/signature"

echo "== PINs"
printf 'not-the-%s' "$pin" >"$work/io/wrong"
copy=$work/copy
cp -a "$tokens" "$copy"
tokens=$copy
wrong() { pin_file=/io/wrong wasm sign --token graph --label made-ed25519 /io/message >/dev/null; }
status=0; wrong || status=$?
same "$status" 3 "status of a wrong PIN"
grep -q CKR_PIN_INCORRECT "$work/err" || fail "a wrong PIN is not named: $(cat "$work/err")"
# It is noted in the token, as the standard has it, and in nothing else; the next right PIN takes the note away.
(cd "$work" && diff -rq tokens copy || true) >"$work/differences"
same "$(grep -c . "$work/differences")" 1 "files that a wrong PIN changes"
grep -q token.object "$work/differences" || fail "a wrong PIN changes $(cat "$work/differences")"
wasm list --token graph --json | grep -q CKF_USER_PIN_COUNT_LOW || fail "a wrong PIN is not noted"
wasm sign --token graph --label made-ed25519 /io/message >/dev/null
if wasm list --token graph --json | grep -q CKF_USER_PIN_COUNT_LOW; then fail "a right PIN leaves the note of a wrong one"; fi
# One PIN is tried on no two tokens: the one that is not its own would count it.
before=$(state)
wasm list --json >"$work/objects" || fail "a list of two tokens: $(cat "$work/err")"
grep -q 'several tokens: no PIN was tried' "$work/err" || fail "a list of two tokens does not say what it leaves out"
same "$(jq -s 'map(select(.class == "private-key" or .["private-shown"])) | length' "$work/objects")" 0 "private keys in a list of two tokens"
pin_file=/io/wrong wasm list >/dev/null || fail "a list of two tokens tries a PIN: $(cat "$work/err")"
[ "$before" = "$(state)" ] || fail "a list of two tokens changes one"
# Nor is the last try used up unasked (CKF_USER_PIN_FINAL_TRY, CKF_SO_PIN_FINAL_TRY).
object=$(grep -l graph "$tokens"/*/token.object)
cp -a "$object" "$work/token.object"
flag 0x220000 "$object"
refused 3 'CKF_USER_PIN_FINAL_TRY.*--final-try' sign --token graph --label made-ed25519 /io/message
refused 3 'CKF_USER_PIN_FINAL_TRY.*--final-try' list --token graph
refused 3 'CKF_USER_PIN_FINAL_TRY.*--final-try' set-pin --token graph --new-pin-file /io/wrong
refused 3 'CKF_SO_PIN_FINAL_TRY.*--final-try' set-pin --token graph --of user-by-so --new-pin-file /io/wrong
wasm sign --token graph --final-try --label made-ed25519 /io/message >/dev/null || fail "--final-try does not try: $(cat "$work/err")"
cp -a "$work/token.object" "$object"
# A lock that the token states is kept (CKF_USER_PIN_LOCKED).
flag 0x40000 "$tokens"/*/token.object
refused 3 CKR_PIN_LOCKED sign --token graph --label made-ed25519 /io/message
refused 3 CKR_PIN_LOCKED generate --token graph --alg ed25519 --label locked --id 55
printf 'canary-new-user-5512' >"$work/io/new-pin"
refused 3 CKR_PIN_LOCKED set-pin --token graph --of user --new-pin-file /io/new-pin
wasm set-pin --token graph --of user-by-so --new-pin-file /io/new-pin
pin_file=/io/new-pin wasm sign --token graph --label made-ed25519 /io/message >/dev/null || fail "an unlocked token does not sign: $(cat "$work/err")"
status=0; wasm sign --token graph --label made-ed25519 /io/message >/dev/null || status=$?
same "$status" 3 "the old PIN after a new one"
rm -rf "$copy"

echo "== what is damaged is named, and nothing is made beside it"
fresh() { rm -rf "$copy"; cp -a "$work/tokens" "$copy"; tokens=$copy; }
fresh
victim=$(grep -l made-ecdsa "$tokens"/*/*.object | head -n 1 || true)
[ -n "$victim" ] || victim=$(ls -S "$tokens"/*/*.object | head -n 1)
truncate -s -9 "$victim"
refused 3 "$(basename "$victim")" sign --token graph --label made-ed25519 /io/message
refused 3 "$(basename "$victim")" list --token graph
refused 3 "$(basename "$victim")" generate --token graph --alg ed25519 --label beside --id 56
for size in 0 7 100; do
    fresh
    folder=$(dirname "$(grep -l graph "$tokens"/*/token.object)")
    truncate -s "$size" "$folder/token.object"
    refused 3 CKR_TOKEN_NOT_RECOGNIZED list
    refused 3 "$(basename "$folder")" list
    refused 3 CKR_TOKEN_NOT_RECOGNIZED init --label graph
    refused 3 CKR_TOKEN_NOT_RECOGNIZED init --label other
    refused 3 CKR_TOKEN_NOT_RECOGNIZED sign --token graph --label made-ed25519 /io/message
done
wasm sign --token native --label native-ed25519 /io/message >/dev/null || fail "a damaged token stops another one: $(cat "$work/err")"
wasm sign --label native-ed25519 /io/message >/dev/null || fail "a damaged token is taken for the one that is meant: $(cat "$work/err")"
fresh
rm -r "$(dirname "$(grep -l native "$tokens"/*/token.object)")"
mkdir "$tokens/begun"
wasm sign --label made-ed25519 /io/message >/dev/null || fail "an empty folder stops a token: $(cat "$work/err")"
refused 3 CKR_TOKEN_NOT_RECOGNIZED list
fresh
cp -a "$(dirname "$(grep -l graph "$tokens"/*/token.object)")" "$tokens/copied"
refused 3 'move one of them away' list
fresh
mkdir "$tokens/of-something-else"
refused 3 of-something-else list
fresh
refused 2 'no token has the label' list --token absent
for command in list "sign --label made-ed25519 /io/message" "generate --alg ed25519 --label none --id 59" "init --label none"; do
    refused 2 'there is no slot 12345; there are \[' $command --slot 12345
done
free=$(wasm list --json | jq -r 'select(has("token") and .token == null) | .slot')
refused 2 "slot $free holds no token" sign --slot "$free" --label made-ed25519 /io/message
same "$(wasm list --slot "$free")" "slot $free: free" "a free slot in the list"
refused 2 'no such object' sign --token graph --label absent /io/message
# With --json misuse is an object too, wherever the word stands.
for words in --json "lost --json" "generate --alg none --json" "sign --label made-ed25519 /io/message --out /io/message --json"; do
    status=0; wasm $words >"$work/objects" || status=$?
    same "$status $(jq -r '"\(.error) \(.exit) \(.text | length > 0)"' "$work/objects")" "2 usage 2 true" "$words"
done
refused 2 'not PEM' import --token graph --key /io/message --label none --id 59
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/io/short.pem" 2>/dev/null
refused 2 'RSA key of 2048 bits; a log refuses' import --token graph --key /io/short.pem --label none --id 59
refused 2 'a log refuses' generate --token graph --alg rsa-pss-sha256 --bits 2048 --label none --id 59
refused 2 'it exists' sign --token graph --label made-ed25519 /io/message --out /io/message
: >"$work/io/empty"
refused 2 'the PIN is empty' init --label x --pin-file /io/empty
printf '%s\n%s\n' "$pin" "$pin" >"$work/io/two-lines"
refused 2 'more than one line' init --label x --pin-file /io/two-lines
refused 2 'more than one line' sign --token graph --pin-file /io/two-lines --label made-ed25519 /io/message

echo "== C++ that aborts: too little memory for a key"
fresh
before=$(state)
memory=3000000
until grep -q 'bad_alloc' "$work/err"; do
    memory=$((memory - 100000))
    [ "$memory" -gt 1000000 ] || fail "no lack of memory makes SoftHSM abort"
    limits=(-W "max-memory-size=$memory")
    wasm sign --token graph --label made-rsa-pss-sha256 /io/message >/dev/null || true
done
limits=()
[ "$before" = "$(state)" ] || fail "an abort changed the token directory"
echo "   with $memory bytes: $(grep bad_alloc "$work/err")"
wasm sign --token graph --label made-ed25519 /io/message >/dev/null || fail "after an abort: $(cat "$work/err")"

echo "== a directory that may only be read"
fresh
may_only_read "$copy" "$work/io" "$work/token-softhsm"
refused 3 CKR_TOKEN_WRITE_PROTECTED generate --token graph --alg ed25519 --label read-only --id 57
refused 3 CKR_TOKEN_WRITE_PROTECTED import --token graph --key /io/ed25519.pem --label read-only --id 58
refused 3 CKR_TOKEN_WRITE_PROTECTED set-pin --token graph --of so --new-pin-file /io/new-pin
refused 3 CKR_TOKEN_WRITE_PROTECTED init --label read-only
wasm sign --token graph --label made-ed25519 /io/message >/dev/null || fail "a token that is only read does not sign: $(cat "$work/err")"
wasm list --token graph --json | grep -q CKF_WRITE_PROTECTED || fail "a token that is only read does not say so"
under=()
chmod -R u+w "$copy"

echo "== 20 kills during key generation"
tokens=$work/killed
mkdir "$tokens"
wasm init --label killed
begin=$(date +%s%N)
wasm generate --alg ecdsa-p256 --label key-0 --id 00 >/dev/null
# A key takes so many milliseconds, most of them to start: kills come in the last two thirds of them.
takes=$((($(date +%s%N) - begin) / 1000000))
echo key-0 >"$work/acknowledged"
killed=0
serial=0
while [ "$killed" -lt 20 ]; do
    serial=$((serial + 1))
    [ "$serial" -lt 2000 ] || fail "only $killed of 20 kills hit a running process"
    "$wasmtime" run --allow-precompiled --dir "$tokens::/tokens" --dir "$work/io::/io" --env SECURE_LOG_TOKEN_DIR=/tokens \
        --env SECURE_LOG_TOKEN_PIN_FILE=/io/pin "$work/token-softhsm" generate --alg ecdsa-p256 --label "key-$serial" --id "$(printf '%08x' "$serial")" \
        >"$work/out" 2>>"$work/said" &
    server=$!
    within=$((takes / 3 + RANDOM % (takes * 2 / 3 + 1)))
    sleep "$((within / 1000)).$(printf '%03d' $((within % 1000)))"
    kill -9 "$server" 2>/dev/null || true
    status=0; wait "$server" 2>/dev/null || status=$?
    server=
    if [ "$status" -eq 137 ]; then killed=$((killed + 1)); elif [ "$status" -ne 0 ]; then fail "generate after a kill: $status: $(tail -n 3 "$work/said")"; fi
    if grep -q 'key pair made' "$work/out"; then echo "key-$serial" >>"$work/acknowledged"; fi
done
wasm list --json >"$work/objects"
native killed --list-objects --type privkey | sed -n 's/^ *label: *//p' | sort >"$work/native-labels"
for class in private-key public-key; do
    jq -r "select(.class == \"$class\") | .label" "$work/objects" | sort >"$work/labels"
    lost=$(comm -23 <(sort "$work/acknowledged") "$work/labels" | wc -l)
    same "$lost" 0 "acknowledged keys lost ($class)"
done
same "$(comm -23 <(sort "$work/acknowledged") "$work/native-labels" | wc -l)" 0 "acknowledged keys lost natively"
for label in $(tail -n 2 "$work/acknowledged"); do
    spki killed ecdsa-p256 "$label"
    wasm_sign killed ecdsa-p256 "$label"
    verified ecdsa-p256 "$work/signature"
done
begun=0
for lock in "$tokens"/*/*.lock; do if [ ! -e "${lock%.lock}.object" ]; then begun=$((begun + 1)); fi; done
halves=$(comm -13 <(jq -r 'select(.class == "private-key") | .label' "$work/objects" | sort) <(jq -r 'select(.class == "public-key") | .label' "$work/objects" | sort))
for label in $halves; do
    id=$(jq -r "select(.label == \"$label\") | .id" "$work/objects")
    wasm destroy --class public-key --label "$label" --id "$id"
done
echo "   $begun objects begun and never written, $(wc -w <<<"$halves") public keys left without a private one"
echo "   $killed kills in $serial runs: $(wc -l <"$work/acknowledged") keys acknowledged, none lost, $(wc -l <"$work/native-labels") in the token"

echo "== no PIN anywhere"
for secret in "$pin" "$officer" canary-new-user-5512 "not-the-$pin"; do
    found=$(grep -rlaF --exclude-dir=io -- "$secret" "$work" || true)
    [ -z "$found" ] || fail "a PIN is in $found"
done
grep -rqaF -- "$pin" "$work/io" || fail "the search for PINs finds none at all"

if [ -n "${SECURE_LOG_FIGURES:-}" ]; then
    tokens=$work/tokens
    echo "== signatures a second, in wasm"
    for algorithm in ed25519 ecdsa-p256 rsa-pss-sha256; do
        wasm sign --token graph --label "made-$algorithm" /io/message --times 200 >/dev/null
        echo "   $algorithm: $(cat "$work/err")"
    done
fi
echo "token: both implementations agree, nothing acknowledged was lost, nothing damaged was passed over"
