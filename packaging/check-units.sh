#!/usr/bin/env bash
# Checks the systemd units: that systemd understands every line, and that the service is as locked up as we say.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Ten times the exposure score: systemd-analyze fails above it.
readonly threshold=11

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A program that exists stands in for nowbridge, which is not installed here.
stand_in=$(command -v true)
for unit in systemd/*.service; do
    sed "s|^ExecStart=/usr/bin/nowbridge.*|ExecStart=$stand_in|" "$unit" >"$scratch/$(basename "$unit")"
done

for unit in "$scratch"/*.service; do
    name=$(basename "$unit")
    # Lines that systemd ignores are told on stderr alone, beside the troubles of units that are not ours.
    complaints=$(systemd-analyze verify --man=no --recursive-errors=no "$unit" 2>&1 | grep -F "$name" || true)
    if [ -n "$complaints" ]; then
        printf '%s\n' "$complaints" >&2
        exit 1
    fi
    printf 'units: %s is understood\n' "$name"
done

if ! report=$(systemd-analyze security --offline=true --threshold="$threshold" "$scratch/nowbridge.service"); then
    printf '%s\n' "$report" >&2
    exit 1
fi
printf 'units: %s\n' "$(tail -n 1 <<<"$report")"
