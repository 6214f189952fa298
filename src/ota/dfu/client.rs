//! A conversation about firmware with a watch that speaks Nordic's legacy DFU.

use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Past;
use super::talk::write;
use super::upload::Upload;
use crate::ota::{Kept, OtaError, Other, Protocol, Running, Sent, Standing, Target};
use crate::radio::{CALL_DEADLINE, Link, RadioError, sig};
use crate::wire::dfu::{CONTROL, Command, PACKET, Package};
use crate::wire::gatt;

/// Firmware revision, of Device Information.
const FIRMWARE: uuid::Uuid = sig(0x2A26);
/// A watch that was told to start its new image is gone within a second or so.
const RESTART: Duration = Duration::from_secs(10);

/// The conversation, over the link that `P` points to.
#[derive(Debug)]
pub struct Dfu<P> {
    link: P,
    past: Past,
    /// Known already, of this conversation.
    running: Option<String>,
}

impl<P> Dfu<P>
where
    P: Deref<Target: Link> + Send + Sync,
{
    /// Looks whether the watch offers it. `past` goes from one conversation to the next with the same watch.
    pub fn open(link: P, past: Past) -> Result<Self, OtaError> {
        let offered = link.characteristics();
        if [CONTROL, PACKET].iter().all(|needed| offered.contains(needed)) {
            Ok(Self { link, past, running: None })
        } else {
            Err(OtaError::NoService)
        }
    }

    async fn version(&self) -> Result<String, OtaError> {
        let read = timeout(CALL_DEADLINE, self.link.read(FIRMWARE)).await;
        let value = read.unwrap_or(Err(RadioError::Timeout("a read")))?;
        gatt::text(&value).ok_or(OtaError::Nonsense {
            request: "which firmware it runs",
            detail: "an empty firmware revision".to_owned(),
        })
    }
}

impl<P> Protocol for Dfu<P>
where
    P: Deref<Target: Link> + Send + Sync,
{
    /// The version that runs. What an upload of this process has brought there is the other image, as long as it was not started.
    async fn survey(&mut self) -> Result<Standing, OtaError> {
        // A watch with a validated image waits 10 s for the order to start it: nothing is asked twice.
        let version = match &self.running {
            Some(version) => version.clone(),
            None => self.version().await?,
        };
        self.running = Some(version.clone());
        if self.past.staged().is_some_and(|staged| staged.version == version) {
            self.past.started();
        }
        Ok(Standing {
            running: Running { image: None, version, confirmed: false },
            other: self.past.staged(),
        })
    }

    /// The watch does not tell, and the file is a package: what is in it is measured when it is read.
    fn room(&self) -> Option<u64> {
        None
    }

    /// Sends the image in the package `image`, always from its start, and has it validated.
    async fn upload(
        &mut self,
        image: &Bytes,
        target: &Target,
        progress: &watch::Sender<Sent>,
    ) -> Result<(), OtaError> {
        let package = Package::parse(image)?;
        package.check(&target.version, target.image)?;
        let upload = Upload::open(&*self.link, &package, &self.past, progress).await?;
        if let Err(error) = upload.run().await {
            let in_vain = matches!(error, OtaError::Silent(_) | OtaError::Nonsense { .. });
            self.past.failed(error.to_string(), in_vain);
            return Err(error);
        }
        let named = target.image.unwrap_or(target.file);
        self.past.arrived(Other { image: named, version: target.version.clone(), pending: true });
        Ok(())
    }

    /// Nothing: a whole image starts next time, and the watch goes back by itself unless a person keeps it.
    async fn test(&mut self, _: &Target) -> Result<(), OtaError> {
        Ok(())
    }

    /// Has the watch start the image that was validated. It can do nothing else: there is no plain restart.
    async fn reset(&mut self) -> Result<(), OtaError> {
        if self.past.staged().is_none() {
            return Err(OtaError::Refused {
                request: "to restart",
                reason:
                    "over DFU it can only be told to start an image that was just sent; restart the watch by hand"
                        .to_owned(),
                passing: false,
            });
        }
        match write(&*self.link, Command::Activate).await {
            Ok(()) => {}
            // It may have heard it: its next answer tells.
            Err(OtaError::Radio(RadioError::Closed(_))) => {
                self.past.ordered();
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if timeout(RESTART, self.link.closed()).await.is_err() && !self.past.was_ordered() {
            return Err(OtaError::NotShown("the order to start its new firmware"));
        }
        // A watch that passes the order over after a link ended with it has nothing left to start: it had heard it.
        self.past.started();
        Ok(())
    }

    /// Only a person can.
    async fn confirm(&mut self) -> Result<Kept, OtaError> {
        Ok(Kept::ByPerson)
    }

    /// Ends the link. DFU has no word for giving up an upload: the watch forgets it when it was left alone for 10 s.
    async fn close(self) {
        let _ = timeout(CALL_DEADLINE, self.link.disconnect()).await;
    }
}
