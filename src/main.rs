//! The `nowbridge` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    nowbridge::cli::main()
}
