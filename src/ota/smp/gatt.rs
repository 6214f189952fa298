//! SMP over a Bluetooth link.

use std::ops::Deref;

use bytes::Bytes;
use tokio::time::timeout;

use super::{SmpLink, SmpLinkError};
use crate::radio::{CALL_DEADLINE, Link, LinkClosed, Notifications, RadioError, WriteMode};
use crate::wire::smp::{CHARACTERISTIC, write_size};

/// SMP over the link that `P` points to. Notifications are on as long as it lives.
#[derive(Debug)]
pub struct GattSmpLink<P> {
    link: P,
    notifications: Notifications,
}

impl<P> GattSmpLink<P>
where
    P: Deref<Target: Link> + Send + Sync,
{
    /// Turns notifications on.
    pub async fn open(link: P) -> Result<Self, SmpLinkError> {
        if !link.characteristics().contains(&CHARACTERISTIC) {
            return Err(SmpLinkError::NoSmp);
        }
        let notifications = subscribe(&*link).await?;
        Ok(Self { link, notifications })
    }

    /// The link.
    pub fn link(&self) -> &P::Target {
        &self.link
    }
}

async fn subscribe<L: Link + ?Sized>(link: &L) -> Result<Notifications, SmpLinkError> {
    let asked = timeout(CALL_DEADLINE, link.subscribe(CHARACTERISTIC)).await;
    Ok(asked.unwrap_or(Err(RadioError::Timeout("a subscription")))?)
}

impl<P> SmpLink for GattSmpLink<P>
where
    P: Deref<Target: Link> + Send + Sync,
{
    async fn send(&mut self, piece: &[u8]) -> Result<(), SmpLinkError> {
        Ok(self.link.write(CHARACTERISTIC, piece.to_vec(), WriteMode::WithoutResponse).await?)
    }

    async fn next(&mut self) -> Result<Bytes, SmpLinkError> {
        if let Some(piece) = self.notifications.next().await {
            return Ok(piece);
        }
        let reason = timeout(CALL_DEADLINE, self.link.closed()).await;
        Err(reason.unwrap_or(LinkClosed::Lost).into())
    }

    fn piece(&self) -> usize {
        write_size(self.link.mtu())
    }

    async fn resubscribe(&mut self) -> Result<(), SmpLinkError> {
        let off = timeout(CALL_DEADLINE, self.link.unsubscribe(CHARACTERISTIC)).await;
        match off.unwrap_or(Err(RadioError::Timeout("the end of a subscription"))) {
            // Where it cannot be turned off, turning it on again is the most that can be done.
            Ok(()) | Err(RadioError::Unsupported(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.notifications = subscribe(&*self.link).await?;
        Ok(())
    }
}
