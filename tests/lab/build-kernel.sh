#!/usr/bin/env bash
# Builds the guest's kernel: user-mode Linux with the real Bluetooth stack, from Debian's kernel sources.
# Takes about six minutes and 2 GB while it builds, leaves one file of 7 MB in the lab's cache, and does nothing if it is there.
set -euo pipefail

# shellcheck source=paths.sh
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

kernel_is_built && { say "the kernel is built: $kernel"; exit 0; }
need_commands 'to build the kernel' gcc=gcc make=make flex=flex bison=bison bc=bc xz=xz-utils dpkg-deb=dpkg apt-get=apt

package=linux-source-$kernel_version
scratch=$lab_cache/src
tree=$scratch/$package
build=$scratch/build-$kernel_version
mkdir -p "$lab_cache/debs" "$build"

archive() { find "$lab_cache/debs" -name "${package}_*.deb" | sort -V | tail -n 1; }
if [ -z "$(archive)" ]; then
    say "downloading $package with apt-get (150 MB)"
    (cd "$lab_cache/debs" && apt-get download -qq "$package") ||
        fail "apt-get has no $package; it is in Debian bookworm (security) and trixie"
fi
if [ ! -d "$tree" ]; then
    say 'unpacking the kernel sources (a minute)'
    dpkg-deb --fsys-tarfile "$(archive)" | tar -xO "./usr/src/$package.tar.xz" | tar -xJ -C "$scratch"
fi

say 'building the kernel (six minutes on two cores)'
linux() { make -s -C "$tree" O="$build" ARCH=um "$@"; }
linux tinyconfig
(cd "$tree" && scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" "$lab_sources/kernel.config" >/dev/null)
linux olddefconfig
# Kconfig drops what it cannot have without a word.
for option in BT_LE BT_HCIVHCI HOSTFS OVERLAY_FS DEVTMPFS CRYPTO_CMAC CRYPTO_ECDH CRYPTO_USER_API_SKCIPHER; do
    grep -q "^CONFIG_$option=y" "$build/.config" || fail "this kernel cannot be built with CONFIG_$option"
done
linux -j"$(nproc)" >"$scratch/build.log" 2>&1 || { tail -n 20 "$scratch/build.log" >&2; fail "the kernel does not build: $scratch/build.log"; }
strip -o "$kernel" "$build/linux"
kernel_stamp >"$kernel.stamp"
rm -rf "$tree" "$build"
say "the kernel is built: $kernel"
