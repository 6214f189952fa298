#!/usr/bin/env bash
# Builds nowbridge and shows it at work: a simulated watch, the daemon, and a private cloud, all on this machine.
# Arguments go to the demo: packaging/demo.sh --help
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$root/packaging/setup.sh"
printf 'demo: building (the first time takes some minutes)\n'
cargo build --locked --manifest-path "$root/Cargo.toml"
exec cargo run --quiet --locked --manifest-path "$root/Cargo.toml" -- demo "$@"
