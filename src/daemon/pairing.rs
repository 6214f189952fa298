//! One pairing: between the radio, which asks, and a person at the other end of the control socket, who answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::control::{DeskError, Done, News, PairingAnswer, Question};
use crate::radio::{Bond, Central, PairingPrompt, PeerAddress, RadioError};

/// Prompts and answers that may wait; a pairing has one or two.
const WAITING: usize = 4;
/// Six digits.
const LARGEST_PASSKEY: u32 = 999_999;

/// An answer, and where to say what became of it.
pub struct Answered {
    /// The question's number.
    pub id: u64,
    /// What it is.
    pub answer: PairingAnswer,
    /// Whether it was taken.
    pub reply: oneshot::Sender<Result<Done, DeskError>>,
}

/// A pairing that is under way.
pub struct Conversation {
    /// With whom.
    pub peer: PeerAddress,
    /// How long it may take.
    pub window: Duration,
    /// Where questions are told.
    pub news: mpsc::Sender<News>,
    /// What comes back.
    pub answers: mpsc::Receiver<Answered>,
    /// Numbers for questions, never used twice: an answer that comes late answers nothing.
    pub numbers: Arc<AtomicU64>,
}

/// What the radio waits for.
enum Open {
    Passkey(u64, oneshot::Sender<u32>),
    Yes(u64, oneshot::Sender<bool>),
}

/// A way for answers.
pub fn answers() -> (mpsc::Sender<Answered>, mpsc::Receiver<Answered>) {
    mpsc::channel(WAITING)
}

impl Conversation {
    /// Pairs, unless there is a bond already. Dropping this calls the pairing off, and so does the end of its window.
    pub async fn hold<C: Central>(mut self, central: &C) -> Result<(), RadioError> {
        let closing = Instant::now() + self.window;
        if central.bond(&self.peer).await? == Bond::Bonded {
            return Ok(());
        }
        let (desk, mut prompts) = mpsc::channel(WAITING);
        let peer = self.peer.clone();
        let pairing = central.pair(&peer, desk);
        tokio::pin!(pairing);
        let mut open: Option<Open> = None;
        loop {
            tokio::select! {
                paired = &mut pairing => return paired,
                Some(prompt) = prompts.recv() => open = self.put(prompt).await,
                Some(answered) = self.answers.recv() => open = take(answered, open, &self.peer),
                () = sleep_until(closing) => {
                    let reason = format!("the time of {} s was up", self.window.as_secs());
                    return Err(RadioError::PairingFailed { peer: self.peer, reason });
                }
            }
        }
    }

    /// Puts a question to the person.
    async fn put(&self, prompt: PairingPrompt) -> Option<Open> {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (question, open) = match prompt {
            PairingPrompt::EnterPasskey { reply } => (Question::EnterPasskey, Some(Open::Passkey(id, reply))),
            PairingPrompt::ShowPasskey { passkey } => (Question::ShowPasskey { passkey }, None),
            PairingPrompt::CompareNumbers { passkey, reply } => {
                (Question::CompareNumbers { passkey }, Some(Open::Yes(id, reply)))
            }
            PairingPrompt::Confirm { reply } => (Question::Confirm, Some(Open::Yes(id, reply))),
        };
        // Whoever asked for the pairing may be gone; then it is about to be called off.
        let _ = self.news.send(News::Prompt { id, question }).await;
        open
    }
}

/// Takes an answer; what is still open afterwards.
fn take(answered: Answered, open: Option<Open>, peer: &PeerAddress) -> Option<Open> {
    let Answered { id, answer, reply } = answered;
    let (taken, open) = match (open, answer) {
        (Some(Open::Passkey(open, radio)), PairingAnswer::Passkey(passkey)) if open == id => {
            if passkey > LARGEST_PASSKEY {
                (Err(DeskError::WrongAnswer("six digits")), Some(Open::Passkey(open, radio)))
            } else {
                // A radio that no longer waits has ended the pairing, and says so itself.
                let _ = radio.send(passkey);
                (Ok(()), None)
            }
        }
        (Some(Open::Yes(open, radio)), PairingAnswer::Yes(yes)) if open == id => {
            let _ = radio.send(yes);
            (Ok(()), None)
        }
        (Some(Open::Passkey(open, radio)), _) if open == id => {
            (Err(DeskError::WrongAnswer("a passkey, not a yes")), Some(Open::Passkey(open, radio)))
        }
        (Some(Open::Yes(open, radio)), _) if open == id => {
            (Err(DeskError::WrongAnswer("a yes or no, not a passkey")), Some(Open::Yes(open, radio)))
        }
        (open, _) => (Err(DeskError::NoQuestion(id)), open),
    };
    // Whoever answered may not care what became of it.
    let _ = reply.send(taken.map(|()| Done { watch: peer.to_string(), changed: true }));
    open
}
