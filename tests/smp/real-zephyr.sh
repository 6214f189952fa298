#!/usr/bin/env bash
# Our SMP client against a real Zephyr: the native_sim board of smpclient's test fixtures, over UDP on this computer.
#   tests/smp/real-zephyr.sh [COMMAND…]     COMMAND runs the ignored tests; cargo nextest if none is given
# Downloads about 17 MB, once, into NOWBRIDGE_SMP_CACHE (~/.cache/nowbridge-smp). Ends with 77 where it cannot run.
# The board has the os group only; nothing here tries an image.
set -euo pipefail

version=7.3.0
port=1337
cache=${NOWBRIDGE_SMP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nowbridge-smp}
board=$cache/board-$version
libraries=$cache/lib32

skip() { echo "skipped: $*" >&2; exit 77; }

[ "$(uname -sm)" = 'Linux x86_64' ] || skip 'the board is a Linux program for x86'
command -v python3 >/dev/null || skip 'python3 is needed for the download'
mkdir -p "$cache"

if [ ! -x "$board" ]; then
    rm -rf "$cache/sdist"
    python3 -m pip download -q --no-deps --no-binary smpclient -d "$cache/sdist" "smpclient==$version" ||
        skip "smpclient $version cannot be downloaded with pip"
    tar -xzOf "$cache/sdist/smpclient-$version.tar.gz" --wildcards '*/smp-server/*_native_sim_udp.exe' >"$board.new" ||
        skip "smpclient $version has no UDP board any more"
    chmod +x "$board.new"
    mv "$board.new" "$board"
    rm -rf "$cache/sdist"
fi

# The board is a 32-bit program. Its libraries need not be installed: they are unpacked and named to it.
start=("$board")
if [ ! -e /lib/ld-linux.so.2 ]; then
    if [ ! -e "$libraries/ld-linux.so.2" ]; then
        command -v dpkg-deb >/dev/null || skip 'a 32-bit libc is needed'
        mkdir -p "$cache/debs"
        (cd "$cache/debs" && apt-get download -qq libc6-i386 lib32gcc-s1) ||
            skip 'libc6-i386 and lib32gcc-s1 are needed, and apt-get cannot download them'
        for package in "$cache"/debs/*.deb; do dpkg-deb -x "$package" "$cache/debs/root"; done
        mkdir -p "$libraries"
        find "$cache/debs/root" -path '*lib32/*' -name '*.so*' -exec cp -L {} "$libraries" \;
        rm -rf "$cache/debs"
    fi
    start=("$libraries/ld-linux.so.2" --library-path "$libraries" "$board")
fi

# It keeps a flash.bin where it runs.
scratch=$(mktemp -d)
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT
(cd "$scratch" && exec "${start[@]}" -rt) >"$scratch/log" 2>&1 &
pid=$!
for _ in $(seq 100); do
    grep -q 'smp_udp: Started' "$scratch/log" && break
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
done
grep -q 'smp_udp: Started' "$scratch/log" || {
    cat "$scratch/log" >&2
    skip "the board does not start, or port $port is taken"
}

[ $# -gt 0 ] || set -- cargo nextest run --all-features --run-ignored only -E 'test(zephyr_itself_answers)'
NOWBRIDGE_SMP_BOARD=127.0.0.1:$port "$@"
