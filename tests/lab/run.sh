#!/usr/bin/env bash
# Boots a guest, runs one command in it once Bluetooth works, and ends with the command's exit code (125: the guest died).
#   tests/lab/run.sh [options] -- COMMAND [ARGUMENT...]
#     --bluez 5.66|5.82     which bluetoothd (5.66)
#     --bind DIRECTORY      show it in the guest, read-only, at the same path; may be repeated
#     --env NAME=VALUE      set in the guest; may be repeated
#     --sim PROGRAM         the nowbridge that is the bridge watch (must lie in a bound directory); without it, there is none
#     --hours N             hours of history in the bridge watch's flash (24)
#     --sim-interval US     time between two events of the air between the bridge watch and its mirror; by default it is a fast link
#     --timeout SECONDS     end the guest after so long (600)
#     --logs DIRECTORY      where bluetoothd's and the watches' logs go
# The guest has no network but its own loopback, and forgets everything at the end. It is no sandbox: its root is root here.
set -euo pipefail

# shellcheck source=paths.sh
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

bluez=5.66 sim='' hours=24 seconds=600 logs=''
link=()
binds=() environment=()
while [ $# -gt 0 ]; do
    case $1 in
        --) shift; break ;;
        --bluez) bluez=$2 ;;
        --bind) binds+=("$(realpath "$2")") ;;
        --env) environment+=("$2") ;;
        --sim) sim=$(realpath "$2") ;;
        --hours) hours=$2 ;;
        --sim-interval) link=(--interval-us "$2") ;;
        --timeout) seconds=$2 ;;
        --logs) logs=$2 ;;
        *) fail "there is no option $1; see the top of ${BASH_SOURCE[0]}" ;;
    esac
    shift 2
done
[ $# -gt 0 ] || fail 'run what? tests/lab/run.sh -- COMMAND'
root=$(root_of "$bluez")
kernel_is_built || fail 'the kernel is not built: tests/lab/build-kernel.sh'
root_is_built "$bluez" || fail "the guest is not built: tests/lab/build-root.sh $bluez"

# What the guest sees as /lab, and may write to.
share=$(mktemp -d "$lab_cache/guest.XXXXXX")
vm=
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    if [ -n "$vm" ]; then
        kill "$vm" 2>/dev/null || true
        wait "$vm" 2>/dev/null || true
    fi
    if [ -n "$logs" ] && mkdir -p "$logs"; then
        cp -f "$share"/out/*.log "$logs"/ 2>/dev/null || true
    fi
    rm -rf "$share"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

cp -R "$lab_sources/guest/." "$share/"
mkdir -p "$share/out" "$share/uml"
{
    [ ${#environment[@]} -eq 0 ] || printf 'export %q\n' "${environment[@]}"
    printf 'exec'
    printf ' %q' "$@"
    printf '\n'
} >"$share/command"
printf '%s\n' "${binds[@]}" >"$share/binds"
if [ -n "$sim" ]; then
    printf '%q sim-watch --air /run/lab/air.sock --address E7:12:0A:00:00:01 --seed 1 --hours %q %s\n' "$sim" "$hours" "${link[*]}" >"$share/sim"
fi

# The first program must be in the root itself; it never changes while guests run, or is replaced as a whole.
stage1=$root/lab-stage1
if ! cmp -s "$lab_sources/guest/stage1" "$stage1"; then
    as_root install -m 755 "$lab_sources/guest/stage1" "$stage1.$$"
    as_root mv "$stage1.$$" "$stage1"
fi

# The guest's memory is a file.
[ "$(stat -f -c %T /dev/shm 2>/dev/null)" != tmpfs ] || export TMPDIR=/dev/shm
timeout --kill-after=5 "$seconds" "$kernel" mem=512M umid=lab uml_dir="$share/uml/" \
    root=/dev/root rootfstype=hostfs rootflags="$root" ro init=/lab-stage1 "lab=$share" \
    con=null con0=null,fd:1 con1=null,fd:1 ssl=null quiet loglevel=3 panic=-1 </dev/null &
vm=$!
wait "$vm" || true
vm=
[ -s "$share/out/status" ] && exit "$(cat "$share/out/status")"
say "the guest died before its command ended, or took longer than $seconds s" >&2
exit 125
