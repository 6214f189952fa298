//! Judging what somebody wants a watch to run, and writing it down.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use super::updates::{Judged, Look, Yard};
use crate::cloud::{Channel, Client};
use crate::control::{CheckRow, DeskError, Seat, UpdateAnswer, UpdateAsk, UpdateRequest};
use crate::firmware::{DownloadError, Downloader, Job, Problem, Progress, Report, Stated, Stored, offered};
use crate::outbox::{AskedBy, NewUpdate};
use crate::radio::Central;
use crate::wire::Sha256;
use crate::wire::bridge::DeviceId;

/// Takes requests, one at a time.
pub struct UpdateDesk<C> {
    /// What is known of watches and files.
    pub yard: Yard<C>,
    /// The cloud, to ask for offers; `None` without one.
    pub client: Option<Client>,
    /// Fetches them.
    pub downloader: Downloader,
    /// The channel that is configured.
    pub channel: Option<Channel>,
    /// What is asked.
    pub requests: mpsc::Receiver<UpdateAsk>,
    /// Wakes the updater.
    pub bell: Arc<Notify>,
    /// Whose update is to be broken off.
    pub cancelled: Arc<watch::Sender<Option<DeviceId>>>,
}

/// A file for a watch, and what was said of it.
struct Wanted {
    file: Stored,
    stated: Stated,
}

impl<C: Central> UpdateDesk<C> {
    /// Serves until nobody can ask any more.
    pub async fn run(&mut self) {
        while let Some(UpdateAsk { request, seat, mut reply }) = self.requests.recv().await {
            let answered = tokio::select! {
                answered = self.answer(&request, &seat) => Some(answered),
                // Whoever asked has hung up.
                () = reply.closed() => None,
            };
            if let Some(answered) = answered {
                let _ = reply.send(answered);
            }
        }
    }

    async fn answer(&self, request: &UpdateRequest, seat: &Seat) -> Result<UpdateAnswer, DeskError> {
        let watch = seat.label().to_owned();
        let device = self.device(seat).await?.ok_or_else(|| DeskError::NotMet(watch.clone()))?;
        let outbox = &self.yard.outbox;
        if !request.dry_run && outbox.open_update(device).await?.is_some() {
            return Err(DeskError::Busy(format!("another update of {watch}")));
        }
        if request.dry_run
            && let Err(error) = self.yard.look(seat, device).await
        {
            tracing::debug!(%watch, %error, "A dry run without a look at the watch.");
        }
        let Wanted { file, stated } = self.wanted(request, seat, device).await?;
        let judged =
            Judged { device, stated: &stated, by_hand: true, allow_downgrade: request.allow_downgrade };
        let report = self.yard.judge(&file, &judged).await?;
        if !request.dry_run {
            refuse(&report)?;
            if !request.again
                && let Some(why) = outbox.refused_firmware(device, file.sha256).await?
            {
                let problem = format!(
                    "{watch} has tried this firmware and not kept it: {why}; --again gives it once more"
                );
                return Err(DeskError::Firmware { problem, about_trust: true });
            }
        }
        let size = match &report.image {
            Some(image) => image.without_padding(&file.bytes).len(),
            None => file.bytes.len(),
        };
        let version = report.image.as_ref().map(|image| image.version().to_string());
        let mut answer = UpdateAnswer {
            watch,
            file: file.sha256,
            version: version.or(stated.version).unwrap_or_else(|| "?".to_owned()),
            size: size as u64,
            from: self.yard.seen(device).as_ref().and_then(Look::installed).map(str::to_owned),
            checks: report.checks.iter().map(CheckRow::from).collect(),
            gate: None,
            update: None,
        };
        if request.dry_run {
            let gate = self.yard.obstacle(device, file.sha256, true).await;
            answer.gate = gate.err().map(|gate| gate.to_string());
            return Ok(answer);
        }
        let image = report.image.as_ref().map(|image| image.hash);
        answer.update = Some(self.write_down(request, &answer, device, image).await?);
        Ok(answer)
    }

    async fn write_down(
        &self,
        request: &UpdateRequest,
        answer: &UpdateAnswer,
        device: DeviceId,
        image: Option<Sha256>,
    ) -> Result<crate::outbox::UpdateKey, DeskError> {
        let outbox = &self.yard.outbox;
        if request.again {
            outbox.pardon_firmware(device, answer.file).await?;
        }
        let new = NewUpdate {
            device,
            file: answer.file,
            image,
            size: u32::try_from(answer.size).unwrap_or(u32::MAX),
            version: answer.version.clone(),
            asked_by: AskedBy::Person,
            allow_downgrade: request.allow_downgrade,
        };
        // Before it is written down: whoever calls it off from then on means this one.
        self.cancelled.send_replace(None);
        let row = outbox.ask_update(new).await?;
        let row = row.ok_or_else(|| DeskError::Busy(format!("another update of {}", answer.watch)))?;
        self.bell.notify_one();
        Ok(row.key)
    }

    async fn device(&self, seat: &Seat) -> Result<Option<DeviceId>, DeskError> {
        let told = seat.status.borrow().device;
        let peers = self.yard.outbox.peers().await?;
        let bound = peers.into_iter().find(|peer| peer.address == seat.address);
        Ok(told.or(bound.and_then(|peer| peer.device)))
    }

    /// The file that is meant: by its hash, by its version in the store, or what the cloud offers.
    async fn wanted(
        &self,
        request: &UpdateRequest,
        seat: &Seat,
        device: DeviceId,
    ) -> Result<Wanted, DeskError> {
        let store = &self.yard.store;
        let broken = |error: crate::firmware::StoreError| DeskError::Broken(error.to_string());
        let stored = match (&request.file, &request.version) {
            (Some(file), _) => {
                let found = store.get(*file).await.map_err(broken)?;
                Some(found.ok_or_else(|| bad(format!("no file {file} is in the firmware store")))?)
            }
            (None, Some(version)) => {
                let entries = store.list().await.map_err(broken)?;
                let named = entries.iter().find(|entry| entry.label.version.as_ref() == Some(version));
                match named {
                    Some(entry) => store.get(entry.sha256).await.map_err(broken)?,
                    None => None,
                }
            }
            (None, None) => None,
        };
        if let Some(file) = stored {
            return Ok(Wanted { file, stated: Stated::default() });
        }
        self.offered(request, seat, device).await
    }

    async fn offered(
        &self,
        request: &UpdateRequest,
        seat: &Seat,
        device: DeviceId,
    ) -> Result<Wanted, DeskError> {
        let client = self.client.as_ref().ok_or(DeskError::NoCloud)?;
        let identity = seat.status.borrow().identity.clone().unwrap_or_default();
        let look = self.yard.seen(device);
        let product = look.as_ref().and_then(Look::model).map(str::to_owned).or(identity.model);
        let product = product.ok_or_else(|| {
            bad(format!(
                "{} does not tell what it is, so the cloud cannot be asked; give the firmware with --file",
                seat.label()
            ))
        })?;
        let installed = look.as_ref().and_then(Look::installed).map(str::to_owned).or(identity.firmware);
        // Whoever names a version may want an older one.
        let installed = installed.filter(|_| request.version.is_none());
        let (query, offer) = offered(client, &product, None, installed.as_deref(), self.channel.as_ref())
            .await
            .map_err(|error| DeskError::Firmware { problem: error.to_string(), about_trust: false })?;
        let offer = offer.ok_or_else(|| bad(format!("the cloud offers nothing newer for {product}")))?;
        if let Some(asked) = request.version.as_ref().filter(|asked| **asked != offer.version) {
            return Err(bad(format!(
                "the cloud offers {}, not {asked}, and no file of that version is in the firmware store; give it with --file",
                offer.version
            )));
        }
        let stated = Stated { version: Some(offer.version.clone()), size: offer.size, sha256: offer.sha256 };
        let job = Job { offer, query: Some(query) };
        let progress = watch::Sender::new(Progress::default());
        let fetched = self.downloader.fetch(Some(client), &job, Arc::new(()), progress).await;
        let file = fetched.map_err(|error: DownloadError| bad(error.to_string()))?;
        Ok(Wanted { file, stated })
    }
}

fn refuse(report: &Report) -> Result<(), DeskError> {
    let Some(problem) = report.problems().next() else { return Ok(()) };
    let about_trust = report.problems().all(Problem::is_about_trust);
    Err(DeskError::Firmware { problem: problem.to_string(), about_trust })
}

const fn bad(problem: String) -> DeskError {
    DeskError::Firmware { problem, about_trust: false }
}
