#!/usr/bin/env bash
# Makes sure that nowbridge can be built here: a C compiler (for SQLite and the TLS primitives) and a recent enough Rust.
# Installs only what is missing, says so, and needs no network when nothing is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo; run as root: $*"
    fi
}

# With a header, since a compiler without the C library's headers builds nothing of ours.
c_compiler_works() {
    command -v cc >/dev/null || return 1
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c -o /dev/null - 2>/dev/null
}

install_c_compiler() {
    command -v apt-get >/dev/null ||
        fail "a C compiler is missing; install gcc and the C library's headers with your package manager"
    say "a C compiler is missing; installing gcc and libc6-dev with apt-get"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev
    c_compiler_works || fail "gcc is installed, but cc still builds nothing; try: cc --version"
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
    say "Rust $found and a C compiler are here"
}

c_compiler_works || install_c_compiler
check_rust
