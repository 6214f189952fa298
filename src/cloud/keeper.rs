//! The one task that owns the tokens: hands them out, renews them, stores them before they are used.
//!
//! Rules, all of them learnt from clients that logged their users out:
//! - one renewal at a time; all who asked before it ended share its outcome, good or bad;
//! - new tokens are on disk before the first request carries them. Only a disk that refuses them does not hold them back:
//!   the old ones are spent by then, and a full disk must not log anybody out. Storing is tried again at every request;
//! - only the API's own refusal (4xx) ends a login. Timeouts, 5xx and sign-in pages never do, and nothing deletes the file;
//! - what another process wrote into the file (`nowbridge login`) counts more than what is in memory;
//! - a password that was refused is not tried again.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::auth::{Auth, Credentials, Tokens, bearer};
use super::session::{Access, Ask};
use super::token_file::{TokenFile, TokenFileError};
use super::{AuthState, CloudError, LoginReason};
use crate::clock::Clock;

/// Renewing early leaves time to do it again. The rest covers a server clock that runs ahead of ours.
const RENEW_AFTER_PERCENT: u32 = 80;
/// A renewal ahead of time that failed is not urgent: the old token still holds.
const RENEW_AGAIN: Duration = Duration::from_mins(1);

/// Owner of the tokens.
#[derive(Debug)]
pub(super) struct Keeper {
    auth: Auth,
    file: Option<TokenFile>,
    clock: Clock,
    /// Configured ones; gone once they were refused.
    credentials: Option<Credentials>,
    held: Option<Held>,
    /// The tokens in use are not on disk.
    unsaved: bool,
    issued: u64,
    failure: Option<Failure>,
    state: watch::Sender<AuthState>,
}

/// The tokens in use.
#[derive(Debug)]
struct Held {
    tokens: Tokens,
    access: Access,
    renew_at: Option<Instant>,
    /// Set when the refresh token was refused: it is not sent again.
    spent: Option<LoginReason>,
}

/// The renewal that failed last.
#[derive(Debug)]
struct Failure {
    ended: Instant,
    error: Arc<CloudError>,
}

impl Keeper {
    /// Reads the token file, if there is one. Blocks for that moment.
    pub fn new(auth: Auth, file: Option<TokenFile>, credentials: Option<Credentials>, clock: Clock) -> Self {
        let state = watch::Sender::new(AuthState::Anonymous);
        let mut keeper = Self {
            auth,
            file,
            clock,
            credentials,
            held: None,
            unsaved: false,
            issued: 0,
            failure: None,
            state,
        };
        match keeper.file.as_ref().map_or(Ok(None), TokenFile::load) {
            Ok(Some(tokens)) => drop(keeper.hold(tokens)),
            Ok(None) => {}
            // The daemon has other things to do than to log in; it must start.
            Err(error) => keeper.needs_login(LoginReason::Unreadable { what: error.to_string() }),
        }
        keeper
    }

    pub fn state(&self) -> watch::Receiver<AuthState> {
        self.state.subscribe()
    }

    /// Answers until nobody can ask any more.
    pub async fn run(mut self, mut line: mpsc::Receiver<Ask>) {
        while let Some(ask) = line.recv().await {
            // Whoever asked may have been cancelled; what was done for it holds all the same.
            match ask {
                Ask::Token { refused, asked_at, reply } => {
                    drop(reply.send(self.token(refused, asked_at).await));
                }
                Ask::Login { credentials, reply } => drop(reply.send(self.login(&credentials).await)),
                Ask::Settle { reply } => drop(reply.send(())),
            }
        }
    }

    async fn token(&mut self, refused: Option<u64>, asked_at: Instant) -> Result<Access, CloudError> {
        self.store_again().await;
        if let Some(held) = &self.held
            && held.spent.is_none()
            && refused != Some(held.access.number)
        {
            let in_use = held.access.clone();
            return Ok(if held.is_due() { self.renewed_early(in_use).await } else { in_use });
        }
        if let Some(failure) = &self.failure
            && asked_at <= failure.ended
        {
            return Err(CloudError::Renewal(Arc::clone(&failure.error)));
        }
        self.renewed().await
    }

    /// The token in use may be sent for a while yet, so a failure here is nobody's problem.
    async fn renewed_early(&mut self, in_use: Access) -> Access {
        match self.renewed().await {
            Ok(access) => access,
            Err(error) => {
                tracing::warn!(%error, "the login could not be renewed ahead of time");
                if let Some(held) = &mut self.held {
                    held.renew_at = Some(Instant::now() + RENEW_AGAIN);
                }
                in_use
            }
        }
    }

    /// New tokens, from wherever they can be had.
    async fn renewed(&mut self) -> Result<Access, CloudError> {
        if let Some(tokens) = self.changed_on_disk().await {
            return Ok(self.hold(tokens));
        }
        let result = match self.refreshed().await {
            Ok(Some(tokens)) => Ok(tokens),
            Ok(None) => self.logged_in_again().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(tokens) => {
                if let Err(error) = self.keep(&tokens).await {
                    tracing::warn!(%error, "in use without being stored");
                }
                Ok(self.hold(tokens))
            }
            Err(error @ CloudError::NeedsLogin { .. }) => Err(error),
            Err(error) => {
                let error = Arc::new(error);
                self.failure = Some(Failure { ended: Instant::now(), error: Arc::clone(&error) });
                Err(CloudError::Renewal(error))
            }
        }
    }

    /// Trades the refresh token in; `None` if there is none that the server takes.
    async fn refreshed(&mut self) -> Result<Option<Tokens>, CloudError> {
        let now = self.clock.now();
        let Some(held) = self.held.as_mut().filter(|held| held.spent.is_none()) else { return Ok(None) };
        match self.auth.refresh(&held.tokens.refresh, now).await {
            Ok(tokens) => Ok(Some(tokens)),
            Err(error) => match refusal(&error) {
                Some((status, message)) => {
                    held.spent = Some(LoginReason::RefreshRefused { status, message });
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }

    /// Logs in with the configured credentials, at most once until they are accepted.
    async fn logged_in_again(&mut self) -> Result<Tokens, CloudError> {
        let Some(credentials) = &self.credentials else {
            return Err(self.nothing_left());
        };
        match self.auth.login(credentials, self.clock.now()).await {
            Ok(tokens) => Ok(tokens),
            Err(error) => match refusal(&error) {
                Some((status, message)) => {
                    self.credentials = None;
                    self.needs_login(LoginReason::PasswordRefused { status, message });
                    Err(self.nothing_left())
                }
                None => Err(error),
            },
        }
    }

    async fn login(&mut self, credentials: &Credentials) -> Result<(), CloudError> {
        let tokens = self.auth.login(credentials, self.clock.now()).await?;
        let stored = self.keep(&tokens).await;
        self.hold(tokens);
        Ok(stored?)
    }

    /// Without tokens, credentials or hope: why somebody has to log in.
    fn nothing_left(&mut self) -> CloudError {
        let spent = self.held.as_ref().and_then(|held| held.spent.clone());
        let why = match (&*self.state.borrow(), spent) {
            (AuthState::NeedsLogin { why }, _) => why.clone(),
            (_, Some(spent)) => spent,
            // Not a change of state: nobody has logged in yet, which is what `Anonymous` says.
            _ => return CloudError::NeedsLogin { why: LoginReason::NeverLoggedIn },
        };
        self.needs_login(why.clone());
        CloudError::NeedsLogin { why }
    }

    fn needs_login(&mut self, why: LoginReason) {
        let state = AuthState::NeedsLogin { why };
        if *self.state.borrow() != state {
            tracing::warn!(?state, "the cloud needs a new login");
            self.state.send_replace(state);
        }
    }

    /// Tokens that another process has put into the file since we read or wrote it.
    async fn changed_on_disk(&self) -> Option<Tokens> {
        // An older login than ours is on disk, not a newer one.
        let file = self.file.clone().filter(|_| !self.unsaved)?;
        let stored = tokio::task::spawn_blocking(move || file.load()).await.ok()?.ok()??;
        let ours = self.held.as_ref().map(|held| held.tokens.refresh.expose_secret());
        (ours != Some(stored.refresh.expose_secret())).then_some(stored)
    }

    /// Stores tokens, so that they may be put to use.
    async fn keep(&mut self, tokens: &Tokens) -> Result<(), TokenFileError> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let tokens = tokens.clone();
        // A task that did not end is one that the runtime dropped while shutting down.
        let stored = tokio::task::spawn_blocking(move || file.save(&tokens)).await.unwrap_or(Ok(()));
        self.unsaved = stored.is_err();
        stored
    }

    async fn store_again(&mut self) {
        if let Some(tokens) = self.held.as_ref().map(|held| held.tokens.clone()).filter(|_| self.unsaved) {
            // The first failure was reported; as long as it lasts there is nothing new to say.
            let _ = self.keep(&tokens).await;
        }
    }

    /// Puts tokens to use.
    fn hold(&mut self, tokens: Tokens) -> Access {
        self.issued += 1;
        let bearer = bearer(&tokens.access).expect("was checked when the token came in");
        let access = Access { bearer, number: self.issued };
        let renew_at = tokens.expires_in.map(|life| {
            // After a restart, the wall clock tells how old the token is. It is not to be trusted far: a token from the
            // future counts as new, and the server has the last word anyway.
            let age = u64::try_from(self.clock.now().since(tokens.obtained_at)).unwrap_or(0);
            let due = life * RENEW_AFTER_PERCENT / 100;
            Instant::now() + due.saturating_sub(Duration::from_micros(age))
        });
        self.held = Some(Held { tokens, access: access.clone(), renew_at, spent: None });
        self.failure = None;
        self.state
            .send_if_modified(|state| std::mem::replace(state, AuthState::LoggedIn) != AuthState::LoggedIn);
        access
    }
}

impl Held {
    fn is_due(&self) -> bool {
        self.renew_at.is_some_and(|at| at <= Instant::now())
    }
}

/// Status and words of a refusal that is meant for good. The API's identity service answers a spent token with 400 as well
/// as with 401, so every 4xx counts that does not ask for patience.
fn refusal(error: &CloudError) -> Option<(u16, String)> {
    match error {
        CloudError::Api { status: status @ 400..=499, messages, .. } if !error.is_transient() => {
            Some((*status, messages.join("; ")))
        }
        _ => None,
    }
}
