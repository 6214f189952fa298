//! SMP as a conversation about firmware.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use super::smp::{
    GattSmpLink, ImageUpload, SmpClient, SmpClientError, SmpLinkError, UploadError, UploadOptions,
};
use super::station::{Begun, lock};
use super::{Kept, OtaError, Other, Protocol, Running, Sent, Standing, Target};
use crate::radio::{Link, RadioError};
use crate::wire::Sha256;
use crate::wire::mcuboot::ImageVersion;
use crate::wire::smp::upload::{Progress, UploadFailure};
use crate::wire::smp::{ImageCode, MgmtCode, SlotState, SmpError};

/// A watch that was told to start anew does so within this time; Zephyr waits for a quarter of a second.
const FALLS_SILENT: Duration = Duration::from_secs(5);

/// A watch that speaks SMP, over one link.
pub struct SmpTalk<L> {
    client: SmpClient<GattSmpLink<Arc<L>>>,
    link: Arc<L>,
    upload: Begun,
    restarted: Arc<AtomicBool>,
}

impl<L: Link> SmpTalk<L> {
    pub(super) const fn new(
        client: SmpClient<GattSmpLink<Arc<L>>>,
        link: Arc<L>,
        upload: Begun,
        restarted: Arc<AtomicBool>,
    ) -> Self {
        Self { client, link, upload, restarted }
    }

    /// An upload of this image that an earlier link had begun, or a new one.
    fn begun(&self, image: &Bytes) -> Result<(Sha256, ImageUpload), OtaError> {
        let sha = Sha256::of(image);
        if let Some(begun) = lock(&self.upload).take().filter(|(of, _)| *of == sha) {
            return Ok(begun);
        }
        let (session, path) = (self.client.session(), self.client.path());
        let upload = ImageUpload::new(image.clone(), UploadOptions::default(), session, path);
        Ok((sha, upload.map_err(|failure| of_upload(failure.into()))?))
    }
}

impl<L: Link> Protocol for SmpTalk<L> {
    async fn survey(&mut self) -> Result<Standing, OtaError> {
        let state = self.client.state().await.map_err(of_client)?;
        let nothing =
            || OtaError::Nonsense { request: "which images it has", detail: "none of them runs".to_owned() };
        let active = state.active().ok_or_else(nothing)?;
        let running =
            Running { image: active.sha256(), version: version(active), confirmed: active.confirmed };
        let of_it = |slot: &&SlotState| !slot.active && slot.image.unwrap_or(0) == 0;
        let other = state.images.iter().filter(of_it).find_map(|slot| {
            Some(Other { image: slot.sha256()?, version: version(slot), pending: slot.pending })
        });
        Ok(Standing { running, other })
    }

    fn room(&self) -> Option<u64> {
        self.client.session().upload_slot_size().map(u64::from)
    }

    async fn upload(
        &mut self,
        image: &Bytes,
        _: &Target,
        progress: &watch::Sender<Sent>,
    ) -> Result<(), OtaError> {
        let (sha, mut upload) = self.begun(image)?;
        let mut news = upload.progress();
        let (before, total) = (news.borrow().progress, image.len() as u64);
        let ended = {
            let run = upload.run(&mut self.client);
            tokio::pin!(run);
            loop {
                tokio::select! {
                    biased;
                    ended = &mut run => break ended,
                    Ok(()) = news.changed() => {
                        progress.send_replace(since(before, news.borrow_and_update().progress, total));
                    }
                }
            }
        };
        progress.send_replace(since(before, news.borrow_and_update().progress, total));
        if let Err(UploadError::LinkNeeded(_)) = &ended {
            *lock(&self.upload) = Some((sha, upload));
        }
        ended.map_err(of_upload)
    }

    async fn test(&mut self, target: &Target) -> Result<(), OtaError> {
        let image = target.image.ok_or(OtaError::NotShown("an image without a hash"))?;
        self.client.test(image).await.map(drop).map_err(of_client)
    }

    async fn reset(&mut self) -> Result<(), OtaError> {
        // Whether or not the answer comes: it may have heard.
        self.restarted.store(true, Ordering::Relaxed);
        self.client.reset().await.map_err(of_client)?;
        // It answers first and starts anew a moment later; who connects before that meets the old image once more.
        let _ = timeout(FALLS_SILENT, self.link.closed()).await;
        Ok(())
    }

    async fn confirm(&mut self) -> Result<Kept, OtaError> {
        self.client.confirm().await.map(|_| Kept::Yes).map_err(of_client)
    }

    async fn close(self) {
        self.link.disconnect().await;
    }
}

/// A version in the one way in which it is compared; as the watch wrote it if it is none.
fn version(slot: &SlotState) -> String {
    slot.image_version().map_or_else(|| slot.version.clone(), |version: ImageVersion| version.to_string())
}

/// What went out in this call.
const fn since(before: Progress, now: Progress, total: u64) -> Sent {
    Sent {
        acked: now.acked as u64,
        total,
        sent: now.sent.saturating_sub(before.sent),
        resent: now.resent.saturating_sub(before.resent),
    }
}

pub(super) fn of_link(error: SmpLinkError) -> OtaError {
    match error {
        SmpLinkError::Closed(reason) => RadioError::Closed(reason).into(),
        SmpLinkError::NoSmp => OtaError::NoService,
        SmpLinkError::Radio(error) => error.into(),
        SmpLinkError::Stalled(_) | SmpLinkError::Socket(_) | SmpLinkError::NotLoopback(_) => {
            OtaError::Silent("a message that it was sent")
        }
    }
}

pub(super) fn of_client(error: SmpClientError) -> OtaError {
    match error {
        SmpClientError::Link(error) => of_link(error),
        error if error.is_not_supported() => OtaError::NoService,
        SmpClientError::Refused { what, refusal } => {
            OtaError::Refused { request: what, reason: refusal.to_string(), passing: passes(&refusal) }
        }
        SmpClientError::Message { what, error } => {
            OtaError::Nonsense { request: what, detail: error.to_string() }
        }
        SmpClientError::Timeout { what, .. } => OtaError::Silent(what),
    }
}

fn of_upload(error: UploadError) -> OtaError {
    const IMAGE: &str = "the image";
    let failure = match error {
        UploadError::LinkNeeded(Some(error)) => return of_link(error),
        UploadError::LinkNeeded(None) => return OtaError::Silent(IMAGE),
        UploadError::Failed(failure) => failure,
    };
    let refused = |passing| OtaError::Refused { request: IMAGE, reason: failure.to_string(), passing };
    match &failure {
        UploadFailure::Silent { .. } => OtaError::Silent(IMAGE),
        UploadFailure::HashMismatch => OtaError::Damaged,
        UploadFailure::NoProgress { acked, .. } => OtaError::NoProgress { at: u64::from(*acked) },
        UploadFailure::Budget { .. } | UploadFailure::Busy(_) | UploadFailure::SmallMessages(_) => {
            refused(true)
        }
        UploadFailure::PastEnd { .. } => OtaError::Nonsense { request: IMAGE, detail: failure.to_string() },
        UploadFailure::Refused(refusal) => {
            OtaError::Refused { request: IMAGE, reason: refusal.to_string(), passing: passes(refusal) }
        }
        UploadFailure::Size(_) | UploadFailure::Message(_) => refused(false),
    }
}

/// Whether the same may work another time: the watch was at something else, or its flash failed.
fn passes(refusal: &SmpError) -> bool {
    match refusal {
        SmpError::Image(code) => {
            matches!(code, ImageCode::FlashRead | ImageCode::FlashWrite | ImageCode::FlashErase)
        }
        other => other
            .mgmt_code()
            .is_none_or(|code| !matches!(code, MgmtCode::NotSupported | MgmtCode::AccessDenied)),
    }
}
