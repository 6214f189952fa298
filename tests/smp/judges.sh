#!/usr/bin/env bash
# Independent judges of the simulated watch: two SMP clients that others have made, smpclient and mcumgr-toolkit (both from the
# Python registry), each bring an update to it over UDP. Says what they did; exits 77 where they cannot be had.
#
#   tests/smp/judges.sh [path of the nowbridge binary]
#
# The binary is built if none is given. The clients stay in a cache folder (NOWBRIDGE_JUDGES, or ~/.cache/nowbridge-judges).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${NOWBRIDGE_JUDGES:-${XDG_CACHE_HOME:-$HOME/.cache}/nowbridge-judges}
clients=(smpclient==7.3.0 mcumgr-toolkit==0.20.0)

skip() {
    echo "skipped: $1"
    exit 77
}

command -v python3 >/dev/null || skip 'python3 is missing'
python=$cache/venv/bin/python
if ! [ -x "$python" ] || ! [ "$(cat "$cache/stamp" 2>/dev/null)" = "${clients[*]}" ]; then
    mkdir -p "$cache"
    python3 -m venv "$cache/venv" >/dev/null 2>&1 || skip 'python3 cannot make a venv (Debian: python3-venv)'
    "$python" -m pip install --quiet "${clients[@]}" >"$cache/pip.log" 2>&1 ||
        skip "pip cannot install ${clients[*]}: $cache/pip.log"
    echo "${clients[*]}" >"$cache/stamp"
fi

nowbridge=${1:-}
if [ -z "$nowbridge" ]; then
    (cd "$here/../.." && cargo build --quiet --all-features)
    nowbridge=${CARGO_TARGET_DIR:-$here/../../target}/debug/nowbridge
fi
[ -x "$nowbridge" ] || { echo "there is no binary at $nowbridge" >&2; exit 1; }

scratch=$(mktemp -d)
watch=
finish() {
    [ -z "$watch" ] || kill "$watch" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

verdict=0
for judge in smpclient mcumgr-toolkit; do
    "$nowbridge" sim-watch --air "$scratch/air.sock" --hours 0 --firmware 1.0.0 --smp-udp 0 >"$scratch/watch.log" 2>&1 &
    watch=$!
    port=
    for _ in $(seq 100); do
        port=$(sed -n 's|^SMP is answered at udp://127.0.0.1:\([0-9]*\).*|\1|p' "$scratch/watch.log")
        [ -z "$port" ] || break
        kill -0 "$watch" 2>/dev/null || break
        sleep 0.2
    done
    [ -n "$port" ] || { echo "the watch does not start:" >&2; cat "$scratch/watch.log" >&2; exit 1; }
    timeout 300 "$python" "$here/judge.py" "$judge" "$port" || verdict=1
    kill "$watch"
    wait "$watch" 2>/dev/null || true
    watch=
done
exit "$verdict"
