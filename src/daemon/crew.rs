//! The watchers: one a watch that is configured or was paired, started and stopped while the daemon runs.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, watch};

use super::supervisor::{Looper, Supervisor};
use super::wiring::watcher_config;
use crate::clock::Clock;
use crate::config::WatchConfig;
use crate::control::{Here, Seat};
use crate::outbox::{Hold, Outbox, OutboxError};
use crate::radio::{Central, PeerAddress};
use crate::sync::{Shared, WatchState, WatchStatus, Watcher, WatcherConfig, WatcherSignals};

/// What every watcher is given.
#[derive(Clone)]
pub struct Kit<C> {
    /// The radio.
    pub central: C,
    /// The store.
    pub outbox: Outbox,
    /// Wall time.
    pub clock: Clock,
    /// Who looks after the loops.
    pub supervisor: Supervisor,
    /// Said when something has arrived.
    pub arrivals: Arc<Notify>,
    /// What the watchers share among themselves.
    pub shared: Shared,
    /// Whoever has the radio for something that no watcher may disturb: a person's errand, or an update. One at a time.
    pub errand: Arc<Semaphore>,
}

/// The watchers. One task owns them.
pub struct Crew<C> {
    kit: Kit<C>,
    posts: Vec<Post>,
    seats: watch::Sender<Vec<Seat>>,
}

/// A watch that is looked after.
struct Post {
    config: WatcherConfig,
    configured: bool,
    status: watch::Sender<WatchStatus>,
    signals: WatcherSignals,
    watcher: Option<Looper>,
}

impl<C: Central> Crew<C> {
    /// A watcher for each watch that is configured, and for each that was paired; those on hold are left alone.
    pub async fn muster(kit: Kit<C>, watches: Vec<WatcherConfig>) -> Result<Self, OutboxError> {
        let mut crew = Self { kit, posts: Vec::new(), seats: watch::Sender::default() };
        let peers = crew.kit.outbox.peers().await?;
        let is_configured = |address: &PeerAddress| watches.iter().any(|watch| watch.address == *address);
        let paired: Vec<WatcherConfig> = peers
            .iter()
            .filter(|peer| peer.paired.is_some() && !is_configured(&peer.address))
            .map(|peer| watcher_config(&WatchConfig::new(peer.address.clone(), peer.name.clone())))
            .collect();
        for (config, configured) in watches
            .into_iter()
            .map(|watch| (watch, true))
            .chain(paired.into_iter().map(|watch| (watch, false)))
        {
            let hold = peers.iter().find(|peer| peer.address == config.address).map(|peer| peer.hold);
            crew.post(config, configured, hold.unwrap_or_default());
        }
        crew.publish();
        Ok(crew)
    }

    /// The watches, as they come and go.
    pub fn seats(&self) -> watch::Receiver<Vec<Seat>> {
        self.seats.subscribe()
    }

    /// Looks after a watch that was paired just now, at once; whether or not it is new.
    pub fn take_on(&mut self, address: &PeerAddress, name: Option<String>) {
        match self.posts.iter_mut().find(|post| post.config.address == *address) {
            Some(post) if !post.configured && name.is_some() => {
                post.config.name.clone_from(&name);
                post.status.send_modify(|status| status.name = name);
            }
            Some(_) => {}
            None => self.post(watcher_config(&WatchConfig::new(address.clone(), name)), false, Hold::Free),
        }
        self.publish();
    }

    /// Looks after a watch no longer. `true` if it still does, as the configuration wants it.
    pub async fn dismiss(&mut self, address: &PeerAddress) -> bool {
        let Some(at) = self.position(address) else { return false };
        if self.posts[at].configured {
            return true;
        }
        let post = self.posts.remove(at);
        if let Some(watcher) = post.watcher {
            watcher.end().await;
        }
        self.publish();
        false
    }

    /// Keeps off a watch, or not any more. Its watcher lets go of it as soon as it hears of it.
    pub fn set_hold(&self, address: &PeerAddress, hold: Hold) {
        if let Some(at) = self.position(address) {
            self.posts[at].signals.hold.send_replace(hold);
        }
    }

    /// Whether a watch is kept off.
    pub fn hold(&self, address: &PeerAddress) -> Hold {
        let hold = self.position(address).map(|at| *self.posts[at].signals.hold.borrow());
        match hold.unwrap_or_default() {
            Hold::Until(until) if until <= self.kit.clock.now() => Hold::Free,
            hold => hold,
        }
    }

    /// Lets go of a watch until [`Crew::resume`]: whoever pairs or probes must not meet ourselves.
    pub async fn pause(&mut self, address: &PeerAddress) {
        if let Some(at) = self.position(address)
            && let Some(watcher) = self.posts[at].watcher.take()
        {
            watcher.end().await;
            // It has not stopped for good: somebody else reaches for the watch meanwhile.
            self.posts[at].status.send_modify(|status| status.state = WatchState::Connecting);
        }
    }

    /// Goes on with a watch, at once.
    pub fn resume(&mut self, address: &PeerAddress) {
        if let Some(at) = self.position(address)
            && self.posts[at].watcher.is_none()
        {
            start(&self.kit, &mut self.posts[at]);
        }
    }

    /// What a device is here.
    pub fn here(&self, address: &PeerAddress, bonded: bool) -> Here {
        match self.position(address).map(|at| &self.posts[at]) {
            Some(post) if post.configured => Here::Configured { name: post.config.name.clone() },
            Some(post) => Here::Paired { name: post.config.name.clone() },
            None if bonded => Here::Bonded,
            None => Here::Stranger,
        }
    }

    /// What a watch is called.
    pub fn name(&self, address: &PeerAddress) -> Option<String> {
        self.position(address).and_then(|at| self.posts[at].config.name.clone())
    }

    fn position(&self, address: &PeerAddress) -> Option<usize> {
        self.posts.iter().position(|post| post.config.address == *address)
    }

    fn post(&mut self, config: WatcherConfig, configured: bool, hold: Hold) {
        let status = watch::Sender::new(config.initial_status());
        let arrivals = Arc::clone(&self.kit.arrivals);
        let signals =
            WatcherSignals { arrivals, hold: watch::Sender::new(hold), ..WatcherSignals::default() };
        let mut post = Post { config, configured, status, signals, watcher: None };
        start(&self.kit, &mut post);
        self.posts.push(post);
    }

    fn publish(&self) {
        let seat = |post: &Post| Seat {
            address: post.config.address.clone(),
            name: post.config.name.clone(),
            status: post.status.subscribe(),
            sync_now: Some(Arc::clone(&post.signals.sync_now)),
            updating: Some(post.signals.updating.clone()),
        };
        self.seats.send_replace(self.posts.iter().map(seat).collect());
    }
}

/// Starts the watcher of a post.
fn start<C: Central>(kit: &Kit<C>, post: &mut Post) {
    let (kit, config) = (kit.clone(), post.config.clone());
    let (status, signals) = (post.status.clone(), post.signals.clone());
    let supervisor = kit.supervisor.clone();
    let watcher = supervisor.start(format!("sync {}", config.address), move |cancel| {
        let (central, outbox) = (kit.central.clone(), kit.outbox.clone());
        let (status, signals, shared) = (status.clone(), signals.clone(), kit.shared.clone());
        let watcher = Watcher::new(central, config.clone(), outbox, kit.clock, status, signals, shared);
        async move {
            watcher.run(cancel).await;
            Ok::<(), Infallible>(())
        }
    });
    post.watcher = Some(watcher);
}
