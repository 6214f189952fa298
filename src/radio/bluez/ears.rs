//! Listening to the peers' values, one ear for each peer that was ever connected.
//!
//! An ear outlives its links, for dbus 0.9 and bluez-async do not let go of a match rule safely: where a signal is handled between the drop
//! of a stream and the removal of its rule, bluez-async panics in a task of its own and the rule stays on the bus for good.
//! With one for each link that happens every few links; the bus allows 512 rules, and then nothing is heard any more.
//! For the same reason links are not made through btleplug's `connect`, which listens for a moment each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use btleplug::api::Peripheral as _;
use btleplug::platform::Peripheral;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::{Fault, within};
use super::ground::STEP_DEADLINE;
use super::session::{Session, Values};

/// Peers that are remembered. A host has a handful; more are others that somebody has looked at.
const MOST: usize = 32;

/// The ears of one connection of btleplug's. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Ears(Arc<Mutex<BTreeMap<String, Ear>>>);

/// One ear.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    /// The peripheral that it listens to. What it can make sense of are the services that were last discovered on this handle and its
    /// clones, so all links are made with them.
    pub peripheral: Peripheral,
    sessions: mpsc::Sender<Session>,
}

impl Ears {
    /// The ear for the device at this path, if there is one. It works for any later bluetoothd, too.
    pub fn of(&self, path: &str) -> Option<Ear> {
        let mut ears = self.lock();
        ears.retain(|_, ear| !ear.sessions.is_closed());
        ears.get(path).cloned()
    }

    /// Begins to listen to the device at this path.
    pub async fn listen(
        &self,
        path: &str,
        peripheral: Peripheral,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Ear, Fault> {
        let values = within(STEP_DEADLINE, "notifications", peripheral.notifications()).await?;
        let (sessions, queue) = mpsc::channel(1);
        tasks.spawn(listen(values, queue, stop));
        let ear = Ear { peripheral, sessions };
        let mut ears = self.lock();
        if ears.len() >= MOST {
            // Any will do: a link that it has goes on.
            ears.pop_first();
        }
        ears.insert(path.to_owned(), ear.clone());
        Ok(ear)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Ear>> {
        // Nothing that is done behind the lock can leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear {
    /// Listens for a link until it ends. One after the other: a peer has one link at a time.
    pub async fn attend(&self, session: Session) -> Result<(), Fault> {
        let gone = |_| Fault::new("", "nobody listens to this device any more");
        self.sessions.send(session).await.map_err(gone)
    }
}

async fn listen(mut values: Values, mut sessions: mpsc::Receiver<Session>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            session = sessions.recv() => match session {
                Some(session) => session.run(&mut values).await,
                None => return,
            },
            () = stop.cancelled() => return,
            // Nobody's: taken all the same, or they would pile up.
            value = values.next() => if value.is_none() {
                return;
            },
        }
    }
}
