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
cd "$(dirname "$0")/.."
. scripts/env.sh

OPENSSL_SRC=300.6.1
OPENSSL_SRC_FILE=openssl-src-300.6.1+3.6.3
OPENSSL_SRC_SHA256=46eb8fb9fb3b61ce1c0f8a026c4c1a0714d3a9e138e7fbde78753ce2babc3846
SOFTHSM=2.6.1
SOFTHSM_SHA256=ac9ac1e3f4402f88bf3e626a18f070f8031c031947ed469c6e17482495ec72b6
JOBS=2

say() { printf 'softhsm: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

ours=$PWD/components/token-softhsm/softhsm
home="${XDG_CACHE_HOME:-$HOME/.cache}/secure-log/softhsm"

if [ "${SECURE_LOG_SKIP_SOFTHSM:-}" = 1 ]; then
    say "left out, because SECURE_LOG_SKIP_SOFTHSM=1: no component token-softhsm, and no artifact that has it inside:"
    for graph in $(grep -l 'new secure-log:token-softhsm' compose/*.wac); do say "    dist/$(basename "$graph" .wac).wasm"; done
    exit 0
fi

# The compilers, and what is missing of them.
llvm=22
command -v clang-22 >/dev/null || { command -v clang-19 >/dev/null && llvm=19; }
cxx_headers() { printf '/usr/lib/llvm-%s/include/wasm32-wasi/c++/v1' "$llvm"; }
packages() {
    local missing=()
    command -v "clang-$llvm" >/dev/null || missing+=("clang-$llvm")
    command -v "llvm-ar-$llvm" >/dev/null || missing+=("llvm-$llvm")
    [ -e "$(cxx_headers)/vector" ] || missing+=("libc++-$llvm-dev-wasm32")
    [ -e "/usr/lib/llvm-$llvm/lib/wasm32-wasi/libc++abi.a" ] || missing+=("libc++abi-$llvm-dev-wasm32")
    [ -e /usr/include/wasm32-wasi/stdlib.h ] || missing+=(wasi-libc)
    command -v make >/dev/null || missing+=(make)
    command -v perl >/dev/null || missing+=(perl)
    command -v patch >/dev/null || missing+=(patch)
    printf '%s\n' "${missing[@]}"
}
mapfile -t missing < <(packages | grep . || true)
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || fail "these Debian packages, or what is like them elsewhere, are missing: ${missing[*]}"
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "run this as root, then start again: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
        root=(sudo)
    fi
    "${root[@]}" apt-get update -q >&2
    if [ "$llvm" = 22 ] && ! apt-cache show libc++-22-dev-wasm32 >/dev/null 2>&1; then
        llvm=19
        mapfile -t missing < <(packages | grep . || true)
    fi
    say "apt-get install ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y --no-install-recommends "${missing[@]}" >&2
fi

# Whatever decides about the libraries is in the name of their folder.
key=$({ cat scripts/softhsm.sh; cat "$ours"/*.{h,cpp,conf,patch}; "clang-$llvm" --version; } | sha256sum | cut -c1-16)
built=$home/$key
if [ -e "$built/libsofthsm2.a" ]; then
    echo "$built"
    exit 0
fi

mkdir -p "$home/sources"
# One build at a time; a second one finds the first one's.
exec 9>"$home/lock"
flock 9
if [ -e "$built/libsofthsm2.a" ]; then
    echo "$built"
    exit 0
fi
part=$home/$key.part
rm -rf "$part"
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
# Debian's headers only: Rust's own libc is linked. One folder's name in the libraries, wherever they are built.
system=(--target=wasm32-wasip2 -nostdlibinc -isystem /usr/include/wasm32-wasi "-ffile-prefix-map=$part=.")

# libcrypto by itself: a change of our patches does not touch it.
crypto=$home/openssl-$({ printf '%s\n' "$OPENSSL_SRC_SHA256"; cat "$ours/openssl-wasm.conf"; sed -n '/^# quiet/,/^say "libcrypto/p' scripts/softhsm.sh; "clang-$llvm" --version; } | sha256sum | cut -c1-16)
if [ ! -e "$crypto/libcrypto.a" ]; then
    say "compiling libcrypto (2 to 4 minutes)"
    tar -xzf "$crate" -C "$part"
    mv "$part/$OPENSSL_SRC_FILE/openssl" "$part/openssl"
    (
        cd "$part/openssl"
        export CC="clang-$llvm" AR="llvm-ar-$llvm" RANLIB="llvm-ranlib-$llvm" SOURCE_DATE_EPOCH=0
        export CFLAGS="${system[*]} -O2 -DNO_SYSLOG -DNO_CHMOD -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_GETPID"
        # Off: files, sockets, threads, protocols. DES, MD5, DH, DSA and CMAC stay: SoftHSM refers to them.
        quiet ../configure.log perl Configure wasm32-wasi --config="$ours/openssl-wasm.conf" --prefix=/openssl --openssldir=/openssl \
            --with-rand-seed=getrandom enable-ec_nistp_64_gcc_128 \
            no-asm no-threads no-shared no-dso no-module no-engine no-sock no-ui-console no-async no-tests no-apps no-docs no-afalgeng \
            no-secure-memory no-autoload-config no-ssl no-tls no-dtls no-quic no-cms no-ts no-ocsp no-cmp no-ct no-srp no-comp \
            no-legacy no-http
        quiet ../openssl.log nice -n 10 make -j"$JOBS" build_generated libcrypto.a
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
    flags=(-nostdinc++ -isystem "$(cxx_headers)" "${system[@]}" -O1 -std=c++17 -fignore-exceptions -fno-builtin-memset
        -fvisibility=hidden -w -D_WASI_EMULATED_GETPID "-I$ours" "-I$crypto/include"
        -I. -Icommon -Icrypto -Idata_mgr -Ihandle_mgr -Iobject_store -Ipkcs11 -Isession_mgr -Islot_mgr)
    # Not: tests, Windows, the Botan backend, the SQLite store, and what ours.cpp stands in for.
    find . -name '*.cpp' | grep -vE '/(test|win32)/|/Botan|/DB|/osmutex|/SimpleConfigLoader' | sort >"$part/files"
    xargs -a "$part/files" -P "$JOBS" -I{} sh -c 'out=$1/$(basename "$2" .cpp).o; first=$3; shift 3; nice -n 10 "$first" "$@" -c "$0" -o "$out" || exit 255' \
        {} "$part/objects" {} "clang++-$llvm" "${flags[@]}" >"$part/softhsm.log" 2>&1 || { tail -n 40 "$part/softhsm.log" >&2; fail "SoftHSM does not compile"; }
)
mkdir "$part/done"
"llvm-ar-$llvm" rcsD "$part/done/libsofthsm2.a" "$part"/objects/*.o
# By themselves: beside them lies Debian's libc, which must not be found.
cp "$crypto/libcrypto.a" /usr/lib/llvm-"$llvm"/lib/wasm32-wasi/libc++{,abi}.a "$part/done/"
mv "$part/done" "$built"
say "$((SECONDS - begin)) s, into $built"
echo "$built"
