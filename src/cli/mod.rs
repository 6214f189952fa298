//! The command line: what people type, and what they read.
//!
//! Every command ends with one of the exit codes in `exit`. Commands that ask the daemon go through the control socket; none opens
//! the outbox behind its back: those that can do without a daemon take the outbox's lock.

mod exit;
mod export;
mod firmware;
mod forget;
mod format;
mod instant;
mod logging;
mod login;
mod outbox;
mod place;
mod radio;
mod run;
mod status;
mod sync_now;
mod update;
mod verify;
mod why;

#[cfg(feature = "sim")]
mod cloud;
#[cfg(feature = "sim")]
mod demo;
#[cfg(feature = "sim")]
mod sim_watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError, Env, SYSTEM_CONTROL_SOCKET};
use crate::control::{Client, ControlError};

/// A headless phone-bridge: watch over Bluetooth LE, durable outbox, NOWATCH API.
#[derive(Debug, Parser)]
#[command(name = "nowbridge", version, max_term_width = 100, after_help = exit::HELP)]
struct Cli {
    /// The configuration file; without it the usual places are looked at
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Collect from the configured watches and upload, until stopped
    Run,
    /// Tell what the daemon is doing
    Status(status::Args),
    /// Have the daemon sync now, with every watch or with one
    Sync(sync_now::Args),
    /// Listen for Bluetooth devices, and show what they offer and which are known here
    Scan(radio::scan::Args),
    /// Connect to a device and show what it offers and which driver would take it
    Probe(radio::probe::Args),
    /// Pair with a watch and look after it from then on
    Pair(radio::pair::Args),
    /// Remove the bond with a watch and pair anew: for a watch that no longer knows this computer
    Repair(radio::pair::RepairArgs),
    /// Remove the bond with a watch, and look after it no longer unless it is configured
    Unpair(radio::unpair::Args),
    /// Keep off a watch, so that a phone can have it
    Hold(radio::hold::Args),
    /// Take a watch back that was on hold
    Release(radio::hold::ReleaseArgs),
    /// Tell what is missing or late, and why
    Why(why::Args),
    /// Look through the ledger: dead letters, gaps, batches, receipts; retry or drop what was refused
    Outbox(outbox::Args),
    /// Write every stored sample to a file, a folder or standard output
    Export(export::Args),
    /// Compare what was sent with what the cloud has, day by day, and repair it
    Verify(verify::Args),
    /// Show, fetch and check firmware for the watches
    Firmware(firmware::Args),
    /// Bring firmware to a watch
    Update(Box<update::Args>),
    /// Delete what was collected from a watch, on this computer
    Forget(forget::Args),
    /// Log in to the cloud and store the login for the daemon
    Login(login::Args),
    /// Show the whole way from a simulated watch to a private cloud, and prove that nothing was lost
    #[cfg(feature = "sim")]
    Demo(demo::Args),
    /// Run a private cloud that speaks the NOWATCH API
    #[cfg(feature = "sim")]
    Cloud(Box<cloud::Args>),
    /// Run a simulated watch that a daemon on this computer can reach
    #[cfg(feature = "sim")]
    SimWatch(Box<sim_watch::Args>),
}

impl Cli {
    fn config(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), &Env::from_process())
    }
}

/// Parses the arguments, runs the command, and tells how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes.
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            let _ = error.print();
            return code.into();
        }
    };
    match dispatch(&cli) {
        Ok(code) => code.into(),
        // `nowbridge status --watch | head` has what it wanted.
        Err(error) if exit::is_broken_pipe(&error) => exit::OK.into(),
        Err(error) => {
            eprintln!("nowbridge: {}", chain(&error));
            exit::of(&error).into()
        }
    }
}

fn dispatch(cli: &Cli) -> anyhow::Result<u8> {
    match &cli.command {
        Command::Run => run::run(&cli.config()?),
        Command::Status(args) => status::status(&cli.config()?, args),
        Command::Sync(args) => sync_now::sync_now(&cli.config()?, args),
        Command::Scan(args) => radio::scan::scan(&cli.config()?, args),
        Command::Probe(args) => radio::probe::probe(&cli.config()?, args),
        Command::Pair(args) => radio::pair::pair(&cli.config()?, args),
        Command::Repair(args) => radio::pair::repair(&cli.config()?, args),
        Command::Unpair(args) => radio::unpair::unpair(&cli.config()?, args),
        Command::Hold(args) => radio::hold::hold(&cli.config()?, args),
        Command::Release(args) => radio::hold::release(&cli.config()?, args),
        Command::Why(args) => why::why(&cli.config()?, args),
        Command::Outbox(args) => outbox::outbox(&cli.config()?, args),
        Command::Export(args) => export::export(&cli.config()?, args),
        Command::Verify(args) => verify::verify(&cli.config()?, args),
        Command::Firmware(args) => firmware::firmware(&cli.config()?, args),
        Command::Update(args) => update::update(&cli.config()?, args),
        Command::Forget(args) => forget::forget(&cli.config()?, args),
        Command::Login(args) => login::login(&cli.config()?, args),
        #[cfg(feature = "sim")]
        Command::Demo(args) => demo::demo(args),
        #[cfg(feature = "sim")]
        Command::Cloud(args) => cloud::cloud(args),
        #[cfg(feature = "sim")]
        Command::SimWatch(args) => sim_watch::sim_watch(args),
    }
}

/// The error and its causes in one line, without saying the same twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The daemon that this user means: their own, or else the system's if they have configured none.
async fn daemon(config: &Config) -> Result<Client, ControlError> {
    let own = Client::connect(&config.paths.control_socket).await;
    if config.file.is_some() || !matches!(own, Err(ControlError::NotRunning { .. })) {
        return own;
    }
    match Client::connect(Path::new(SYSTEM_CONTROL_SOCKET)).await {
        Err(ControlError::NotRunning { .. }) => own,
        system => system,
    }
}

/// A runtime for a command that only asks something.
fn small_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Cli::command().debug_assert();
    }
}
