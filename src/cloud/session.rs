//! The login as callers see it: ask for a token, get one that is worth sending.
//!
//! The tokens belong to one task, the keeper. A refresh token is spent by using it, and a caller may be cancelled at any
//! await; so the exchange runs in the keeper, where nobody can drop it halfway, and whoever asks meanwhile waits for the
//! same exchange. The task ends when the last [`Session`] is dropped; [`Session::settle`] waits for what is under way.

use std::sync::Arc;

use reqwest::header::HeaderValue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::auth::Credentials;
use super::keeper::Keeper;
use super::{AuthState, CloudError};

/// Callers wait in line beyond this; there are four loops.
const LINE: usize = 16;

/// An access token and which one it is: tokens are numbered in the order we got them.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub bearer: HeaderValue,
    pub number: u64,
}

/// What the keeper is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    /// A token to send, if possible not the one that was refused.
    Token { refused: Option<u64>, asked_at: Instant, reply: oneshot::Sender<Result<Access, CloudError>> },
    /// A login with these credentials.
    Login { credentials: Credentials, reply: oneshot::Sender<Result<(), CloudError>> },
    /// A word when everything asked before is done.
    Settle { reply: oneshot::Sender<()> },
}

/// A handle to the keeper.
#[derive(Clone, Debug)]
pub(super) struct Session {
    asks: mpsc::Sender<Ask>,
    state: watch::Receiver<AuthState>,
}

impl Session {
    /// Starts the keeper. Must be called within a tokio runtime.
    pub fn start(keeper: Keeper) -> Self {
        let (asks, line) = mpsc::channel(LINE);
        let state = keeper.state();
        tokio::spawn(keeper.run(line));
        Self { asks, state }
    }

    /// A token worth sending. `refused` names the one that the server has just answered with 401.
    pub async fn token(&self, refused: Option<u64>) -> Result<Access, CloudError> {
        let asked_at = Instant::now();
        self.ask(|reply| Ask::Token { refused, asked_at, reply }).await.unwrap_or_else(|| Err(gone()))
    }

    /// Logs in. The tokens are stored when this returns.
    pub async fn login(&self, credentials: Credentials) -> Result<(), CloudError> {
        self.ask(|reply| Ask::Login { credentials, reply }).await.unwrap_or_else(|| Err(gone()))
    }

    /// Waits until whatever was begun before is done and stored.
    pub async fn settle(&self) {
        self.ask(|reply| Ask::Settle { reply }).await;
    }

    /// Whether we are logged in, now and whenever that changes.
    pub fn state(&self) -> watch::Receiver<AuthState> {
        self.state.clone()
    }

    /// `None` if the keeper is gone. How long this may take is bounded by the deadlines of the keeper's own calls.
    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// Only happens while the runtime shuts down.
fn gone() -> CloudError {
    CloudError::Renewal(Arc::new(super::call::setup("the login's task has ended", "shutting down")))
}
