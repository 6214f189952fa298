//! An image on its way, over one link after the other.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::rate::Rate;
use super::{Session, SmpClient, SmpLink, SmpLinkError, UploadError};
use crate::wire::Sha256;
use crate::wire::smp::upload::{Action, Path, Plan, Progress, Upload, UploadFailure};
use crate::wire::smp::{ImageCode, SmpError};

/// What is asked beside the image itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Which image, on a watch that has several.
    pub number: Option<u32>,
    /// The watch shall refuse an image that is not newer than its own.
    pub upgrade: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UploadProgress {
    /// In bytes that the watch has said it has.
    pub progress: Progress,
    /// Bytes of those per second, over the last 5 s.
    pub rate: f64,
}

/// An upload. It outlives links: after [`UploadError::LinkNeeded`] it is run again, with a client over another one.
#[derive(Debug)]
pub struct ImageUpload {
    plan: Plan,
    upload: Upload,
    /// The link of the last run is gone.
    stopped: bool,
    /// The slot was erased after a fault of the watch's flash; once is enough.
    erased: bool,
    began: Instant,
    rate: Rate,
    progress: watch::Sender<UploadProgress>,
}

impl UploadProgress {
    /// How long the rest will take at this rate.
    pub fn remaining(&self) -> Option<Duration> {
        let bytes = f64::from(self.progress.len - self.progress.acked);
        Duration::try_from_secs_f64(bytes / self.rate).ok()
    }
}

impl ImageUpload {
    /// An upload of `image` to the watch of this session, over a path such as [`SmpClient::path`]. Nothing is sent yet.
    pub fn new(
        image: Bytes,
        options: UploadOptions,
        session: &Session,
        path: Path,
    ) -> Result<Self, UploadFailure> {
        let UploadOptions { number, upgrade } = options;
        let plan = Plan { sha: Sha256::of(&image), image, number, upgrade, version: session.version };
        let upload = Upload::new(plan.clone(), path)?;
        let first = UploadProgress { progress: upload.progress(), rate: 0.0 };
        let (began, rate, progress) = (Instant::now(), Rate::default(), watch::Sender::new(first));
        Ok(Self { plan, upload, stopped: false, erased: false, began, rate, progress })
    }

    /// How far it is, and every step of it.
    pub fn progress(&self) -> watch::Receiver<UploadProgress> {
        self.progress.subscribe()
    }

    /// Brings the image over. Ends at once when the link does.
    ///
    /// Cancel-safe: whoever stops waiting may run it again, over the same link or another.
    pub async fn run<L: SmpLink>(&mut self, client: &mut SmpClient<L>) -> Result<(), UploadError> {
        if std::mem::take(&mut self.stopped) {
            self.upload.reopened(client.path());
        }
        loop {
            let now = self.began.elapsed();
            let stepped = match self.upload.poll(now) {
                Action::Send(message) => client.send(&message).await,
                Action::Resubscribe => client.resubscribe().await,
                Action::WaitUntil(at) => self.wait(client, at).await,
                Action::Reconnect => return Err(self.stop(None)),
                Action::Done => return Ok(()),
                Action::Failed(failure) => {
                    self.fail(client, failure).await?;
                    Ok(())
                }
            };
            self.publish();
            if let Err(error) = stepped {
                self.upload.closed();
                return Err(self.stop(Some(error)));
            }
        }
    }

    async fn wait<L: SmpLink>(
        &mut self,
        client: &mut SmpClient<L>,
        at: Duration,
    ) -> Result<(), SmpLinkError> {
        if let Ok(message) = timeout_at(self.began + at, client.next_message()).await {
            let message = message?;
            self.upload.reply(&message, self.began.elapsed());
        }
        Ok(())
    }

    /// Another link is needed, unless that was the last that was worth a try.
    fn stop(&mut self, error: Option<SmpLinkError>) -> UploadError {
        if let Action::Failed(failure) = self.upload.poll(self.began.elapsed()) {
            return failure.into();
        }
        self.stopped = true;
        UploadError::LinkNeeded(error)
    }

    /// Tries once more in an erased slot where the flash may have been at fault. What is left behind otherwise is erased as well
    /// when it is known to be wrong.
    async fn fail<L: SmpLink>(
        &mut self,
        client: &mut SmpClient<L>,
        failure: UploadFailure,
    ) -> Result<(), UploadError> {
        let flash = matches!(
            failure,
            UploadFailure::Refused(SmpError::Image(
                ImageCode::FlashRead | ImageCode::FlashWrite | ImageCode::FlashErase
            ))
        );
        let again = flash && !self.erased;
        if again || failure == UploadFailure::HashMismatch {
            self.erased = true;
            if let Err(error) = client.erase(None).await {
                tracing::warn!("the slot could not be erased after a failed upload: {error}");
                return Err(failure.into());
            }
        }
        if !again {
            return Err(failure.into());
        }
        self.upload = Upload::new(self.plan.clone(), client.path())?;
        Ok(())
    }

    fn publish(&mut self) {
        let progress = self.upload.progress();
        if progress != self.progress.borrow().progress {
            let rate = self.rate.sample(self.began.elapsed(), progress.acked.into());
            self.progress.send_replace(UploadProgress { progress, rate });
        }
    }
}
