#!/usr/bin/env bash
# Every check there is, but for the slow tiers (packaging/slow.sh). Stops at the first that fails and names it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

current=setup
skipped=()

step() {
    current=$1
    printf '\n== %s\n' "$1"
}

finish() {
    local status=$?
    if [ "$status" -ne 0 ]; then
        printf '\ntest: FAILED at "%s"\n' "$current" >&2
        return
    fi
    printf '\ntest: every check passed\n'
    local what
    for what in "${skipped[@]}"; do
        printf 'test: skipped %s\n' "$what"
    done
}
trap finish EXIT

step 'setup'
packaging/setup.sh tests

step 'format'
cargo fmt --check

step 'clippy'
cargo clippy --locked --all-targets --all-features -- -D warnings
cargo clippy --locked --no-default-features -- -D warnings

step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --all-features
cargo test --locked --doc --all-features

step 'dependencies'
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --offline --locked --all-features check licenses bans sources
else
    skipped+=('the dependency rules: cargo-deny is missing (cargo install --locked cargo-deny)')
fi

step 'systemd units'
if command -v systemd-analyze >/dev/null; then
    packaging/check-units.sh
else
    skipped+=('the systemd units: systemd-analyze is missing')
fi

step 'shell scripts'
if command -v shellcheck >/dev/null; then
    shellcheck -x -P SCRIPTDIR packaging/*.sh .ci/run tests/lab/*.sh tests/smp/*.sh tests/lab/guest/{bluetoothd,init,stage1,watches}
else
    skipped+=('the shell scripts: shellcheck is missing')
fi

step "the lab's peer"
if command -v python3 >/dev/null; then
    (cd tests/lab/guest && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest peer.test_frames)
else
    skipped+=("the lab's peer: python3 is missing")
fi

# Last, so that a run ends with the count of its tests.
step 'tests'
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --all-features --profile ci
else
    cargo test --locked --all-features --lib --bins --tests
fi
skipped+=('the long property tests: run packaging/slow.sh')
skipped+=('the stories on the real BlueZ: run packaging/lab.sh')
