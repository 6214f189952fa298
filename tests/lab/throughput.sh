#!/usr/bin/env bash
# How fast history comes over the real BlueZ, beside a bare loop over notifications in the same guest. By hand.
#   tests/lab/throughput.sh [--bluez 5.66|5.82] BINARY [ARGUMENT...]     the binary with nowbridge beside it or above it
# The binary prints two lines, "bare: N bytes/s" and "history: N bytes/s"; it is run at connection intervals of 30, 15 and 7.5 ms.
# The air behind the mirror is as fast as the radio before it: a watch knows how fast its own radio takes what it sends. With a faster
# one, the mirror would queue a whole window of credit, and the watch would end each pull before it could be granted more.
set -euo pipefail

# shellcheck source=paths.sh
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

readonly percent_wanted=90
bluez=5.66
[ "${1:-}" != --bluez ] || { bluez=$2 && shift 2; }
[ $# -gt 0 ] || fail 'which binary? tests/lab/throughput.sh BINARY [ARGUMENT...]'
binary=$(realpath "$1")
shift
directory=$(dirname "$binary")
[ -x "$directory/nowbridge" ] || directory=$(dirname "$directory")

printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
rate() { sed -n "s|.*\b$1: \([0-9]*\) bytes/s.*|\1|p" "$printed" | tail -n 1; }

slow=0
for interval_us in 30000 15000 7500; do
    interval_ms=$(awk "BEGIN { print $interval_us / 1000 }")
    # shellcheck disable=SC2016 # expanded in the guest
    "$lab_sources/run.sh" --bluez "$bluez" --timeout 600 --bind "$directory" --sim "$directory/nowbridge" \
        --sim-interval "$interval_us" -- \
        bash -c '/lab/fate pace interval_ms="$0" >/dev/null && exec "$@"' "$interval_ms" "$binary" "$@" | tee "$printed"
    bare=$(rate bare)
    history=$(rate history)
    if [ -z "$bare" ] || [ -z "$history" ]; then fail "the binary printed no rates at $interval_ms ms"; fi
    percent=$((100 * history / bare))
    say "$interval_ms ms: history $history bytes/s, bare $bare bytes/s, $percent %"
    [ "$percent" -ge "$percent_wanted" ] || slow=1
done
exit "$slow"
