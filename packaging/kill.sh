#!/usr/bin/env bash
# A thousand times kill -9 of the real daemon, at random points, against a ledger on the watch's side: packaging/kill.sh [ROUNDS]
# The points that are aimed at follow from NOWBRIDGE_SEED, which is drawn and printed unless it is set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

export NOWBRIDGE_ROUNDS=${1:-1000}
export NOWBRIDGE_SEED=${NOWBRIDGE_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
printf 'kill: NOWBRIDGE_SEED=%s, %s rounds\n' "$NOWBRIDGE_SEED" "$NOWBRIDGE_ROUNDS"
packaging/setup.sh tests
exec cargo test --locked --all-features --test it -- --exact --nocapture \
    power::kill::whenever_it_is_killed_every_promise_is_kept
