#!/usr/bin/env bash
# Why: the token in the graph is SoftHSM over OpenSSL, C and C++ that cargo cannot fetch and compile by itself. Makes
# the static libraries for wasm32 once per machine, from sources that the registries hold, by version and checksum:
# OpenSSL from the crate openssl-src, SoftHSM from Debian's source package, changed as the patches in
# components/token-softhsm/softhsm say. Prints the folder of the libraries on stdout, everything else on stderr:
#
#     export SECURE_LOG_SOFTHSM=$(./scripts/softhsm.sh)
#
# SECURE_LOG_SKIP_SOFTHSM=1 leaves it out, prints nothing on stdout, and says what will be missing.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."
. scripts/env.sh

OPENSSL_SRC=300.6.1
OPENSSL_SRC_FILE=openssl-src-300.6.1+3.6.3
OPENSSL_SRC_SHA256=46eb8fb9fb3b61ce1c0f8a026c4c1a0714d3a9e138e7fbde78753ce2babc3846
SOFTHSM=2.6.1
SOFTHSM_SHA256=ac9ac1e3f4402f88bf3e626a18f070f8031c031947ed469c6e17482495ec72b6
JOBS=2
# What compilers, Configure and sort would take from the caller.
unset CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH CPPFLAGS LDFLAGS CROSS_COMPILE
export LC_ALL=C

say() { printf 'softhsm: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

ours=$PWD/components/token-softhsm/softhsm
home="${XDG_CACHE_HOME:-$HOME/.cache}/secure-log/softhsm"

if [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ]; then
    say "left out, because SECURE_LOG_SKIP_SOFTHSM=1: no component token-softhsm, and no artifact that has it inside:"
    for graph in $(grep -l 'new secure-log:token-softhsm' compose/*.wac); do say "    dist/$(basename "$graph" .wac).wasm"; done
    exit 0
fi

# The compilers that the sources are known to compile with, the first choice first.
COMPILERS=(22 19)
cxx_headers() { printf '/usr/lib/llvm-%s/include/wasm32-wasi/c++/v1' "$1"; }
cxx_library() { printf '/usr/lib/llvm-%s/lib/wasm32-wasi/%s.a' "$1" "$2"; }
# lacking COMPILER: sets missing, the Debian packages of it that are not there.
lacking() {
    missing=()
    command -v "clang-$1" >/dev/null && command -v "clang++-$1" >/dev/null || missing+=("clang-$1")
    command -v "llvm-ar-$1" >/dev/null && command -v "llvm-ranlib-$1" >/dev/null || missing+=("llvm-$1")
    [ -e "$(cxx_headers "$1")/vector" ] && [ -e "$(cxx_library "$1" libc++)" ] || missing+=("libc++-$1-dev-wasm32")
    [ -e "$(cxx_library "$1" libc++abi)" ] || missing+=("libc++abi-$1-dev-wasm32")
    [ -e /usr/include/wasm32-wasi/stdlib.h ] || missing+=(wasi-libc)
    local tool
    for tool in make perl patch; do command -v "$tool" >/dev/null || missing+=("$tool"); done
}
# choose: sets llvm, the first compiler of which nothing is missing.
choose() {
    for llvm in "${COMPILERS[@]}"; do
        lacking "$llvm"
        [ ${#missing[@]} -gt 0 ] || return 0
    done
    return 1
}
# What the compiler takes from outside, by its content; its own headers are of its version.
system_files() {
    find -H /usr/include/wasm32-wasi "$(cxx_headers "$llvm")" -type f -print0 | sort -z | xargs -0 sha256sum
    sha256sum "$(cxx_library "$llvm" libc++)" "$(cxx_library "$llvm" libc++abi)"
    "clang-$llvm" --version
}
# name: sets key and built. Whatever decides about the libraries is in the name of their folder.
name() {
    system=$(system_files | sha256sum)
    key=$({ printf '%s\n' "$system"; cat scripts/softhsm.sh "$ours"/*.{h,cpp,conf,patch}; } | sha256sum | cut -c1-16)
    built=$home/$key
}
# done_before: prints the folder and ends, if another run made it.
done_before() {
    if [ -e "$built/libsofthsm2.a" ]; then
        echo "$built"
        exit 0
    fi
}
if choose; then
    name
    done_before
fi

# One run at a time, from the packages on; a second one finds what the first one made.
mkdir -p "$home/sources"
exec 9>"$home/lock"
if ! flock -n 9; then
    say "waiting for another run, which holds $home/lock"
    flock 9
fi

if ! choose; then
    lacking "${COMPILERS[0]}"
    by_hand() {
        printf 'run this as root, then start again: apt-get update && apt-get install -y --no-install-recommends %s; %s' \
            "${missing[*]}" "or go on without SoftHSM for wasm: SECURE_LOG_SKIP_SOFTHSM=1"
    }
    command -v apt-get >/dev/null || fail "there is no apt-get to install what is missing. On Debian, $(by_hand)"
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "$(by_hand)"
        root=(sudo)
    fi
    say "apt-get update"
    "${root[@]}" apt-get update -q -o DPkg::Lock::Timeout=300 >&2 || fail "apt-get update failed; $(by_hand)"
    # The first that the registry has; if it has none, the first.
    for llvm in "${COMPILERS[@]}" "${COMPILERS[0]}"; do
        lacking "$llvm"
        if apt-get install -s --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then break; fi
    done
    say "apt-get install ${missing[*]}"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 \
        "${missing[@]}" >&2 || fail "apt-get install failed; $(by_hand)"
    lacking "$llvm"
    [ ${#missing[@]} -eq 0 ] || fail "apt-get installed its packages, and this is missing still: ${missing[*]}; $(by_hand)"
fi
name
done_before

# Of runs that were killed.
rm -rf "$home"/*.part
part=$home/$key.part
mkdir "$part"
trap 'rm -rf "$part"' EXIT
begin=$SECONDS
checked() { printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null; }

crate=$home/sources/$OPENSSL_SRC_FILE.crate
if ! checked "$crate" "$OPENSSL_SRC_SHA256"; then
    say "fetching openssl-src $OPENSSL_SRC"
    mkdir -p "$part/fetch/src"
    : >"$part/fetch/src/lib.rs"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\nopenssl-src = "=%s"\n[workspace]\n' \
        "$OPENSSL_SRC" >"$part/fetch/Cargo.toml"
    cargo fetch --quiet --manifest-path "$part/fetch/Cargo.toml" >&2
    for found in "${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"$OPENSSL_SRC_FILE.crate"; do
        cp "$found" "$crate.part" && mv "$crate.part" "$crate"
    done
    checked "$crate" "$OPENSSL_SRC_SHA256" || fail "openssl-src $OPENSSL_SRC does not have the SHA-256 $OPENSSL_SRC_SHA256"
fi

tarball=$home/sources/softhsm2_$SOFTHSM.orig.tar.gz
if ! checked "$tarball" "$SOFTHSM_SHA256"; then
    say "fetching the Debian source package softhsm2 $SOFTHSM, with package lists of its own"
    command -v apt-get >/dev/null || fail "there is no apt-get to fetch the source package softhsm2 with: put its softhsm2_$SOFTHSM.orig.tar.gz into $home/sources"
    lists=$part/apt
    mkdir -p "$lists"/{lists,cache}/partial "$lists/cache/archives/partial" "$lists/sources"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        if [ -f "$file" ]; then sed -n 's/^deb /deb-src /p' "$file" >"$lists/sources/$(basename "$file" .list).list"; fi
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        if [ -f "$file" ]; then sed '/^#/d; s/^Types:.*/Types: deb-src/' "$file" >"$lists/sources/$(basename "$file")"; fi
    done
    # The sandbox user of apt may not look into this folder.
    apt=(apt-get -q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$lists/sources" -o "Dir::State::lists=$lists/lists"
        -o "Dir::Cache=$lists/cache" -o APT::Sandbox::User=)
    # A third party's list without sources is no reason to stop.
    "${apt[@]}" update >"$part/apt.log" 2>&1 || true
    (cd "$lists" && "${apt[@]}" source --download-only --tar-only softhsm2 >>"$part/apt.log" 2>&1) || { cat "$part/apt.log" >&2; fail "apt-get found no source package softhsm2"; }
    cp "$lists/softhsm2_$SOFTHSM.orig.tar.gz" "$tarball.part" && mv "$tarball.part" "$tarball" || fail "Debian's source package is no longer SoftHSM $SOFTHSM"
    checked "$tarball" "$SOFTHSM_SHA256" || fail "softhsm2 $SOFTHSM does not have the SHA-256 $SOFTHSM_SHA256"
fi

# quiet LOG COMMAND..: shows the end of the log only if the command fails.
quiet() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "failed: $*"; }
}
# counted LOG WORDS ALL COMMAND..: quiet, and says every 15 seconds how many of its lines have these words, of how many.
counted() {
    local log=$1 words=$2 all=$3 line count=0 said=$SECONDS
    shift 3
    "$@" 2>&1 | while IFS= read -r line; do
        printf '%s\n' "$line"
        [[ $line != *"$words"* ]] || count=$((count + 1))
        if [ $((SECONDS - said)) -ge 15 ]; then
            said=$SECONDS
            say "    $count of $all files after $((SECONDS - begin)) s"
        fi
    done >"$log" || { tail -n 40 "$log" >&2; fail "failed: $1 .."; }
}
# Debian's headers only: Rust's own libc is linked. One folder's name in the libraries, wherever they are built.
flags=(--target=wasm32-wasip2 -nostdlibinc -isystem /usr/include/wasm32-wasi "-ffile-prefix-map=$part=.")

# libcrypto by itself: a change of our patches does not touch it.
crypto=$home/openssl-$({ printf '%s\n' "$OPENSSL_SRC_SHA256" "$system"; cat "$ours/openssl-wasm.conf"; sed -n '/^# quiet/,/^say "libcrypto/p' scripts/softhsm.sh; } | sha256sum | cut -c1-16)
if [ ! -e "$crypto/libcrypto.a" ]; then
    say "compiling libcrypto (2 to 4 minutes)"
    tar -xzf "$crate" -C "$part"
    mv "$part/$OPENSSL_SRC_FILE/openssl" "$part/openssl"
    (
        cd "$part/openssl"
        export CC="clang-$llvm" AR="llvm-ar-$llvm" RANLIB="llvm-ranlib-$llvm" SOURCE_DATE_EPOCH=0
        export CFLAGS="${flags[*]} -O2 -DNO_SYSLOG -DNO_CHMOD -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_GETPID"
        # Off: files, sockets, threads, protocols. DES, MD5, DH, DSA and CMAC stay: SoftHSM refers to them.
        quiet ../configure.log perl Configure wasm32-wasi --config="$ours/openssl-wasm.conf" --prefix=/openssl --openssldir=/openssl \
            --with-rand-seed=getrandom enable-ec_nistp_64_gcc_128 \
            no-asm no-threads no-shared no-dso no-module no-engine no-sock no-ui-console no-async no-tests no-apps no-docs no-afalgeng \
            no-secure-memory no-autoload-config no-ssl no-tls no-dtls no-quic no-cms no-ts no-ocsp no-cmp no-ct no-srp no-comp \
            no-legacy no-http
        counted ../openssl.log ' -c ' 900 make -j"$JOBS" build_generated libcrypto.a
    )
    mkdir "$part/crypto"
    mv "$part/openssl/libcrypto.a" "$part/openssl/include" "$part/crypto/"
    mv "$part/crypto" "$crypto"
fi
say "libcrypto after $((SECONDS - begin)) s; compiling SoftHSM (1 to 3 minutes)"

tar -xzf "$tarball" -C "$part"
mv "$part/softhsm2-$SOFTHSM" "$part/softhsm"
for change in "$ours"/*.patch; do quiet "$part/patch.log" patch -d "$part/softhsm" -p1 --fuzz=0 --no-backup-if-mismatch -i "$change"; done
cp "$ours/ours.cpp" "$part/softhsm/src/lib/"
mkdir "$part/objects"
(
    cd "$part/softhsm/src/lib"
    # -fno-builtin-memset: or clang drops the wiping of memory that is freed right after.
    # The C++ headers come first, they stand before those of C.
    flags=(-nostdinc++ -isystem "$(cxx_headers "$llvm")" "${flags[@]}" -O1 -std=c++17 -fignore-exceptions -fno-builtin-memset
        -fvisibility=hidden -w -D_WASI_EMULATED_GETPID "-I$ours" "-I$crypto/include"
        -I. -Icommon -Icrypto -Idata_mgr -Ihandle_mgr -Iobject_store -Ipkcs11 -Isession_mgr -Islot_mgr)
    # Not: tests, Windows, the Botan backend, the SQLite store, and what ours.cpp stands in for.
    find . -name '*.cpp' | grep -vE '/(test|win32)/|/Botan|/DB|/osmutex|/SimpleConfigLoader' | sort >"$part/files"
    # $0: the source, $1: the folder of objects.
    counted "$part/softhsm.log" 'compiling ' "$(wc -l <"$part/files")" xargs -a "$part/files" -P "$JOBS" -I{} sh -c \
        'echo "compiling $0"; out=$1/$(basename "$0" .cpp).o; shift; "$@" -c "$0" -o "$out" || exit 255' \
        {} "$part/objects" "clang++-$llvm" "${flags[@]}"
)
mkdir "$part/done"
"llvm-ar-$llvm" rcsD "$part/done/libsofthsm2.a" "$part"/objects/*.o
# By themselves: beside them lies Debian's libc, which must not be found.
cp "$crypto/libcrypto.a" "$(cxx_library "$llvm" libc++)" "$(cxx_library "$llvm" libc++abi)" "$part/done/"
mv "$part/done" "$built"
say "$((SECONDS - begin)) s, into $built"
echo "$built"
