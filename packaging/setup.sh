#!/usr/bin/env bash
# Makes sure that nowbridge can be built here: a C compiler (for SQLite and the TLS primitives), libdbus (for Bluetooth) and a recent
# enough Rust; with the argument "tests" also what the tests need. Installs only what is missing, says so, and needs no network
# when nothing is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck source=packages.sh
. "$root/packaging/packages.sh"

# With a header, since a compiler without the C library's headers builds nothing of ours.
c_compiler_works() {
    command -v cc >/dev/null || return 1
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c -o /dev/null - 2>/dev/null
}

need_c_compiler() {
    c_compiler_works && return
    install_packages 'a C compiler is missing' gcc libc6-dev
    c_compiler_works || fail "gcc is installed, but cc still builds nothing; try: cc --version"
}

need_libdbus() {
    need_commands 'to find libdbus' pkg-config=pkg-config
    pkg-config --exists dbus-1 || install_packages 'the headers of libdbus are missing' libdbus-1-dev
    pkg-config --exists dbus-1 ||
        fail 'pkg-config does not find dbus-1; or build without it: cargo build --features vendored-dbus'
}

check_rust() {
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    command -v cargo >/dev/null ||
        fail "Rust is missing; get version $needed or newer from https://rustup.rs, open a new shell, and try again"
    found=$(rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
        fail "Rust $found is too old; $needed is needed: rustup update stable"
    fi
    say "Rust $found, a C compiler and libdbus are here"
}

need_c_compiler
need_libdbus
if [ "${1:-}" = tests ]; then
    need_commands 'for a D-Bus of the tests alone' dbus-daemon=dbus
    need_commands 'for an MQTT broker of the tests alone' mosquitto=mosquitto
fi
check_rust
