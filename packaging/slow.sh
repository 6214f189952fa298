#!/usr/bin/env bash
# The long tiers of the tests: the same tests with many more cases (NOWBRIDGE_SLOW=1). Takes a while.
# Arguments name the tests to run: packaging/slow.sh outbox
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

packaging/setup.sh tests
export NOWBRIDGE_SLOW=1
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --locked --all-features --profile slow --run-ignored all "$@"
fi
exec cargo test --locked --all-features --lib --bins --tests -- --include-ignored "$@"
