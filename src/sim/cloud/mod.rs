//! The private cloud: a server that speaks the NOWATCH API 0.9.0 over a SQLite file of its own.
//!
//! For people who keep their measurements at home, for the demo, and for tests of the client. It shares no code with the
//! client on purpose: each checks the other's reading of the contract. Served are the routes of the main path (register,
//! login, refresh, user, settings, and upload, list and delete of measurements) and of firmware; what the public pages leave open is
//! decided here and marked where it stands.
//!
//! ```text
//! mod           PrivateCloud: open, users, serve
//! routes/       one file a tag; thin: check, call the store, answer
//! refusal       every error in the API's shape
//! archive       the zip of an upload, with limits
//! packed        an hour of values as one blob
//! store/        SQLite: users, tokens, measurements
//! faults        failures on purpose
//! ```

mod archive;
mod body;
mod error;
mod faults;
mod packed;
mod refusal;
mod registration;
mod routes;
mod secrets;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use error::PrivateCloudError;
pub use faults::{Fault, FaultPlan, Faults};

use crate::clock::Clock;
use registration::Registration;
use store::{Right, Store};

/// Password hashing and unpacking run so many at a time: each takes a core, and memory that a Raspberry Pi has little of.
const HEAVY_AT_A_TIME: usize = 2;

/// How long the address of a firmware file holds: longer than any download of one should take.
const ADDRESS_LIFE: Duration = Duration::from_mins(15);

/// How long requests under way may take to end once the server is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// The private cloud. Cheap to clone; clones share the database.
#[derive(Clone)]
pub struct PrivateCloud {
    store: Store,
    clock: Clock,
    auth_token: Option<secrets::Sha>,
    faults: Option<Faults>,
    heavy: Arc<Semaphore>,
    address_life: Duration,
}

impl PrivateCloud {
    /// Opens the database `cloud.db` in `data_dir`, and makes both if they are missing. Blocks for the disk.
    pub fn open(data_dir: &Path, clock: Clock) -> Result<Self, PrivateCloudError> {
        Ok(Self {
            store: Store::open(data_dir)?,
            clock,
            auth_token: None,
            faults: None,
            heavy: Arc::new(Semaphore::new(HEAVY_AT_A_TIME)),
            address_life: ADDRESS_LIFE,
        })
    }

    /// From now on register and login require the header `x-auth-token` with this value.
    #[must_use]
    pub fn with_auth_token(self, token: &SecretString) -> Self {
        Self { auth_token: Some(secrets::digest(&[token.expose_secret().as_bytes()])), ..self }
    }

    /// Puts faults between the clients and the routes.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Adds a user, by the same rules as a registration over the API. The owner of the machine is taken to accept the terms.
    pub async fn add_user(
        &self,
        email: &str,
        password: SecretString,
        first_name: &str,
        last_name: &str,
    ) -> Result<(), PrivateCloudError> {
        let now_ms = self.now_ms();
        let new = Registration {
            email: email.to_owned(),
            password,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            toc_accepted_ms: now_ms,
            privacy_accepted_ms: now_ms,
        };
        match new.faults() {
            faults if faults.is_empty() => self.register(new).await,
            faults => Err(PrivateCloudError::Unfit(faults)),
        }
    }

    /// Sets whether the user consents to sharing data (`settings.user_consent.data_sharing`), which clients ask before they
    /// upload.
    pub async fn set_consent(&self, email: &str, data_sharing: bool) -> Result<(), PrivateCloudError> {
        let (email, now_ms) = (email.to_owned(), self.now_ms());
        self.store.write(move |tx| store::consent(tx, &email, data_sharing, now_ms)).await
    }

    /// Makes a user an administrator, or an ordinary user again.
    pub async fn set_admin(&self, email: &str, is_admin: bool) -> Result<(), PrivateCloudError> {
        let email = email.to_owned();
        self.store.write(move |tx| store::grant(tx, &email, Right::Admin, is_admin)).await
    }

    /// Sets whether the user gets firmware before others (`isEarlyAccess`).
    pub async fn set_early_access(&self, email: &str, early_access: bool) -> Result<(), PrivateCloudError> {
        let email = email.to_owned();
        self.store.write(move |tx| store::grant(tx, &email, Right::EarlyAccess, early_access)).await
    }

    /// From now on the addresses of firmware hold for so long, in whole seconds.
    #[must_use]
    pub fn with_address_life(self, address_life: Duration) -> Self {
        Self { address_life, ..self }
    }

    /// The server as a service, for `axum::serve` or for calling without a socket.
    pub fn router(&self) -> Router {
        let router = routes::all(self.clone()).layer(from_fn_with_state(self.clock, refusal::in_shape));
        match &self.faults {
            Some(faults) => router.layer(from_fn_with_state((faults.clone(), self.clock), faults::inject)),
            None => router,
        }
    }

    /// Serves until `stop` is cancelled and the requests under way have ended, or ten seconds after.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), PrivateCloudError> {
        let server =
            axum::serve(listener, self.router()).with_graceful_shutdown(stop.clone().cancelled_owned());
        let overdue = async {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            ended = server => ended.map_err(PrivateCloudError::Serve),
            () = overdue => Ok(()),
        }
    }

    async fn register(&self, new: Registration) -> Result<(), PrivateCloudError> {
        let password = new.password.clone();
        let hash = self.heavy(move || secrets::hash_password(&password)).await?;
        let now_ms = self.now_ms();
        self.store.write(move |tx| store::add(tx, &new, &hash, now_ms)).await
    }

    /// Runs work that takes a core for a while, a few pieces at a time.
    async fn heavy<T, F>(&self, work: F) -> Result<T, PrivateCloudError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, PrivateCloudError> + Send + 'static,
    {
        let permit = Arc::clone(&self.heavy).acquire_owned().await.expect("nothing closes this semaphore");
        store::off_thread(move || {
            // Held by the work, not by the request: a client that hangs up does not make room.
            let _permit = permit;
            work()
        })
        .await
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().millis()
    }
}
