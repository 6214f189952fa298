//! `nowbridge pair` and `nowbridge repair`: keys for this computer and a watch, with a person in between.

use futures_util::{Stream, StreamExt};

use super::terminal::{self, Terminal};
use super::{ended_early, print};
use crate::cli::{daemon, exit, small_runtime};
use crate::config::Config;
use crate::control::{Client, ControlError, Fault, Job, News, PairingAnswer, Question, Word};

/// Which watch.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nowbridge pair E7:12:0A:00:00:01 --name \"left wrist\"\n  \
nowbridge pair E7:12:0A:00:00:01 --passkey 042137\n\n\
Questions are asked at the terminal. Without one, in a script, they are answered by --passkey and --yes.\n\
The daemon looks after the watch from then on; it needs neither a restart nor a [[watch]] in the configuration.\n\
To call it off press Ctrl-C.")]
pub struct Args {
    /// Its address, as `nowbridge scan` shows it
    address: String,

    /// What to call it from now on
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    window: Window,
}

/// Which watch.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Questions are asked at the terminal. Without one, in a script, they are answered by --passkey and --yes.\n\
If the watch still lists this computer, remove it there first."
)]
pub struct RepairArgs {
    /// Its name or address
    watch: String,

    #[command(flatten)]
    window: Window,
}

#[derive(Debug, clap::Args)]
struct Window {
    /// How long the pairing may take
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=600))]
    seconds: u32,

    /// The six digits that the watch shows, or that it must show
    #[arg(long, value_name = "DIGITS", value_parser = terminal::passkey)]
    passkey: Option<u32>,

    /// Answer yes: it is the right watch, and its numbers match
    #[arg(long)]
    yes: bool,

    /// Print what happens as JSON, a line each
    #[arg(long)]
    json: bool,
}

/// A question that nobody is there to answer.
#[derive(Debug, thiserror::Error)]
pub enum NeedsFlag {
    /// It is not known yet which one will come.
    #[error(
        "there is no terminal to ask at: give --passkey with the digits that the watch shows, or --yes, or both"
    )]
    Any,
    /// The watch shows digits.
    #[error("the watch shows six digits and there is no terminal to ask at: give them with --passkey")]
    Passkey,
    /// Numbers are to be compared, or a watch recognised.
    #[error("somebody must say yes and there is no terminal to ask at: give --yes")]
    Yes,
    /// The terminal was closed.
    #[error("called off, as the input has ended")]
    Silence,
}

/// Has the daemon pair.
pub fn pair(config: &Config, args: &Args) -> anyhow::Result<u8> {
    let (address, seconds) = (args.address.clone(), args.window.seconds);
    run(config, &Job::Pair { address, seconds, name: args.name.clone() }, &args.window)
}

/// Has the daemon pair anew.
pub fn repair(config: &Config, args: &RepairArgs) -> anyhow::Result<u8> {
    run(config, &Job::Repair { watch: args.watch.clone(), seconds: args.window.seconds }, &args.window)
}

fn run(config: &Config, job: &Job, window: &Window) -> anyhow::Result<u8> {
    if !Terminal::is_there() && window.passkey.is_none() && !window.yes {
        return Err(NeedsFlag::Any.into());
    }
    small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        let news = std::pin::pin!(client.begin(job).await?);
        let terminal = Terminal::new(window.json);
        Pairing { client: &client, window, terminal, open: None }.follow(news).await
    })
}

struct Pairing<'a> {
    client: &'a Client,
    window: &'a Window,
    terminal: Terminal,
    /// What was asked at the terminal.
    open: Option<(u64, Question)>,
}

impl Pairing<'_> {
    /// Follows the pairing to its end. Returning drops the news, and that calls off what has not ended.
    async fn follow(
        mut self,
        mut news: impl Stream<Item = Result<News, ControlError>> + Unpin,
    ) -> anyhow::Result<u8> {
        loop {
            tokio::select! {
                told = news.next() => {
                    let told = told.ok_or_else(ended_early)??;
                    if self.window.json {
                        print(&serde_json::to_string(&told)?)?;
                    }
                    if let Some(code) = self.take(told).await? {
                        return Ok(code);
                    }
                }
                typed = self.terminal.line(), if self.open.is_some() => {
                    self.typed(&typed.ok_or(NeedsFlag::Silence)?).await?;
                }
            }
        }
    }

    /// What is told; the exit code when it was the last.
    async fn take(&mut self, told: News) -> anyhow::Result<Option<u8>> {
        match told {
            News::Started => self.say(&format!("Pairing; there are {} s for it.\n", self.window.seconds))?,
            News::Prompt { id, question } => self.prompted(id, question).await?,
            News::Paired { address, name } => {
                let watch = name.map_or_else(|| address.to_string(), |name| format!("{name} ({address})"));
                self.say(&format!("Paired with {watch}. The daemon looks after it from now on.\n"))?;
                return Ok(Some(exit::OK));
            }
            News::Unbound { address, name } => {
                let watch = name.map_or_else(|| address.to_string(), |name| format!("{name} ({address})"));
                self.say(&format!("{watch}: no bond was needed. Whoever answers there next is believed.\n"))?;
                return Ok(Some(exit::OK));
            }
            News::Failed(complaint) => {
                // The question that stands there will not be answered any more.
                if self.open.is_some() {
                    self.terminal.say("\n")?;
                }
                return Err(complaint.into());
            }
            News::Heard { .. } | News::Probed(_) | News::Unpaired { .. } => {}
        }
        Ok(None)
    }

    async fn prompted(&mut self, id: u64, question: Question) -> anyhow::Result<()> {
        if let Some(answer) = self.window.answer(question) {
            return self.answer(id, answer).await;
        }
        match (terminal::ask(question), question) {
            (None, Question::ShowPasskey { passkey }) => {
                self.terminal.say(&format!("Type {passkey:06} into the watch.\n"))?;
            }
            (Some(asked), _) if Terminal::is_there() => {
                self.terminal.say(&asked)?;
                self.open = Some((id, question));
            }
            (_, Question::EnterPasskey) => return Err(NeedsFlag::Passkey.into()),
            _ => return Err(NeedsFlag::Yes.into()),
        }
        Ok(())
    }

    async fn typed(&mut self, typed: &str) -> anyhow::Result<()> {
        let Some((id, question)) = self.open.take() else { return Ok(()) };
        match terminal::understand(question, typed) {
            Ok(answer) => self.answer(id, answer).await,
            Err(hint) => {
                let asked = terminal::ask(question).unwrap_or_default();
                self.terminal.say(&format!("({hint}) {asked}"))?;
                self.open = Some((id, question));
                Ok(())
            }
        }
    }

    async fn answer(&self, id: u64, answer: PairingAnswer) -> anyhow::Result<()> {
        match self.client.say(&Word::Answer { id, answer }).await {
            // It came too late; the news say why.
            Err(ControlError::Refused(complaint)) if complaint.fault == Fault::Request => Ok(()),
            said => Ok(said.map(drop)?),
        }
    }

    /// Says something that is in the news anyway.
    fn say(&self, text: &str) -> std::io::Result<()> {
        if self.window.json { Ok(()) } else { self.terminal.say(text) }
    }
}

impl Window {
    /// The answer that stands on the command line.
    fn answer(&self, question: Question) -> Option<PairingAnswer> {
        match (question, self.passkey) {
            (Question::EnterPasskey, Some(passkey)) => Some(PairingAnswer::Passkey(passkey)),
            (Question::CompareNumbers { passkey }, Some(expected)) => {
                Some(PairingAnswer::Yes(passkey == expected))
            }
            (Question::CompareNumbers { .. } | Question::Confirm, _) if self.yes => {
                Some(PairingAnswer::Yes(true))
            }
            _ => None,
        }
    }
}
