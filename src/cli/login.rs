//! `nowbridge login`: from e-mail address and password to tokens that the daemon uses.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use secrecy::SecretString;

use super::{exit, small_runtime};
use crate::clock::Clock;
use crate::cloud::Credentials;
use crate::config::{Config, SecretSource};
use crate::daemon::Cloud;

/// The password is asked for without echo, or read from a file; it never stands on the command line, where every user of the
/// computer could read it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The account's e-mail address; without it the configured one, or a question
    #[arg(long)]
    email: Option<String>,

    /// Read the password from this file instead of asking
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// What a login cannot do without.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// Where to log in.
    #[error("there is no cloud to log in to; set cloud.base_url in the configuration")]
    Cloud,
    /// As whom, and nobody to ask.
    #[error("no e-mail address: give --email, or set cloud.email in the configuration")]
    Email,
    /// The password, and nobody to ask.
    #[error("no password: give --password-file, or run this in a terminal to be asked")]
    Password,
}

/// Logs in and stores the tokens.
pub fn login(config: &Config, args: &Args) -> anyhow::Result<u8> {
    small_runtime()?.block_on(async {
        config.paths.create()?;
        let Some(client) = Cloud::client(config, Clock::System)? else {
            return Err(Missing::Cloud.into());
        };
        let email = match args.email.clone().or_else(|| config.cloud.email.clone()) {
            Some(email) => email,
            None => ask("E-mail address: ")?,
        };
        let password = match &args.password_file {
            Some(file) => SecretSource::file("--password-file", file).read()?,
            None => ask_password(&email)?,
        };
        client.login(&Credentials { email: email.clone(), password }).await?;
        client.settle().await;
        println!("Logged in to {} as {email}.", client.base_url());
        Ok(exit::OK)
    })
}

fn ask(question: &str) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Missing::Email.into());
    }
    print!("{question}");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("the answer could not be read")?;
    Ok(answer.trim().to_owned())
}

fn ask_password(email: &str) -> anyhow::Result<SecretString> {
    if !std::io::stdin().is_terminal() {
        return Err(Missing::Password.into());
    }
    Ok(rpassword::prompt_password(format!("Password of {email}: "))?.into())
}
