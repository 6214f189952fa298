//! What is remembered of radio addresses: who answered there, whether it was paired by us, and whether it is left alone.
//!
//! An address is no identity, but a device that answers at an address with another identity than before is either another device or
//! a liar; nothing of it is filed until a person has said which.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Outbox, OutboxError};
use crate::measurement::UtcMicros;
use crate::wire::PeerAddress;
use crate::wire::bridge::DeviceId;

/// Whether a watch is left alone, so that another host can have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hold", content = "until", rename_all = "snake_case")]
pub enum Hold {
    /// It is not.
    #[default]
    Free,
    /// Until then.
    Until(UtcMicros),
    /// Until somebody releases it.
    UntilReleased,
}

/// What is remembered of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// Where it is reached.
    pub address: PeerAddress,
    /// Who answered there.
    pub device: Option<DeviceId>,
    /// The name it had when it was paired.
    pub name: Option<String>,
    /// When this daemon paired with it; `None` if it did not.
    pub paired: Option<UtcMicros>,
    /// Whether it is left alone.
    pub hold: Hold,
}

/// What became of binding a device to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Nobody had answered there before.
    New,
    /// The same as ever.
    Same,
    /// Another device answered there before; that binding stands.
    Other(DeviceId),
}

impl Outbox {
    /// Every address that something is remembered of.
    pub async fn peers(&self) -> Result<Vec<PeerRow>, OutboxError> {
        self.read(|tx| {
            Ok(tx.prepare_cached(sql!("peer_list"))?.query_map([], row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Remembers that `device` answers at `address`, unless another one did before.
    pub async fn bind_peer(&self, address: &PeerAddress, device: DeviceId) -> Result<Binding, OutboxError> {
        let address = address.clone();
        // Asked for with every session, and nearly always as before: no reason to write.
        if self.bound(&address).await? == Some(device) {
            return Ok(Binding::Same);
        }
        self.write(move |tx| {
            ensure(tx, &address)?;
            let known: Option<DeviceId> =
                tx.prepare_cached(sql!("peer_device"))?.query_row([&address.0], |row| row.get(0))?;
            match known {
                Some(known) if known == device => Ok(Binding::Same),
                Some(other) => Ok(Binding::Other(other)),
                None => {
                    tx.prepare_cached(sql!("peer_bind"))?.execute(params![address.0, device])?;
                    Ok(Binding::New)
                }
            }
        })
        .await
    }

    /// Remembers which sensor answers at `address`, and tells under what it is filed: under what it says of itself, unless another address
    /// has that already. Straps of one make may all tell the same serial number; the second one is filed under its address, and stays
    /// so, since the binding is remembered.
    pub async fn bind_sensor(
        &self,
        address: &PeerAddress,
        told: DeviceId,
    ) -> Result<(Binding, DeviceId), OutboxError> {
        let alone = DeviceId::of_address(&address.0);
        match self.bound(address).await? {
            Some(bound) if bound == alone => return Ok((Binding::Same, alone)),
            Some(_) => return Ok((self.bind_peer(address, told).await?, told)),
            None => {}
        }
        // Two that are switched on together must not both find that nobody else has it.
        let address = address.clone();
        self.write(move |tx| {
            let mut find = tx.prepare_cached(sql!("peer_elsewhere"))?;
            let is_elsewhere = find.query_row(params![address.0, told], |row| row.get(0))?;
            let device = if is_elsewhere { alone } else { told };
            ensure(tx, &address)?;
            tx.prepare_cached(sql!("peer_bind"))?.execute(params![address.0, device])?;
            Ok((Binding::New, device))
        })
        .await
    }

    /// Forgets who answered at `address`: the next one to do so is believed.
    pub async fn unbind_peer(&self, address: &PeerAddress) -> Result<(), OutboxError> {
        self.change(address, |tx, address| {
            tx.prepare_cached(sql!("peer_bind"))?.execute(params![address, None::<DeviceId>])?;
            Ok(())
        })
        .await
    }

    /// Remembers when a watch was paired, and its name if it told one; `None`: that it no longer is.
    pub async fn set_paired(
        &self,
        address: &PeerAddress,
        at: Option<UtcMicros>,
        name: Option<String>,
    ) -> Result<(), OutboxError> {
        self.change(address, move |tx, address| {
            tx.prepare_cached(sql!("peer_paired"))?.execute(params![address, at, name])?;
            Ok(())
        })
        .await
    }

    /// Remembers whether a watch is left alone, across restarts.
    pub async fn set_hold(&self, address: &PeerAddress, hold: Hold) -> Result<(), OutboxError> {
        let until = match hold {
            Hold::Free => None,
            Hold::Until(until) => Some(until.0),
            Hold::UntilReleased => Some(i64::MAX),
        };
        self.change(address, move |tx, address| {
            tx.prepare_cached(sql!("peer_hold"))?.execute(params![address, until])?;
            Ok(())
        })
        .await
    }

    async fn bound(&self, address: &PeerAddress) -> Result<Option<DeviceId>, OutboxError> {
        let address = address.0.clone();
        self.read(move |tx| {
            let found =
                tx.prepare_cached(sql!("peer_device"))?.query_row([address], |row| row.get(0)).optional()?;
            Ok(found.flatten())
        })
        .await
    }

    async fn change(
        &self,
        address: &PeerAddress,
        change: impl FnOnce(&Transaction<'_>, &str) -> Result<(), OutboxError> + Send + 'static,
    ) -> Result<(), OutboxError> {
        let address = address.clone();
        self.write(move |tx| {
            ensure(tx, &address)?;
            change(tx, &address.0)
        })
        .await
    }
}

fn ensure(tx: &Transaction<'_>, address: &PeerAddress) -> Result<(), OutboxError> {
    tx.prepare_cached(sql!("peer_ensure"))?.execute([&address.0])?;
    Ok(())
}

fn row(row: &Row<'_>) -> rusqlite::Result<PeerRow> {
    let hold = match row.get::<_, Option<i64>>(4)? {
        None => Hold::Free,
        Some(i64::MAX) => Hold::UntilReleased,
        Some(until) => Hold::Until(UtcMicros(until)),
    };
    Ok(PeerRow {
        address: PeerAddress(row.get(0)?),
        device: row.get(1)?,
        name: row.get(2)?,
        paired: row.get(3)?,
        hold,
    })
}
