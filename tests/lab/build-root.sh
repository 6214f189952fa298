#!/usr/bin/env bash
# Builds a guest's root, a plain directory: Debian with D-Bus, BlueZ, Python and Bumble.
#   tests/lab/build-root.sh 5.66      BlueZ 5.66 of Debian bookworm
#   tests/lab/build-root.sh 5.82      BlueZ 5.82 of Debian trixie
# Takes about 80 s and 220 MB in the lab's cache, and does nothing if it is there. NOWBRIDGE_LAB_MIRROR names another mirror.
set -euo pipefail

# shellcheck source=paths.sh
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

[ $# -eq 1 ] || fail 'which BlueZ? tests/lab/build-root.sh 5.66|5.82'
suite=$(suite_of "$1")
root=$(root_of "$1")
root_is_built "$1" && { say "the guest with BlueZ $1 is built: $root"; exit 0; }
need_commands "to build a guest's root" debootstrap=debootstrap python3=python3
python3 -m pip --version >/dev/null 2>&1 || install_packages 'pip is needed for Bumble' python3-pip
# debootstrap lives where only root looks.
PATH=$PATH:/usr/sbin:/sbin

# pyserial-asyncio is of no use here but imported by Bumble, as most of the others are.
python_packages=(
    "bumble==$bumble_version" cryptography cffi pycparser pyee typing_extensions platformdirs prompt_toolkit wcwidth click
    websockets pyserial libusb1 libusb-package importlib_resources pyusb pyserial-asyncio jeepney
)
fresh=$root.new
log=$lab_cache/debootstrap-$suite.log
mkdir -p "$lab_cache"
as_root rm -rf "$fresh"

say "building the guest with BlueZ $1: Debian $suite (a minute and a half)"
as_root debootstrap --variant=minbase --include=kmod,dbus,bluez,python3,busybox-static,procps,iproute2 \
    "$suite" "$fresh" ${NOWBRIDGE_LAB_MIRROR:+"$NOWBRIDGE_LAB_MIRROR"} >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "debootstrap failed: $log"; }

# Wheels for the guest's Python, whatever Python runs pip here.
python=$(as_root chroot "$fresh" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
as_root python3 -m pip install -q --root-user-action=ignore --target "$fresh/opt/site-packages" --python-version "$python" \
    --only-binary=:all: --no-deps "${python_packages[@]}"

as_root rm -rf "$fresh"/usr/share/{doc,man,locale,info} "$fresh"/var/cache/apt/archives "$fresh"/var/lib/apt/lists
# Importing Bumble without compiled files would be most of the time of a boot. Some packages carry files that never compile.
as_root chroot "$fresh" python3 -m compileall -q /opt/site-packages "/usr/lib/python$python" >/dev/null || true
as_root chroot "$fresh" env PYTHONPATH=/opt/site-packages python3 -c 'import bumble.device, bumble.controller, bumble.transport'
as_root mkdir -p "$fresh/lab" "$fresh/ro"
as_root touch "$fresh/$(root_stamp "$1")"
as_root rm -rf "$root"
as_root mv "$fresh" "$root"
say "the guest with BlueZ $1 is built: $root"
