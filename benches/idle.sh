#!/usr/bin/env bash
# What a daemon costs that has nothing to do: benches/idle.sh [PROGRAM]
#
# Builds nowbridge unless a program is named, starts a private cloud and a simulated watch with a day in its flash, lets a
# daemon collect and upload all of it, and then measures in the daemon's own process: how soon after its start the control
# socket answers, how much memory it holds, how often its threads wake up, and how often it flushes the disk. Needs python3;
# strace if it is there. Ends only the processes that it has started.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v python3 >/dev/null; then
    printf 'idle: python3 is missing; it plays the client of the control socket\n' >&2
    exit 1
fi

program=${1:-}
if [ -z "$program" ]; then
    cargo build --release --locked
    program=${CARGO_TARGET_DIR:-target}/release/nowbridge
fi
home=$(mktemp -d "${CARGO_TARGET_DIR:-target}/idle-XXXXXX")
home=$(cd "$home" && pwd)
# A socket's path holds 107 bytes; a deep build folder takes more.
sockets=$(mktemp -d)
children=()
# As systemd/nowbridge.service has it.
export MALLOC_ARENA_MAX=1

finish() {
    local child
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
    done
    wait
    rm -rf "$home" "$sockets"
}
trap finish EXIT

umask 077
printf 'Aa1!%s\n' "$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')" >"$home/password"
"$program" cloud --listen 127.0.0.1:0 --data "$home/cloud" --add-user idle@example.org \
    --password-file "$home/password" --consent >"$home/cloud.log" 2>&1 &
children+=($!)
"$program" sim-watch --air "$sockets/air.sock" --generate --hours 24 >"$home/watch.log" 2>&1 &
children+=($!)

base_url=
for _ in $(seq 200); do
    base_url=$(sed -n 's/.* at \(http:[^ ]*\)\.$/\1/p' "$home/cloud.log")
    [ -n "$base_url" ] && [ -S "$sockets/air.sock" ] && break
    sleep 0.1
done
if [ -z "$base_url" ]; then
    printf 'idle: the private cloud does not start:\n' >&2
    cat "$home/cloud.log" >&2
    exit 1
fi

cat >"$home/config.toml" <<END
[cloud]
base_url = "$base_url"
email = "idle@example.org"
password_file = "$home/password"

[state]
dir = "$home/state"

[control]
socket = "$sockets/control.sock"

[radio]
kind = "simulated"
air = "$sockets/air.sock"

[[watch]]
address = "C0:FF:EE:00:00:01"

[log]
filter = "warn"
END

python3 benches/common/idle.py "$program" "$home/config.toml" "$sockets/control.sock"
