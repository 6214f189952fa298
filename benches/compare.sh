#!/usr/bin/env bash
# The outbox beside other queues that can be had: benches/compare.sh [STORE-BENCH]
#
# rsyslog's disk queue (from Debian's packages, unpacked into a scratch folder and not installed; run as whoever calls, on
# loopback, with a configuration of its own), and from PyPI persist-queue and litequeue, item by item, in a virtual environment of their own. What cannot be had is
# skipped aloud. All in one run on one disk: only the ratios mean something. Not like for like: rsyslog also parses each line and
# moves it through TCP, and does not flush unless told to; the Python queues flush every item, as their defaults are.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

store=${1:-}
if [ -z "$store" ]; then
    store=$(cargo bench --locked --no-run --bench store --message-format=json-render-diagnostics |
        sed -n 's|.*"executable":"\([^"]*/store-[^"]*\)".*|\1|p' | tail -n 1)
fi
command -v python3 >/dev/null || {
    printf 'compare: python3 is missing; it plays the other ends\n' >&2
    exit 1
}

# On the disk that holds the build: /tmp may be memory, where a flush costs nothing.
scratch=$(mktemp -d "${CARGO_TARGET_DIR:-target}/compare-XXXXXX")
scratch=$(cd "$scratch" && pwd)
trap 'rm -rf "$scratch"' EXIT
skipped() { printf '%-46s SKIPPED: %s\n' "$1" "$2"; }

get_rsyslog() {
    command -v apt-get >/dev/null || return 1
    mkdir -p "$scratch/debs" "$scratch/rsyslog"
    printf 'compare: fetching rsyslog and its libraries with apt-get download; nothing is installed\n' >&2
    (cd "$scratch/debs" && apt-get download -qq rsyslog libestr0 libfastjson4 liblognorm5) >&2 || return 1
    local deb
    for deb in "$scratch"/debs/*.deb; do dpkg-deb -x "$deb" "$scratch/rsyslog" || return 1; done
}

get_python_queues() {
    printf 'compare: installing persist-queue and litequeue with pip into a scratch environment\n' >&2
    python3 -m venv "$scratch/venv" >&2 && "$scratch/venv/bin/pip" install -q persist-queue litequeue >&2
}

printf '%-46s %14s %14s %16s\n' '' 'in, samples/s' 'out, samples/s' 'disk, B/sample'
mkdir "$scratch/outbox"
"$store" through "$scratch/outbox" 300000 | tee "$scratch/ours" |
    sed 's/.*in_per_s=\([0-9]*\) out_per_s=\([0-9]*\) disk_bytes_per_sample=\(.*\)/\1 \2 \3/' |
    while read -r in out disk; do printf '%-46s %14s %14s %16s\n' 'outbox, 1000 a commit, flushed' "$in" "$out" "$disk"; done

if get_rsyslog; then
    python3 benches/compare/rsyslog.py "$scratch" 300000 off "$scratch/ours"
    python3 benches/compare/rsyslog.py "$scratch" 3000 on "$scratch/ours"
else
    skipped "rsyslog's disk queue" 'its packages cannot be fetched'
fi
if get_python_queues; then
    "$scratch/venv/bin/python" benches/compare/queues.py "$scratch" "$scratch/ours"
else
    skipped 'persist-queue and litequeue' 'they cannot be installed'
fi
