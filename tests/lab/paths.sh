# shellcheck shell=bash
# Where the lab keeps what it has built, and what belongs together. Sourced by the scripts beside it.

# The caller's directory may be anything.
lab_sources=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_cache=${NOWBRIDGE_LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/nowbridge/ble-lab}

kernel_version=6.12
bumble_version=0.0.236
# Counts the changes to what build-root.sh puts into a root.
root_version=2
# shellcheck disable=SC2034 # used by the scripts that source this
kernel=$lab_cache/linux-uml-$kernel_version

# shellcheck source=../../packaging/packages.sh
. "$lab_sources/../../packaging/packages.sh"

# The Debian release whose BlueZ this is.
suite_of() {
    case $1 in
        5.66) echo bookworm ;;
        5.82) echo trixie ;;
        *) fail "there is no BlueZ $1 in the lab; there is 5.66 (Debian bookworm) and 5.82 (trixie)" ;;
    esac
}

root_of() {
    case $(suite_of "$1") in
        bookworm) echo "$lab_cache/rootfs" ;;
        *) echo "$lab_cache/rootfs-$(suite_of "$1")" ;;
    esac
}

# Says which settings the kernel was built with.
kernel_stamp() { sha256sum "$lab_sources/kernel.config" | cut -c1-16; }
kernel_is_built() { [ -x "$kernel" ] && [ "$(cat "$kernel.stamp" 2>/dev/null)" = "$(kernel_stamp)" ]; }
root_stamp() { echo ".lab-$(suite_of "$1")-$bumble_version-$root_version"; }
root_is_built() { [ -f "$(root_of "$1")/$(root_stamp "$1")" ]; }
