#!/bin/sh
# Why: the 100-year check. Recomputes the root of a published tree (c2sp.org/tlog-tiles) from its entry bundles
# with sha256sum, od, base64, dd and the shell, and compares it with the checkpoint. It reads neither tiles nor
# signatures: those are for tools that know Merkle trees and keys. wit/FORMAT.md section 6 is all it knows.
#
#   recompute-root.sh DIR      exit status 0: the bundles have the root of the checkpoint; 1: they do not; 2: usage
set -eu
LC_ALL=C
export LC_ALL

fail() { echo "recompute-root: $1" >&2; exit "${2:-1}"; }
[ $# -eq 1 ] && [ -f "$1/checkpoint" ] || fail "give the folder that holds the file checkpoint" 2
dir=$1

{ read -r origin && read -r size && read -r expected; } <"$dir/checkpoint" || fail "checkpoint: not three lines"
case $size in '' | *[!0-9]* | 0?* | ???????????????????*) fail "checkpoint: the size is not a decimal number" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Hexadecimal digits to bytes: printf knows octal escapes in every shell.
bytes() {
    digits=$1 octal=
    while [ -n "$digits" ]; do
        rest=${digits#??}
        pair=${digits%"$rest"}
        digits=$rest
        value=$((0x$pair))
        octal="$octal\\$((value / 64))$((value / 8 % 8))$((value % 8))"
    done
    printf "$octal"
}

hash_of() { set -- $(sha256sum); hash=$1; }

# stack: the hashes of complete subtrees, largest first, each followed by a space.
stack= count=0

# Appends the leaf $hash: joins two subtrees of one size while there are two.
push() {
    joined=$count
    while [ $((joined % 2)) -eq 1 ]; do
        stack=${stack% }
        left=${stack##* }
        stack=${stack%"$left"}
        join "$left" "$hash"
        joined=$((joined / 2))
    done
    stack="$stack$hash "
    count=$((count + 1))
}

# node = SHA-256(0x01 || left || right)
join() {
    bytes "01$1$2" >"$work/node"
    hash_of <"$work/node"
}

# Name of bundle $1: groups of three digits, all but the last after an x.
bundle_name() {
    number=$1 name=$(printf %03d $(($1 % 1000)))
    while [ "$number" -ge 1000 ]; do
        number=$((number / 1000))
        name=$(printf x%03d $((number % 1000)))/$name
    done
}

bundle=0
while [ "$count" -lt "$size" ]; do
    width=$((size - count))
    [ "$width" -le 256 ] || width=256
    bundle_name "$bundle"
    file=$dir/tile/entries/$name
    # A partial bundle may have been replaced by the full one, whose first entries are the same.
    [ "$width" -eq 256 ] || [ -f "$file" ] || file=$file.p/$width
    [ -f "$file" ] || fail "$file is missing"

    total=$(($(wc -c <"$file"))) at=0 taken=0
    exec 3<"$file"
    while [ "$taken" -lt "$width" ]; do
        # Each dd reads one block from where the one before stopped: the length, u16 big-endian, then the entry.
        set -- $(dd bs=2 count=1 <&3 2>/dev/null | od -An -v -tu1)
        [ $# -eq 2 ] || fail "$file ends before its entry $taken"
        length=$(($1 * 256 + $2))
        at=$((at + 2 + length)) taken=$((taken + 1))
        [ "$at" -le "$total" ] || fail "$file ends in its last entry"
        # leaf = SHA-256(0x00 || entry)
        { printf '\0'; [ "$length" -eq 0 ] || dd bs="$length" count=1 <&3 2>/dev/null; } >"$work/leaf"
        hash_of <"$work/leaf"
        push
    done
    exec 3<&-
    case $file in
        *.p/*) [ "$at" -eq "$total" ] || fail "$file is longer than its $width entries" ;;
        *) [ "$at" -eq "$total" ] || [ "$width" -lt 256 ] || fail "$file is longer than its 256 entries" ;;
    esac
    bundle=$((bundle + 1))
done

# The root: the subtrees joined from the right; SHA-256("") of the empty tree.
if [ -z "$stack" ]; then
    hash_of </dev/null
else
    set -- $stack
    reversed=
    for left do reversed="$left $reversed"; done
    set -- $reversed
    hash=$1
    shift
    for left do join "$left" "$hash"; done
fi
root=$(bytes "$hash" | base64)

if [ "$root" = "$expected" ]; then
    echo "$origin: $size entries have the root $root of the checkpoint"
else
    fail "$origin: $size entries have the root $root, the checkpoint says $expected"
fi
