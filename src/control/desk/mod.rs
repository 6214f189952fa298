//! What a person asks of the radio: from the socket to the one task of the daemon that has it.
//!
//! There are two sorts. A [`Job`] uses the radio and takes its time; what comes of it is told as [`News`], and it is called off when
//! nobody listens to them any more. A [`Word`] is only said, and answered at once.

mod error;
mod news;
mod probe;
mod seats;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub use error::{Complaint, DeskError, Fault};
pub use news::{Heard, Here, News, Question, Unheard};
pub use probe::{Probe, ProbedCharacteristic, ProbedService, abilities_in_words};
pub use seats::{Seat, find};

/// Requests that may wait for the desk.
const WAITING: usize = 16;
/// News that may wait for a client that reads slowly; then the radio waits for it.
const UNREAD: usize = 16;
/// The desk waits for nobody but a watcher that lets go of its watch.
const DEADLINE: Duration = Duration::from_secs(25);

/// Something for the radio to do. A watch is named by its name or its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Listens for so long.
    Scan {
        /// How long.
        seconds: u32,
    },
    /// Connects and looks what is offered.
    Probe {
        /// Which one.
        watch: String,
    },
    /// Pairs, and looks after the watch from then on.
    Pair {
        /// Which one; only an address will do, as nothing else is known of it.
        address: String,
        /// How long a person has time.
        seconds: u32,
        /// What to call it.
        name: Option<String>,
    },
    /// Forgets the bond and pairs anew.
    Repair {
        /// Which one.
        watch: String,
        /// How long a person has time.
        seconds: u32,
    },
    /// Forgets the bond and, unless it is configured, the watch.
    Unpair {
        /// Which one.
        watch: String,
    },
}

/// Something that is only said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The answer to a question of the pairing that runs.
    Answer {
        /// The question's number.
        id: u64,
        /// What it is.
        answer: PairingAnswer,
    },
    /// Keep off the watch.
    Hold {
        /// Which one.
        watch: String,
        /// For so long; without it until it is released.
        time: Option<Duration>,
    },
    /// No longer.
    Release {
        /// Which one.
        watch: String,
    },
}

/// What a person answers while pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairingAnswer {
    /// The six digits that the watch shows.
    Passkey(u32),
    /// Whether it is so.
    Yes(bool),
}

/// What came of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What the watch is called, or else its address.
    pub watch: String,
    /// Whether it was different before.
    pub changed: bool,
}

/// A request on its way to whoever serves the desk.
#[derive(Debug)]
pub enum DeskRequest {
    /// Begin this, and tell of it.
    Job(Job, oneshot::Sender<Result<mpsc::Receiver<News>, DeskError>>),
    /// Do this at once.
    Word(Word, oneshot::Sender<Result<Done, DeskError>>),
}

/// Where radio matters are brought. Clones are the same desk.
#[derive(Clone, Debug)]
pub struct RadioDesk {
    requests: mpsc::Sender<DeskRequest>,
}

impl RadioDesk {
    /// A desk, and what is brought there.
    pub fn new() -> (Self, mpsc::Receiver<DeskRequest>) {
        let (requests, receiver) = mpsc::channel(WAITING);
        (Self { requests }, receiver)
    }

    /// Begins a job; whoever drops the news calls it off.
    pub async fn begin(&self, job: Job) -> Result<mpsc::Receiver<News>, DeskError> {
        self.ask(|reply| DeskRequest::Job(job, reply)).await
    }

    /// Says a word.
    pub async fn say(&self, word: Word) -> Result<Done, DeskError> {
        self.ask(|reply| DeskRequest::Word(word, reply)).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, DeskError>>) -> DeskRequest,
    ) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.requests.send(request(reply)).await.map_err(|_| DeskError::Stopping)?;
            answer.await.map_err(|_| DeskError::Stopping)?
        };
        timeout(DEADLINE, exchange).await.unwrap_or(Err(DeskError::Overdue("the radio's desk")))
    }
}

/// A way for news.
pub fn news() -> (mpsc::Sender<News>, mpsc::Receiver<News>) {
    mpsc::channel(UNREAD)
}
