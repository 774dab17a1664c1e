#!/usr/bin/env bash
# Why: what docs/command-line.md tells a reader to type must work as it stands there, with nothing but the artifacts
# in dist/ and a stock wasmtime: the whole session from an empty folder, a witness on loopback in it, every outcome
# asserted. Prints each command and what it says; the exit status is the verdict.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stage.sh
root=$PWD

stage cli-file cli-file-online witness
mkdir "$work/bin" "$work/try" "$work/reader"
ln -s "$wasmtime" "$work/bin/wasmtime"
ln -s "$root/scripts/secure-log" "$work/bin/secure-log"
for name in $(env | sed -n 's/^\(SECURE_LOG_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
export PATH="$work/bin:$PATH" SECURE_LOG_DIST="$root/dist"

# A real log file; the proof is of its 500th line, or the last if it is shorter.
input=/var/log/dpkg.log
[ -s "$input" ] || input=$root/LICENSE
lines=$(wc -l < "$input")
line=$((lines < 500 ? lines : 500))

# expect STATUS PATTERN COMMAND..: runs it, shows it, and asserts its exit status and that what it prints matches.
said=
expect() {
    local status=0 wanted=$1 pattern=$2
    shift 2
    echo "\$ $*"
    said=$("$@" 2>&1) || status=$?
    printf '%s\n' "$said"
    [ "$status" = "$wanted" ] || fail "exit status $status, not $wanted: $*"
    grep -Eq -- "$pattern" <<< "$said" || fail "what it printed does not match '$pattern': $*"
}

cd "$work/try"
export SECURE_LOG_NAME=log.example.org SECURE_LOG_STREAM=app SECURE_LOG_KEY=audit
export SECURE_LOG_KEYSTORE_DIR=keys SECURE_LOG_HEAD_FILE=heads/head

echo "== a log, sealed and signed"
expect 2 '^secure-log: there is no log at secure-log-data/audit.jsonl$' secure-log verify --policy policy
[ -z "$(ls -A)" ] || fail "who only looked made something"
SECURE_LOG_KEYSTORE_CREATE=1 expect 0 '^log log\.example\.org/app\+' secure-log keygen --as-policy
printf '%s\n' "$said" > policy
expect 0 "to $lines of app are durable" secure-log append --producer dpkg < "$input"
expect 3 '^NOT SIGNED: log.example.org/app$' secure-log verify --policy policy
expect 0 '^sealed segment 0 of app' secure-log seal
expect 0 '^signed segment 0 of app' secure-log sign
found=$(find . -printf '%p %s %T@\n' | sort)
expect 0 '^WHOLE: log.example.org/app$' secure-log verify --policy policy
[ "$found" = "$(find . -printf '%p %s %T@\n' | sort)" ] || fail "who judged changed something"

echo "== a witness"
mkdir -p witness/data witness/keys witness/conf
cp policy witness/conf/logs
serve "$work/served" --dir witness/data::/data --dir witness/keys::/keys --dir witness/conf::/conf \
    --env SECURE_LOG_STORE_CONFIG=/data/witness.db --env SECURE_LOG_KEYSTORE_DIR=/keys --env SECURE_LOG_KEYSTORE_CREATE=1 \
    --env SECURE_LOG_WITNESS_NAME=witness.example.org/w1 --env SECURE_LOG_WITNESS_IDENTITY=w1 \
    --env SECURE_LOG_WITNESS_LOGS=/conf/logs "$root/dist/secure-log-witness.wasm"
witness=$(get "$url" / | tr -d '\r' | grep -Eo 'witness\.example\.org/w1\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+') || fail "the witness does not show its key"
{ sed -n 1p policy; echo "witness w1 $witness"; echo "quorum w1"; } > witnessed

expect 3 '^NOT WITNESSED: log.example.org/app$' secure-log verify --policy witnessed
expect 2 'this artifact has no network' wasmtime run --dir . --env SECURE_LOG_NAME --env SECURE_LOG_HEAD_FILE \
    --env SECURE_LOG_KEYSTORE_DIR --env SECURE_LOG_STORE_DIR=secure-log-data "$root/dist/secure-log-cli-file.wasm" --store secure-log-data/audit.jsonl --stream app \
    witness submit --url "$url" --policy witnessed
expect 3 'not sent: no connection' secure-log witness submit --url http://127.0.0.1:1 --policy witnessed
expect 0 'cosigned by witness.example.org/w1 at .*; lines kept: 1$' secure-log witness submit --url "$url" --policy witnessed
expect 0 "^  witnessed  0 to $((lines + 1))\$" secure-log verify --policy witnessed

echo "== another key"
first=$(sed -n 's/^log //p' policy)
SECURE_LOG_KEYSTORE_CREATE=1 expect 0 'key audit2 signs from here on' secure-log rotate-key --to audit2
grep -q '^audit2 sealed and signed it: segment 1, ' <<< "$said" || fail "the rotation is not signed by the new key"
rotation=$(sed -n 's/^entry \([0-9]*\) of app.*/\1/p' <<< "$said")
expect 1 'untrusted: ' secure-log rotate-key --to audit
export SECURE_LOG_KEY=audit2
expect 0 'is durable|are durable' secure-log append "the first line under the new key"
expect 0 '^sealed segment 2 of app' secure-log seal
expect 0 '^signed segment 2 of app' secure-log sign
expect 0 "^WHOLE: log.example.org/app" secure-log verify --policy policy
grep -q "rotated in by entry $rotation\$" <<< "$said" || fail "the report does not tell the rotation"
expect 0 'count only if they are witnessed' secure-log revoke-key "$first" --from "$rotation" --reason "replaced"
expect 0 '^sealed segment 3 of app' secure-log seal
expect 0 '^signed segment 3 of app' secure-log sign
# The witness believes the keys that its operator gave it, and so does a reader of proofs.
expect 0 "^log.example.org/app\\+" secure-log vkey
second=$said
expect 3 'status 403' secure-log witness submit --url "$url" --policy witnessed
sed -i "1c log $second" witness/conf/logs
expect 0 'segment 3 of app.*lines kept: 1$' secure-log witness submit --url "$url" --policy witnessed
expect 0 "^  revoked    log.example.org/app.* from $rotation by entry" secure-log verify --policy witnessed
size=$((rotation + 6))
grep -q "^WHOLE" <<< "$said" || fail "not whole"
grep -q "^  witnessed  0 to $((size - 1))\$" <<< "$said" || fail "not witnessed to the end"

echo "== a proof, checked in a folder with neither log nor key"
{ echo "log $second"; sed -n '2,$p' witnessed; } > reader
expect 0 "tree of $size entries" secure-log prove "$line" --payload --policy reader
cp reader "$work/reader/policy"
cp app-"$line".* "$work/reader"
cd "$work/reader"
unset SECURE_LOG_NAME SECURE_LOG_STREAM SECURE_LOG_KEY SECURE_LOG_KEYSTORE_DIR SECURE_LOG_HEAD_FILE
expect 0 "^PROVEN: $line " secure-log check-proof "app-$line.tlog-proof" --payload "app-$line.payload" --policy policy
grep -qF -- "$(sed -n "${line}p" "$input")" <<< "$said" || fail "it is another line"
sed -i "s/^index $line\$/index $((line + 1))/" "app-$line.tlog-proof"
expect 1 "app-$line.tlog-proof" secure-log check-proof "app-$line.tlog-proof" --policy policy
echo "session: as docs/command-line.md says"
