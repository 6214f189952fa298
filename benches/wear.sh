#!/usr/bin/env bash
# What a sample costs an SD card: benches/wear.sh [STORE-BENCH]
#
# The bytes that reach the block device of an ext4 on a loop device, its journal and the last flush included, at 6 samples a second
# (three watches, a heart rate and a beat a second each) with a commit every 10 seconds and every minute; and the same samples
# appended to a file with an fdatasync each time. Needs root, loop devices and mkfs.ext4; ends with 77 without. Builds
# benches/store.rs unless it is named.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
    printf 'wear: SKIPPED: %s\n' "$*" >&2
    exit 77
}

[ "$(id -u)" -eq 0 ] || skip 'mounting an image takes root'
command -v mkfs.ext4 >/dev/null || skip 'mkfs.ext4 is missing (e2fsprogs)'

store=${1:-}
if [ -z "$store" ]; then
    store=$(cargo bench --locked --no-run --bench store --message-format=json-render-diagnostics |
        sed -n 's|.*"executable":"\([^"]*/store-[^"]*\)".*|\1|p' | tail -n 1)
fi

scratch=$(mktemp -d)
finish() {
    mountpoint -q "$scratch/disk" && umount "$scratch/disk"
    rm -rf "$scratch"
}
trap finish EXIT
mkdir "$scratch/disk"

# A new file system each time, so that none pays for another's leftovers.
mount_image() {
    rm -f "$scratch/image"
    truncate -s 256M "$scratch/image"
    # Nothing is left to be initialised later, which would count as ours.
    mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$scratch/image"
    mount -o loop "$scratch/image" "$scratch/disk" 2>/dev/null || skip 'no loop device can be mounted here'
    device=$(basename "$(findmnt -n -o SOURCE "$scratch/disk")")
}

# Bytes written so far; the seventh number counts sectors of 512.
written() {
    sync -f "$scratch/disk"
    awk '{ print $7 * 512 }' "/sys/block/$device/stat"
}

append() { # DIR SAMPLES COMMITS
    python3 - "$@" <<'END'
import os, sys
folder, samples, commits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# What a sample takes in a block of 10 seconds of one stream, header and checksum included.
record = bytes(int(samples * 2.5))
file = os.open(folder + "/log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
for _ in range(commits):
    os.write(file, record)
    os.fdatasync(file)
print(f"samples={samples * commits}")
END
}

# Bytes that a command has written to a new disk.
spent() { # SAMPLES COMMITS COMMAND...
    local samples=$1 commits=$2 before
    shift 2
    mount_image
    before=$(written)
    told=$("$@" "$scratch/disk" "$samples" "$commits")
    bytes=$(($(written) - before))
    umount "$scratch/disk"
}

# What it costs to begin (a log of full length, ballast) is paid once and told apart.
measure() { # NAME SAMPLES COMMITS COMMAND...
    local name=$1 begin count
    shift
    spent "$1" 0 "${@:3}"
    begin=$bytes
    spent "$@"
    count=$(sed -n 's/.*samples=\([0-9]*\).*/\1/p' <<<"$told")
    awk -v name="$name" -v bytes=$((bytes - begin)) -v begin="$begin" -v count="$count" -v told="$told" \
        'BEGIN { printf "%-38s %7.1f bytes a sample, and %.1f MB to begin with   (%s)\n", name, bytes / count, begin / 1e6, told }'
}

measure 'outbox, a commit every 10 s' 60 1200 "$store" wear
measure 'outbox, a commit every 60 s' 360 400 "$store" wear
if command -v python3 >/dev/null; then
    measure 'append and fdatasync, every 10 s' 60 1200 append
    measure 'append and fdatasync, every 60 s' 360 400 append
fi
