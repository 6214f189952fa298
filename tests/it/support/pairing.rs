//! A daemon in this process whose radio can pair: over a virtual air, with a watch that asks as real ones do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use nowbridge::clock::Clock;
use nowbridge::config::{Config, Env};
use nowbridge::control::{Client, ControlError, News};
use nowbridge::daemon::{self, DaemonError, Notifier, Wiring};
use nowbridge::outbox::Outbox;
use nowbridge::radio::air::{Air, AirCentral, AirLink, LinkModel};
use nowbridge::radio::{
    Bond, Central, PairingDesk, PairingPrompt, PeerAddress, RadioError, RadioState, Sighting,
};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::watch::WatchOptions;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::daemon::ADDRESS;
use super::process::Home;
use super::sync::{ROOMY, worn_watch};

/// The digits that every watch here shows.
pub const PASSKEY: u32 = 42_137;

/// What the watch asks when it is paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    EnterPasskey,
    ShowPasskey,
    CompareNumbers,
    Confirm,
    /// It refuses to be paired, as a chest strap does.
    Nothing,
    /// The radio cannot pair.
    NoRadio,
}

/// A radio on a virtual air that can pair.
#[derive(Clone)]
pub struct PairingRadio {
    air: AirCentral,
    asks: watch::Sender<Asks>,
    /// Who holds a bond with this host.
    pub bonds: watch::Sender<BTreeSet<PeerAddress>>,
    /// Pairings that were begun and dropped before they ended.
    pub called_off: watch::Sender<u32>,
    /// Told when the shown digits were typed into the watch.
    pub typed: Arc<Notify>,
}

impl PairingRadio {
    pub fn new(air: &Air, asks: Asks) -> Self {
        Self {
            air: AirCentral::new(air.clone()),
            asks: watch::Sender::new(asks),
            bonds: watch::Sender::default(),
            called_off: watch::Sender::new(0),
            typed: Arc::default(),
        }
    }

    /// From now on the watch asks this.
    pub fn ask(&self, asks: Asks) {
        self.asks.send_replace(asks);
    }

    async fn converse(&self, desk: PairingDesk) -> bool {
        let (yes, said) = oneshot::channel();
        let asks = *self.asks.borrow();
        let prompt = match asks {
            Asks::EnterPasskey => {
                let (reply, passkey) = oneshot::channel();
                desk.send(PairingPrompt::EnterPasskey { reply }).await.unwrap();
                return passkey.await == Ok(PASSKEY);
            }
            Asks::ShowPasskey => {
                desk.send(PairingPrompt::ShowPasskey { passkey: PASSKEY }).await.unwrap();
                self.typed.notified().await;
                return true;
            }
            Asks::CompareNumbers => PairingPrompt::CompareNumbers { passkey: PASSKEY, reply: yes },
            Asks::Nothing | Asks::NoRadio => return false,
            Asks::Confirm => PairingPrompt::Confirm { reply: yes },
        };
        desk.send(prompt).await.unwrap();
        said.await == Ok(true)
    }
}

/// Counts a pairing that is dropped half-way.
struct Unfinished<'a>(&'a watch::Sender<u32>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Central for PairingRadio {
    type Link = AirLink;

    async fn scan(&self, window: Duration) -> Result<Vec<Sighting>, RadioError> {
        self.air.scan(window).await
    }

    async fn connect(&self, peer: &PeerAddress) -> Result<AirLink, RadioError> {
        self.air.connect(peer).await
    }

    fn state(&self) -> watch::Receiver<RadioState> {
        self.air.state()
    }

    async fn bond(&self, peer: &PeerAddress) -> Result<Bond, RadioError> {
        Ok(if self.bonds.borrow().contains(peer) { Bond::Bonded } else { Bond::None })
    }

    async fn pair(&self, peer: &PeerAddress, desk: PairingDesk) -> Result<(), RadioError> {
        if *self.asks.borrow() == Asks::NoRadio {
            return Err(RadioError::Unsupported("pair"));
        }
        let unfinished = Unfinished(&self.called_off);
        let agreed = self.converse(desk).await;
        std::mem::forget(unfinished);
        if agreed {
            self.bonds.send_if_modified(|bonds| bonds.insert(peer.clone()));
            return Ok(());
        }
        let reason = "the watch refused".to_owned();
        Err(RadioError::PairingFailed { peer: peer.clone(), reason })
    }

    async fn forget(&self, peer: &PeerAddress) -> Result<bool, RadioError> {
        Ok(self.bonds.send_if_modified(|bonds| bonds.remove(peer)))
    }
}

/// A home whose daemon runs in this process, with an hour of history on a watch that nobody has configured.
pub struct Room {
    pub home: Home,
    pub air: Air,
    pub radio: PairingRadio,
    cancel: CancellationToken,
    daemon: JoinHandle<Result<(), DaemonError>>,
}

impl Room {
    /// A room without a configured watch.
    pub async fn new(asks: Asks) -> Self {
        Self::configured(asks, "").await
    }

    /// A room with this in the configuration.
    pub async fn configured(asks: Asks, more: &str) -> Self {
        let home = Home::new(&format!(
            "[state]\ndir = \"../../state/nowbridge\"\n[control]\nsocket = \"../../run/nowbridge/control.sock\"\n{more}"
        ));
        let air = Air::new(LinkModel::fast_2m_15ms().scaled(50.0));
        air.place(
            address(),
            WatchOnAir::new(worn_watch(Duration::from_hours(1), ROOMY, WatchOptions::default())),
        );
        let radio = PairingRadio::new(&air, asks);
        let (cancel, daemon) = start(&home, radio.clone());
        let room = Self { home, air, radio, cancel, daemon };
        room.is_up().await;
        room
    }

    /// Ends the daemon in order and starts it again.
    pub async fn restart(&mut self) {
        self.restart_after(async |_| ()).await;
    }

    /// The same, with something done to the outbox in between.
    pub async fn restart_after<T>(&mut self, act: impl AsyncFnOnce(&Outbox) -> T) -> T {
        self.cancel.cancel();
        (&mut self.daemon).await.unwrap().unwrap();
        let outbox = Outbox::open(&self.home.state(), Clock::System).await.unwrap();
        let done = act(&outbox).await;
        outbox.close().await.unwrap();
        (self.cancel, self.daemon) = start(&self.home, self.radio.clone());
        self.is_up().await;
        done
    }

    /// Another host connects to the watch, as soon as the daemon has let go of it.
    pub async fn another_host_connects(&self) -> AirLink {
        let other = AirCentral::new(self.air.clone());
        super::process::until("another host gets it", async || other.connect(&address()).await.ok()).await
    }

    async fn is_up(&self) {
        super::process::until("the daemon runs", async || {
            let status = self.home.status().await?;
            (status.daemon.stage == nowbridge::control::StageName::Running).then_some(())
        })
        .await;
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.home.socket()).await.unwrap()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.daemon.abort();
    }
}

fn start(home: &Home, radio: PairingRadio) -> (CancellationToken, JoinHandle<Result<(), DaemonError>>) {
    let file = home.path("config/nowbridge/config.toml");
    let config = Config::load(Some(&file), &Env::rooted(&home.path("elsewhere"))).unwrap();
    let cancel = CancellationToken::new();
    let ending = cancel.clone();
    let daemon = tokio::spawn(async move {
        let wiring = Wiring::new(&config, Some(radio), Clock::System)?;
        daemon::run(wiring, Notifier::default(), ending).await
    });
    (cancel, daemon)
}

/// Where the watch is.
pub fn address() -> PeerAddress {
    PeerAddress(ADDRESS.to_owned())
}

/// The next of the news; there must be one.
pub async fn next(news: &mut (impl Stream<Item = Result<News, ControlError>> + Unpin)) -> News {
    let told = timeout(Duration::from_secs(40), news.next()).await.expect("news are told");
    told.expect("there are more news").unwrap()
}
