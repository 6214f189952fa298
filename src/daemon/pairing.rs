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

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::control;
    use crate::radio::{NoRadio, PairingDesk, RadioState, Sighting};

    /// A radio whose watch asks for its digits, and again if they are wrong; for good if it is obstinate.
    #[derive(Clone)]
    struct Shy {
        obstinate: bool,
    }

    impl Central for Shy {
        type Link = NoRadio;

        async fn scan(&self, _window: Duration) -> Result<Vec<Sighting>, RadioError> {
            Ok(Vec::new())
        }

        async fn connect(&self, peer: &PeerAddress) -> Result<NoRadio, RadioError> {
            Err(RadioError::NotFound(peer.clone()))
        }

        fn state(&self) -> watch::Receiver<RadioState> {
            watch::channel(RadioState::Ready).1
        }

        async fn pair(&self, _peer: &PeerAddress, desk: PairingDesk) -> Result<(), RadioError> {
            loop {
                let (reply, passkey) = oneshot::channel();
                desk.send(PairingPrompt::EnterPasskey { reply }).await.unwrap();
                let entered = passkey.await.unwrap();
                if entered == 7 && !self.obstinate {
                    return Ok(());
                }
            }
        }
    }

    const WINDOW: Duration = Duration::from_mins(1);

    fn conversation() -> (Conversation, mpsc::Sender<Answered>, mpsc::Receiver<News>) {
        let (news, told) = control::news();
        let (sender, answers) = answers();
        let (peer, numbers) = (PeerAddress("E7:12:0A:00:00:01".to_owned()), Arc::new(AtomicU64::new(1)));
        (Conversation { peer, window: WINDOW, news, answers, numbers }, sender, told)
    }

    async fn say(answers: &mpsc::Sender<Answered>, id: u64, passkey: u32) -> Result<Done, DeskError> {
        let (reply, said) = oneshot::channel();
        let answer = PairingAnswer::Passkey(passkey);
        assert!(answers.send(Answered { id, answer, reply }).await.is_ok());
        said.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_window_closes_however_many_questions_were_answered() {
        let (conversation, answers, mut told) = conversation();
        let began = Instant::now();
        let pairing = tokio::spawn(async move { conversation.hold(&Shy { obstinate: true }).await });
        for _ in 0..3 {
            let Some(News::Prompt { id, .. }) = told.recv().await else { panic!("no prompt") };
            tokio::time::sleep(WINDOW / 4).await;
            say(&answers, id, 7).await.unwrap();
        }
        let error = pairing.await.unwrap().unwrap_err().to_string();
        assert_eq!(began.elapsed(), WINDOW);
        assert_eq!(error, "pairing with E7:12:0A:00:00:01 failed: the time of 60 s was up");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_the_question_before_answers_nothing() {
        let (conversation, answers, mut told) = conversation();
        let pairing = tokio::spawn(async move { conversation.hold(&Shy { obstinate: false }).await });
        let Some(News::Prompt { id: first, .. }) = told.recv().await else { panic!("no prompt") };
        say(&answers, first, 1).await.unwrap();
        let Some(News::Prompt { id: second, .. }) = told.recv().await else { panic!("no prompt") };
        let late = say(&answers, first, 7).await.unwrap_err();
        assert!(matches!(late, DeskError::NoQuestion(number) if number == first), "{late}");
        say(&answers, second, 7).await.unwrap();
        assert!(pairing.await.unwrap().is_ok());
    }
}
