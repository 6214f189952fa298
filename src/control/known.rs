//! Who is who in the ledger: names and addresses of watches, and the device ids under which they are filed.

use std::collections::BTreeMap;

use super::desk::DeskError;
use crate::outbox::{Outbox, OutboxError};
use crate::radio::PeerAddress;
use crate::wire::bridge::DeviceId;

/// The watches that are known here.
#[derive(Clone, Debug, Default)]
pub struct Known {
    watches: Vec<(PeerAddress, Option<String>, Option<DeviceId>)>,
    filed: Vec<DeviceId>,
    /// Those of which nothing but logs was salvaged.
    strangers: Vec<DeviceId>,
}

impl Known {
    /// Those of which the outbox remembers something, by the names that they are called now.
    pub async fn gather(
        outbox: &Outbox,
        called: impl IntoIterator<Item = (PeerAddress, Option<String>)>,
    ) -> Result<Self, OutboxError> {
        let peers = outbox.peers().await?;
        let mut watches: Vec<_> =
            peers.into_iter().map(|peer| (peer.address, peer.name, peer.device)).collect();
        for (address, name) in called {
            match watches.iter_mut().find(|(known, ..)| *known == address) {
                Some((_, known, _)) => *known = name.or(known.take()),
                None => watches.push((address, name, None)),
            }
        }
        let logs = outbox.logs().await?;
        let is_bound = |device| watches.iter().any(|(.., known)| *known == Some(device));
        let strangers = logs.iter().filter(|log| log.adrift && !is_bound(log.device)).map(|log| log.device);
        let strangers = strangers.collect();
        Ok(Self { watches, filed: logs.iter().map(|log| log.device).collect(), strangers })
    }

    /// The device that is called so: a name, an address or the device id.
    pub fn device(&self, asked: &str) -> Result<DeviceId, DeskError> {
        let asked = asked.trim();
        let by_id = asked.parse().ok().filter(|device| self.filed.contains(device));
        let by_name = || self.watches.iter().find(|(_, name, _)| name.as_deref() == Some(asked));
        let by_address = || self.watches.iter().find(|(known, ..)| known.0.eq_ignore_ascii_case(asked));
        let bound = || by_name().or_else(by_address).and_then(|(.., device)| *device);
        by_id.or_else(bound).ok_or_else(|| DeskError::NothingFiled {
            asked: asked.to_owned(),
            known: self.names().into_values().collect(),
        })
    }

    /// Where a device is reached.
    pub fn address(&self, device: DeviceId) -> Option<&PeerAddress> {
        self.watches.iter().find(|(.., known)| *known == Some(device)).map(|(address, ..)| address)
    }

    /// What to call each.
    pub fn names(&self) -> BTreeMap<DeviceId, String> {
        let own = self.filed.iter().map(|device| {
            let is_strange = self.strangers.contains(device);
            let name = if is_strange { "a watch that damage made unknown," } else { "watch" };
            (*device, format!("{name} {device}"))
        });
        let label = |(address, name, device): &(PeerAddress, Option<String>, Option<DeviceId>)| {
            Some(((*device)?, name.clone().unwrap_or_else(|| address.0.clone())))
        };
        own.chain(self.watches.iter().filter_map(label)).collect()
    }

    /// What to call each address.
    pub fn addresses(&self) -> BTreeMap<String, String> {
        let label = |(address, name, _): &(PeerAddress, Option<String>, Option<DeviceId>)| {
            (address.0.clone(), name.clone().unwrap_or_else(|| address.0.clone()))
        };
        self.watches.iter().map(label).collect()
    }
}
