//! Starting what has to do with firmware: whoever judges requests, and the updater.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Mutex, Notify, mpsc, watch};

use super::crew::Kit;
use super::update_desk::UpdateDesk;
use super::updates::Yard;
use crate::cloud::Client;
use crate::config::{Automatic, FirmwareConfig};
use crate::control::{Seat, UpdatesView};
use crate::firmware::{Downloader, FirmwareStore, Limits, Policy, UrlGuard};
use crate::ota::Updater;
use crate::radio::Central;

/// Requests that may wait.
const WAITING: usize = 4;

/// Where firmware is, and what may become of it.
pub struct Files {
    /// The store's folder.
    pub dir: PathBuf,
    /// What may be fetched, and from where.
    pub config: FirmwareConfig,
    /// How far it has to be trusted.
    pub policy: Policy,
    /// What is left of the disk to others, bytes.
    pub keep_free: u64,
}

impl Files {
    /// Starts the loops.
    pub fn start<C: Central>(
        self,
        kit: Kit<C>,
        client: Option<Client>,
        seats: &watch::Receiver<Vec<Seat>>,
    ) -> UpdatesView {
        let Self { dir, config, policy, keep_free } = self;
        if config.automatic != Automatic::Off {
            tracing::warn!(
                "[firmware] automatic does nothing yet; `nowbridge update` brings new firmware to a watch."
            );
        }
        let store = FirmwareStore::new(dir);
        let (requests, receiver) = mpsc::channel(WAITING);
        let (bell, doing) = (Arc::new(Notify::new()), watch::Sender::default());
        let cancelled = Arc::new(watch::Sender::new(None));
        let view = UpdatesView {
            doing: doing.subscribe(),
            requests,
            cancelled: Arc::clone(&cancelled),
            bell: Arc::clone(&bell),
            store: store.clone(),
            largest: config.max_size,
            keep_free,
        };
        let Kit { central, outbox, clock, supervisor, shared, errand, .. } = kit;
        let (journal, slots, seats) = (outbox.clone(), shared.slots, seats.clone());
        let guard = UrlGuard::new(client.as_ref().map(Client::base_url), &config.hosts);
        let limits = Limits { largest: config.max_size, keep_free, ..Limits::default() };
        let downloader = Downloader::new(store.clone(), guard, limits, clock);
        let looks = Arc::default();
        let yard = Yard { central, outbox, clock, seats, slots, errand, store, policy, looks };
        // The configuration is checked when it is read.
        let channel = config.channel.as_deref().and_then(|name| name.parse().ok());
        let (asked, rung, ground) = (Arc::clone(&cancelled), Arc::clone(&bell), yard.clone());
        let desk = UpdateDesk { yard, client, downloader, channel, requests: receiver, bell, cancelled };
        // One incarnation of the loop has it at a time.
        let desk = Arc::new(Mutex::new(desk));
        supervisor.start("update desk".to_owned(), move |cancel| {
            let desk = Arc::clone(&desk);
            async move {
                let mut desk = desk.lock().await;
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = desk.run() => {}
                }
                Ok::<(), Infallible>(())
            }
        });
        supervisor.start("updates".to_owned(), move |cancel| {
            let (ground, journal, rung) = (ground.clone(), journal.clone(), Arc::clone(&rung));
            let dice = fastrand::Rng::new();
            let updater = Updater::new(ground, journal, clock, rung, asked.subscribe(), doing.clone(), dice);
            async move {
                tokio::select! {
                    () = cancel.cancelled() => Ok(()),
                    never = updater.run() => Err::<(), Infallible>(never),
                }
            }
        });
        view
    }
}
