//! The watchers: one a watch that is configured or was paired, started and stopped while the daemon runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::supervisor::{Looper, Supervisor};
use super::wiring::watcher_config;
use crate::clock::Clock;
use crate::config::WatchConfig;
use crate::control::{Here, Seat};
use crate::measurement::UtcMicros;
use crate::outbox::{Hold, Outbox, OutboxError};
use crate::radio::{Central, PeerAddress};
use crate::sync::{WatchState, WatchStatus, Watcher, WatcherConfig, WatcherSignals};

/// How often the clock is looked at while a hold lasts: a computer that slept meanwhile finds its timers late, but not its clock.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

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
    hold: Hold,
    status: watch::Sender<WatchStatus>,
    sync_now: Arc<Notify>,
    watcher: Option<Looper>,
}

impl<C: Central> Crew<C> {
    /// A watcher for each watch that is configured, and for each that was paired; those on hold stay at rest.
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

    /// Keeps off a watch, or not any more.
    pub async fn set_hold(&mut self, address: &PeerAddress, hold: Hold) {
        if let Some(at) = self.position(address) {
            self.posts[at].hold = hold;
            self.pause(address).await;
            self.resume(address);
        }
    }

    /// Whether a watch is kept off.
    pub fn hold(&self, address: &PeerAddress) -> Hold {
        self.position(address).map(|at| self.posts[at].hold).unwrap_or_default()
    }

    /// Lets go of a watch until [`Crew::resume`]: whoever pairs or probes must not meet ourselves.
    pub async fn pause(&mut self, address: &PeerAddress) {
        if let Some(at) = self.position(address)
            && let Some(watcher) = self.posts[at].watcher.take()
        {
            watcher.end().await;
        }
    }

    /// Goes on with a watch, at once, unless it is on hold.
    pub fn resume(&mut self, address: &PeerAddress) {
        if let Some(at) = self.position(address)
            && self.posts[at].watcher.is_none()
        {
            start(&self.kit, &mut self.posts[at]);
        }
    }

    /// Waits until the first hold ends, and goes on with its watch. Cancel-safe; does not end while nothing is on hold for a time.
    pub async fn end_holds(&mut self) {
        let until = self.posts.iter().filter_map(|post| match post.hold {
            Hold::Until(until) => Some((until, post.config.address.clone())),
            _ => None,
        });
        let Some((until, address)) = until.min() else { return std::future::pending().await };
        while let left @ 1.. = until.since(self.kit.clock.now()) {
            tokio::time::sleep(Duration::from_micros(left.unsigned_abs()).min(LOOK_AGAIN)).await;
        }
        tracing::info!(watch = %address, "The hold is over.");
        self.set_hold(&address, Hold::Free).await;
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
        let (status, sync_now) = (watch::Sender::new(config.initial_status()), Arc::new(Notify::new()));
        let mut post = Post { config, configured, hold, status, sync_now, watcher: None };
        start(&self.kit, &mut post);
        self.posts.push(post);
    }

    fn publish(&self) {
        let seat = |post: &Post| Seat {
            address: post.config.address.clone(),
            name: post.config.name.clone(),
            status: post.status.subscribe(),
            sync_now: Some(Arc::clone(&post.sync_now)),
        };
        self.seats.send_replace(self.posts.iter().map(seat).collect());
    }
}

/// Starts the watcher of a post, unless it is on hold.
fn start<C: Central>(kit: &Kit<C>, post: &mut Post) {
    match post.hold {
        Hold::Until(until) if until > kit.clock.now() => return show_hold(post, Some(until)),
        Hold::UntilReleased => return show_hold(post, None),
        Hold::Until(_) | Hold::Free => post.hold = Hold::Free,
    }
    let (kit, config, status) = (kit.clone(), post.config.clone(), post.status.clone());
    let sync_now = Arc::clone(&post.sync_now);
    let supervisor = kit.supervisor.clone();
    let watcher = supervisor.start(format!("sync {}", config.address), move |cancel| {
        let signals = WatcherSignals { arrivals: Arc::clone(&kit.arrivals), sync_now: Arc::clone(&sync_now) };
        let (central, outbox) = (kit.central.clone(), kit.outbox.clone());
        let watcher = Watcher::new(central, config.clone(), outbox, kit.clock, status.clone(), signals);
        async move {
            watcher.run(cancel).await;
            Ok::<(), Infallible>(())
        }
    });
    post.watcher = Some(watcher);
}

fn show_hold(post: &Post, until: Option<UtcMicros>) {
    post.status.send_modify(|status| status.state = WatchState::Held { until });
}
