//! The client: the real implementation of [`Api`].

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use secrecy::SecretString;
use tokio::sync::watch;

use super::auth::Auth;
use super::call::{Call, Reply};
use super::keeper::Keeper;
use super::session::Session;
use super::token_file::TokenFile;
use super::transport::Transport;
use super::{
    Api, AuthState, BaseUrl, CloudError, Credentials, DayOfValues, FirmwareOffer, FirmwareQuery,
    FirmwareRoutes, MeasurementQuery, Pass, Timeouts, Upload, UploadReceipt, User, UserSettings, firmware,
    measurement, user,
};
use crate::clock::Clock;
use crate::measurement::{Day, Kind};

/// What a client needs to know.
#[derive(Debug)]
pub struct ClientConfig {
    /// Where the API is.
    pub base_url: BaseUrl,
    /// Sent as it is with login and refresh, if the cloud asks for it.
    pub x_auth_token: Option<SecretString>,
    /// With these, the client logs in by itself when nothing else helps.
    pub credentials: Option<Credentials>,
    /// Where the login outlasts a restart; in a directory that exists and belongs to us.
    pub token_file: Option<PathBuf>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Where the API has what concerns firmware.
    pub firmware_routes: FirmwareRoutes,
}

impl ClientConfig {
    /// A client of `base_url` without login, token file or guard.
    pub fn new(base_url: BaseUrl) -> Self {
        Self {
            base_url,
            x_auth_token: None,
            credentials: None,
            token_file: None,
            timeouts: Timeouts::default(),
            firmware_routes: FirmwareRoutes::default(),
        }
    }
}

/// A client of one cloud. Clones share connections and login.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    session: Session,
    routes: Arc<FirmwareRoutes>,
}

impl Client {
    /// Sets up a client and reads the token file. Nothing is sent yet. Must be called within a tokio runtime.
    pub fn new(config: ClientConfig, clock: Clock) -> Result<Self, CloudError> {
        let file = config.token_file.map(|path| TokenFile::new(path, &config.base_url));
        let transport = Transport::new(config.base_url, config.timeouts, clock)?;
        let auth = Auth::new(transport.clone(), config.x_auth_token.as_ref())?;
        let session = Session::start(Keeper::new(auth, file, config.credentials, clock));
        Ok(Self { transport, session, routes: Arc::new(config.firmware_routes) })
    }

    /// Logs in; the tokens are stored when this returns.
    pub async fn login(&self, credentials: &Credentials) -> Result<(), CloudError> {
        self.session.login(credentials.clone()).await
    }

    /// The cloud that this client speaks to.
    pub fn base_url(&self) -> &BaseUrl {
        self.transport.base_url()
    }

    /// Where the API has what concerns firmware.
    pub fn routes(&self) -> &FirmwareRoutes {
        &self.routes
    }

    /// Whether we are logged in.
    pub fn auth_state(&self) -> AuthState {
        self.session.state().borrow().clone()
    }

    /// The same, and every change of it.
    pub fn auth_changes(&self) -> watch::Receiver<AuthState> {
        self.session.state()
    }

    /// Waits until a login or refresh that is under way is done and stored. To be called before the runtime ends.
    pub async fn settle(&self) {
        self.session.settle().await;
    }

    /// Sends a call with a token. A 401 costs one renewal and one more attempt, never two.
    pub(super) async fn send(&self, call: &Call) -> Result<Reply, CloudError> {
        let access = self.session.token(None).await?;
        let first = self.transport.send(call, Some(&access.bearer)).await;
        if !first.as_ref().is_err_and(|error| error.status() == Some(401)) {
            return first;
        }
        let access = self.session.token(Some(access.number)).await?;
        let second = self.transport.send(call, Some(&access.bearer)).await;
        second.map_err(|error| match error {
            CloudError::Api { status: 401, messages, .. } => CloudError::TokenRefused { messages },
            other => other,
        })
    }
}

impl Api for Client {
    async fn user(&self) -> Result<User, CloudError> {
        user::user(self).await
    }

    async fn settings(&self) -> Result<UserSettings, CloudError> {
        user::settings(self).await
    }

    async fn upload(&self, upload: Upload) -> Result<UploadReceipt, CloudError> {
        measurement::upload(self, upload).await
    }

    async fn measurements(&self, query: MeasurementQuery) -> Result<Vec<DayOfValues>, CloudError> {
        measurement::measurements(self, query).await
    }

    async fn delete_measurements(&self, kind: Kind, from: Day, to: Day) -> Result<(), CloudError> {
        measurement::delete(self, kind, from, to).await
    }

    async fn firmware(&self, query: FirmwareQuery) -> Result<Option<FirmwareOffer>, CloudError> {
        firmware::latest(self, &query).await
    }

    async fn pass(&self, to: Url, refused: Option<Pass>) -> Result<Option<Pass>, CloudError> {
        if !self.base_url().is_origin_of(&to) {
            return Ok(None);
        }
        let access = self.session.token(refused.map(|pass| pass.number)).await?;
        Ok(Some(Pass { number: access.number, bearer: access.bearer }))
    }
}
