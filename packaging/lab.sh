#!/usr/bin/env bash
# Tells the Bluetooth stories on the real thing: the kernel's Bluetooth stack in user-mode Linux, the real bluetoothd, and virtual
# watches of another make (tests/lab). Builds what is missing, once: about ten minutes the first time.
#   packaging/lab.sh [--bluez 5.66|5.82|all] [--jobs N] [--stories BINARY] [PART OF A STORY'S NAME]
# BINARY is a test binary that is built already, with nowbridge where cargo puts it. Each story has a guest of its own. Ends with 0 if
# none failed, 1 if one did, and 77 if none could be told.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# shellcheck source=../tests/lab/paths.sh
. tests/lab/paths.sh

# A build that takes longer than this is given up; the machine would be far too slow for the stories.
readonly build_seconds=1800
readonly story_seconds=180

versions=(5.66 5.82) jobs=1 filter='' binary=''
while [ $# -gt 0 ]; do
    case $1 in
        --bluez) [ "$2" = all ] || versions=("$2"); shift ;;
        --jobs) jobs=$2; shift ;;
        --stories) binary=$(realpath "$2"); shift ;;
        -*) fail "there is no option $1; see the top of packaging/lab.sh" ;;
        *) filter=$1 ;;
    esac
    shift
done
for version in "${versions[@]}"; do suite_of "$version" >/dev/null; done

scratch=$(mktemp -d)
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    local pid
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir "$scratch/results"
ran=0

# Results are files, because stories may run beside each other.
note() { printf '%s\n' "$2" >"$scratch/results/$(tr -c 'A-Za-z0-9.\n' '_' <<<"$1")"; }
count() { cat "$scratch"/results/* 2>/dev/null | grep -cx "$1" || true; }
skip_all() { # VERSION WHY
    local story
    say "BlueZ $1 is SKIPPED: $2"
    for story in 'the lab itself' "${stories[@]}"; do note "$1 $story" skipped; done
}

build_stories() {
    packaging/setup.sh tests
    say 'building the stories'
    cargo test --locked --all-features --test it --no-run --message-format=json-render-diagnostics >"$scratch/build.json"
    binary=$(sed -n 's|.*"executable":"\([^"]*/deps/it-[^"]*\)".*|\1|p' "$scratch/build.json" | tail -n 1)
}

list_stories() { "$binary" --list --format terse "$@" bluez:: | sed -n 's/^\(bluez::.*\): test$/\1/p' | sort; }

find_stories() {
    nowbridge=$(dirname "$(dirname "$binary")")/nowbridge
    if [ ! -x "$binary" ] || [ ! -x "$nowbridge" ]; then fail 'cargo has built no stories'; fi
    # Those that are only told on request would be told in no time and prove nothing.
    mapfile -t stories < <(comm -23 <(list_stories) <(list_stories --ignored) | grep -F -- "$filter" || true)
}

# A binary runs in a guest whose C library is not older than what it was linked with.
guest_runs_binary() {
    local library has needs
    library=$(find "$(root_of "$1")/usr/lib" -name libc.so.6 | head -n 1)
    has=$(grep -aoE 'release version [0-9]+\.[0-9]+' "$library" | cut -d ' ' -f 3)
    needs=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | cut -d _ -f 2 | sort -V | tail -n 1)
    [ "$(printf '%s\n' "$needs" "$has" | sort -V | tail -n 1)" = "$has" ]
}

# User-mode Linux panics once in a hundred boots or so, which says nothing about a story.
guest_panicked() { grep -q '^Kernel panic' "$1"; }

in_guest() { # VERSION LOGS COMMAND...
    local version=$1 logs=$2
    shift 2
    tests/lab/run.sh --bluez "$version" --timeout "$story_seconds" --logs "$logs" --bind "$root" --bind "$(dirname "$nowbridge")" \
        --sim "$nowbridge" -- "$@" >"$logs.txt" 2>&1
}

tell() { # VERSION NAME COMMAND...
    local version=$1 name=$2 logs result=FAILED started=$EPOCHSECONDS
    shift 2
    logs=$(mktemp -d "$scratch/logs.XXXXXX")
    if in_guest "$version" "$logs" "$@" ||
        { guest_panicked "$logs.txt" && say "the guest's kernel panicked, once more: $name" && in_guest "$version" "$logs" "$@"; }; then
        result=passed
        grep -q 'skipped in the lab' "$logs.txt" && result=skipped
    fi
    note "$version $name" "$result"
    printf '%-7s BlueZ %s  %s (%d s)\n' "$result" "$version" "$name" $((EPOCHSECONDS - started))
    [ "$result" = FAILED ] || return 0
    show "$logs"
}

show() { # LOGS
    local log
    cp "$1.txt" "$1/story.log"
    for log in "$1"/*.log; do
        printf '    -- %s\n' "$(basename "$log")"
        tail -n 30 "$log" | cut -c1-300 | sed 's/^/    /'
    done
}

tell_all() { # VERSION
    local story
    tell "$1" 'the lab itself' python3 /lab/smoke.py
    if grep -qx FAILED "$scratch/results/$1"_the_lab_itself; then
        skip_stories_of_broken_lab "$1"
        return
    fi
    for story in "${stories[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
        tell "$1" "$story" "$binary" --exact "$story" --nocapture --test-threads=1 &
    done
    wait
}

skip_stories_of_broken_lab() {
    local story
    say "the stories on BlueZ $1 are SKIPPED: the lab itself does not work"
    for story in "${stories[@]}"; do note "$1 $story" skipped; done
}

[ -n "$binary" ] || build_stories
find_stories
say "${#stories[@]} stories on BlueZ ${versions[*]}"
if timeout "$build_seconds" tests/lab/build-kernel.sh; then
    for version in "${versions[@]}"; do
        if ! timeout "$build_seconds" tests/lab/build-root.sh "$version"; then
            skip_all "$version" 'its guest cannot be built'
        elif ! guest_runs_binary "$version"; then
            skip_all "$version" 'the stories were linked with a newer C library than it has'
        else
            ran=1
            tell_all "$version"
        fi
    done
else
    for version in "${versions[@]}"; do skip_all "$version" 'the kernel cannot be built'; done
fi

failed=$(count FAILED)
printf '%d passed, %d failed, %d skipped\n' "$(count passed)" "$failed" "$(count skipped)"
[ "$failed" -eq 0 ] || exit 1
[ "$ran" -eq 1 ] || exit 77
