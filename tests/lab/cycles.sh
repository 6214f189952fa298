#!/usr/bin/env bash
# Whether something that connects, syncs and disconnects again and again keeps anything. By hand; a cycle takes about 3 s.
#   tests/lab/cycles.sh [--bluez 5.66|5.82] BINARY [ARGUMENT...]     the binary with nowbridge beside it or above it
set -euo pipefail

# shellcheck source=paths.sh
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

bluez=5.66
[ "${1:-}" != --bluez ] || { bluez=$2 && shift 2; }
[ $# -gt 0 ] || fail 'which binary? tests/lab/cycles.sh BINARY [ARGUMENT...]'
binary=$(realpath "$1")
shift
directory=$(dirname "$binary")
[ -x "$directory/nowbridge" ] || directory=$(dirname "$directory")
exec "$lab_sources/run.sh" --bluez "$bluez" --timeout 7200 --bind "$directory" --sim "$directory/nowbridge" -- \
    python3 /lab/growth.py "$binary" "$@"
