//! The connection to the broker: kept by a task of its own, so that the broker knows at any time whether somebody is here.

use std::error::Error as StdError;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, LastWill, MqttOptions, Packet, PublishOptions,
    QoS, Transport,
};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::cloud::{self, TlsProblem};
use crate::config::MqttConfig;
use crate::upload::receiver::{Failure, Verdict};

/// Until a connection stands, TLS and login included.
const CONNECT: Duration = Duration::from_secs(15);
/// How often the broker hears of us at least; it takes us for gone after one and a half of these.
const KEEP_ALIVE_S: u16 = 30;
/// The first wait before connecting again, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));
/// Messages that may wait to be sent: a parcel makes three.
const QUEUE: usize = 16;
/// What MQTT itself allows, where the broker sets no limit.
const MAX_PACKET: u64 = 256 << 20;

/// The way to a broker.
pub struct Link {
    line: Line,
    state: Option<(watch::Receiver<State>, AbortOnDropHandle<()>)>,
}

/// A connection that stands.
#[derive(Clone)]
pub struct Session {
    /// Which one; a later one has a higher number.
    pub number: u64,
    pub client: AsyncClient,
    /// What the broker takes in a packet.
    pub max_bytes: u64,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Session),
    Down(Failure),
}

impl Link {
    /// Nothing is connected yet. `status` is where it is said whether somebody is here.
    pub fn new(config: MqttConfig, status: String, id: Uuid) -> Self {
        Self { line: Line { config, status, id }, state: None }
    }

    /// Where the broker is.
    pub fn place(&self) -> String {
        self.line.place()
    }

    /// The connection, once it stands, or why there is none.
    pub async fn session(&mut self) -> Result<Session, Failure> {
        let line = self.line.clone();
        let (state, _) = self.state.get_or_insert_with(|| {
            let (state, seen) = watch::channel(State::Connecting);
            (seen, AbortOnDropHandle::new(tokio::spawn(line.keep(state))))
        });
        let settled = state.wait_for(|state| !matches!(state, State::Connecting));
        let settled = match timeout(2 * CONNECT, settled).await {
            Ok(Ok(settled)) => Some(settled.clone()),
            _ => None,
        };
        match settled {
            Some(State::Up(session)) => Ok(session),
            Some(State::Down(failure)) => Err(failure),
            // The task ended, though it never does: the next time starts another.
            _ => {
                self.state = None;
                Err(Failure::new(Verdict::Later, format!("{} cannot be reached", self.place())))
            }
        }
    }

    /// Why the connection that stood does no longer, if that is known already.
    pub fn trouble(&self) -> Option<Failure> {
        match &*self.state.as_ref()?.0.borrow() {
            State::Down(failure) => Some(failure.clone()),
            _ => None,
        }
    }
}

/// Whom to connect to, and as whom.
#[derive(Clone)]
struct Line {
    config: MqttConfig,
    status: String,
    id: Uuid,
}

impl Line {
    fn place(&self) -> String {
        self.config.broker.to_string()
    }

    /// Keeps a connection for as long as it is not dropped, which the broker then takes for being gone.
    async fn keep(self, state: watch::Sender<State>) {
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1, fastrand::Rng::new());
        let mut number = 0;
        loop {
            number += 1;
            let failure = match self.options().await {
                Ok(options) => self.attend(options, number, &state).await,
                Err(failure) => failure,
            };
            if matches!(*state.borrow(), State::Up(_)) {
                backoff.succeeded();
            }
            tracing::debug!(broker = %self.place(), %failure, "No connection to the broker.");
            state.send_replace(State::Down(failure));
            sleep(backoff.failed(Duration::ZERO)).await;
        }
    }

    /// Connects and keeps the connection until it breaks.
    async fn attend(&self, options: MqttOptions, number: u64, state: &watch::Sender<State>) -> Failure {
        let built = AsyncClient::builder(options).capacity(QUEUE).try_build();
        let (client, mut events) = match built {
            Ok(built) => built,
            Err(error) => return Failure::new(Verdict::Misdirected, format!("sink.mqtt: {error}")),
        };
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(answer))) => {
                    let max = answer.properties.and_then(|properties| properties.max_packet_size);
                    let max_bytes = max.map_or(MAX_PACKET, u64::from);
                    // The queue is empty, so there is room for it.
                    let here = PublishOptions::at_least_once().retained();
                    if let Err(error) = client.try_publish(self.status.clone(), "online", here) {
                        tracing::debug!(%error, "The broker is not told that somebody is here.");
                    }
                    state.send_replace(State::Up(Session { number, client: client.clone(), max_bytes }));
                }
                Ok(_) => {}
                Err(error) => return self.failure(&error),
            }
        }
    }

    /// How to connect. Reads the password anew each time, so that it can be changed while nowbridge runs.
    async fn options(&self) -> Result<MqttOptions, Failure> {
        let MqttConfig { broker, username, password, .. } = &self.config;
        let is_secure = broker.scheme() == "mqtts";
        let host = broker.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = broker.port().unwrap_or(if is_secure { 8883 } else { 1883 });
        let id = self.id.simple().to_string();
        let mut options = MqttOptions::new(format!("nowbridge-{}", &id[..12]), (host, port));
        options
            .set_keep_alive(KEEP_ALIVE_S)
            .set_clean_start(true)
            .set_connect_timeout(CONNECT)
            .set_last_will(LastWill::new(self.status.clone(), "offline", QoS::AtLeastOnce, true, None));
        if let Some(password) = password.clone() {
            let read = tokio::task::spawn_blocking(move || password.read()).await;
            let read = read.map_err(|error| Failure::new(Verdict::Later, error))?;
            let password = read.map_err(|error| Failure::new(Verdict::Misdirected, error))?;
            let password = password.expose_secret().to_owned();
            options.set_credentials(username.clone().unwrap_or_default(), password);
        } else if let Some(username) = username {
            options.set_username(username.clone());
        }
        if is_secure {
            cloud::install_crypto();
            let roots = tokio::task::spawn_blocking(Transport::try_tls_with_default_config).await;
            let roots = roots.map_err(|error| Failure::new(Verdict::Later, error))?;
            let no_roots = |error| {
                Failure::new(
                    Verdict::Misdirected,
                    format!("the system's root certificates cannot be read: {error}"),
                )
            };
            options.set_transport(roots.map_err(no_roots)?);
        }
        Ok(options)
    }

    /// What it means that there is no connection.
    fn failure(&self, error: &ConnectionError) -> Failure {
        use ConnectReturnCode::{
            BadAuthenticationMethod, BadUserNamePassword, ConnectionRateExceeded, NotAuthorized,
            QuotaExceeded, ServerBusy, ServerUnavailable, ServiceUnavailable,
        };
        let place = self.place();
        let later = |detail: String| Failure::new(Verdict::Later, detail);
        match error {
            ConnectionError::ConnectionRefused(
                BadUserNamePassword | NotAuthorized | BadAuthenticationMethod,
            ) => Failure::new(
                Verdict::Misdirected,
                format!(
                    "the broker at {place} refuses the user name or the password; check sink.mqtt.username and the file that password_file names"
                ),
            ),
            ConnectionError::ConnectionRefused(
                code @ (ServerUnavailable
                | ServiceUnavailable
                | ServerBusy
                | ConnectionRateExceeded
                | QuotaExceeded),
            ) => later(format!("the broker at {place} takes nobody at the moment ({code:?})")),
            ConnectionError::ConnectionRefused(code) => {
                Failure::new(Verdict::Misdirected, format!("the broker at {place} refuses us ({code:?})"))
            }
            ConnectionError::Timeout(_) => {
                later(format!("the broker at {place} does not answer within {} s", CONNECT.as_secs()))
            }
            error => match cloud::tls_problem_of(error as &(dyn StdError + 'static)) {
                Some(problem @ (TlsProblem::NotYetValid | TlsProblem::Expired)) => {
                    Failure::new(Verdict::WrongClock, format!("no secure connection to {place}: {problem}"))
                }
                Some(problem @ TlsProblem::Other) => {
                    Failure::new(Verdict::Misdirected, format!("no secure connection to {place}: {problem}"))
                }
                None => later(format!("no connection to the broker at {place} ({error})")),
            },
        }
    }
}
