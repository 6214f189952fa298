//! The way to a simulated watch over the virtual air, with the real client at its end.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nowbridge::ota::smp::{
    GattSmpLink, ImageUpload, SmpClient, SmpClientError, SmpLinkError, UploadError, UploadOptions,
};
use nowbridge::ota::{Kept, OtaError, Other, Protocol, Running, Sent, Standing, Station, Target};
use nowbridge::radio::air::{Air, AirCentral, AirLink, LinkModel};
use nowbridge::radio::{Central, Link, PeerAddress, RadioError};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::smp::{Build, Pace, SmpDevice, SmpWatch, Updatable};
use nowbridge::wire::Sha256;
use nowbridge::wire::bridge::{INFO, Info};
use nowbridge::wire::gatt::FIRMWARE;
use nowbridge::wire::smp::upload::UploadFailure;
use nowbridge::wire::smp::{ImageCode, SmpError};
use tokio::sync::watch;

use super::host::firmware;

pub fn address() -> PeerAddress {
    PeerAddress("E7:00:00:00:00:0F".into())
}

/// A watch on the air that runs 1.0.0, and hands on both its sides.
pub fn on_air(model: LinkModel, build: Build, pace: Pace) -> (Air, WatchOnAir, SmpWatch) {
    let air = Air::new(model);
    let bridge = WatchOnAir::new(crate::support::watch::watch(8));
    let smp = SmpWatch::new(SmpDevice::new(build, &firmware("1.0.0", 9_000)), pace);
    air.place(address(), Updatable::new(bridge.clone(), bridge.clone(), smp.clone()));
    (air, bridge, smp)
}

/// What went over the links so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub sent: u64,
    pub resent: u64,
}

/// The way. An upload outlives its links here, as it does in a daemon that is not restarted.
pub struct Way {
    central: AirCentral,
    upload: Arc<Mutex<Option<ImageUpload>>>,
    pub tally: Arc<Mutex<Tally>>,
}

pub struct Talk {
    client: SmpClient<GattSmpLink<Arc<AirLink>>>,
    link: Arc<AirLink>,
    upload: Arc<Mutex<Option<ImageUpload>>>,
    tally: Arc<Mutex<Tally>>,
}

impl Way {
    pub fn over(air: &Air) -> Self {
        Self { central: AirCentral::new(air.clone()), upload: Arc::default(), tally: Arc::default() }
    }

    async fn connect(&self) -> Result<Arc<AirLink>, OtaError> {
        Ok(Arc::new(self.central.connect(&address()).await?))
    }
}

fn of_link(error: SmpLinkError) -> OtaError {
    match error {
        SmpLinkError::Closed(reason) => RadioError::Closed(reason).into(),
        SmpLinkError::NoSmp => OtaError::NoService,
        SmpLinkError::Radio(error) => error.into(),
        _ => OtaError::Silent("in time"),
    }
}

fn of_client(error: SmpClientError) -> OtaError {
    match error {
        SmpClientError::Link(error) => of_link(error),
        SmpClientError::Refused { what, refusal } => OtaError::Refused {
            request: what,
            reason: refusal.to_string(),
            passing: refusal.mgmt_code().is_some(),
        },
        SmpClientError::Message { what, error } => {
            OtaError::Nonsense { request: what, detail: error.to_string() }
        }
        SmpClientError::Timeout { what, .. } => OtaError::Silent(what),
    }
}

fn of_upload(error: UploadError) -> OtaError {
    match error {
        UploadError::LinkNeeded(Some(error)) => of_link(error),
        UploadError::LinkNeeded(None) | UploadError::Failed(UploadFailure::Silent { .. }) => {
            OtaError::Silent("the image")
        }
        UploadError::Failed(UploadFailure::HashMismatch) => OtaError::Damaged,
        UploadError::Failed(UploadFailure::Refused(refusal)) => OtaError::Refused {
            request: "the image",
            passing: matches!(refusal, SmpError::Mgmt { .. } | SmpError::Image(ImageCode::FlashWrite)),
            reason: refusal.to_string(),
        },
        UploadError::Failed(failure) => {
            OtaError::Refused { request: "the image", reason: failure.to_string(), passing: true }
        }
    }
}

impl Protocol for Talk {
    async fn survey(&mut self) -> Result<Standing, OtaError> {
        let state = self.client.state().await.map_err(of_client)?;
        let nothing = || OtaError::Nonsense { request: "its images", detail: "nothing runs".to_owned() };
        let active = state.active().ok_or_else(nothing)?;
        let running =
            Running { image: active.sha256(), version: active.version.clone(), confirmed: active.confirmed };
        let other = state.images.iter().find(|slot| !slot.active).and_then(|slot| {
            let image = slot.sha256()?;
            Some(Other { image, version: slot.version.clone(), pending: slot.pending })
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
        let begun = self.upload.lock().unwrap().take();
        let mut upload = if let Some(upload) = begun {
            upload
        } else {
            let path = self.client.path();
            ImageUpload::new(image.clone(), UploadOptions::default(), self.client.session(), path)
                .map_err(|failure| of_upload(failure.into()))?
        };
        let before = upload.progress().borrow().progress;
        let ended = upload.run(&mut self.client).await;
        let after = upload.progress().borrow().progress;
        let total = image.len() as u64;
        let (sent, resent) =
            (after.sent - before.sent.min(after.sent), after.resent - before.resent.min(after.resent));
        progress.send_replace(Sent { acked: after.acked.into(), total, sent, resent });
        {
            let mut tally = self.tally.lock().unwrap();
            (tally.sent, tally.resent) = (tally.sent + sent, tally.resent + resent);
        }
        if let Err(UploadError::LinkNeeded(_)) = &ended {
            *self.upload.lock().unwrap() = Some(upload);
        }
        ended.map_err(of_upload)
    }

    async fn test(&mut self, target: &Target) -> Result<(), OtaError> {
        let image = target.image.unwrap_or(Sha256([0; 32]));
        self.client.test(image).await.map(drop).map_err(of_client)
    }

    async fn reset(&mut self) -> Result<(), OtaError> {
        self.client.reset().await.map_err(of_client)
    }

    async fn confirm(&mut self) -> Result<Kept, OtaError> {
        self.client.confirm().await.map(|_| Kept::Yes).map_err(of_client)
    }

    async fn close(self) {
        self.link.disconnect().await;
    }
}

impl Station for Way {
    type Protocol = Talk;

    async fn reach(&mut self) -> Result<Talk, OtaError> {
        let link = self.connect().await?;
        let gatt = GattSmpLink::open(Arc::clone(&link)).await.map_err(of_link)?;
        let client = SmpClient::open(gatt).await.map_err(of_client)?;
        let (upload, tally) = (Arc::clone(&self.upload), Arc::clone(&self.tally));
        Ok(Talk { client, link, upload, tally })
    }

    async fn health(&mut self, target: &Target) -> Result<(), OtaError> {
        let link = self.connect().await?;
        let told = link.read(FIRMWARE).await?;
        let info = link.read(INFO).await;
        link.disconnect().await;
        if told != target.version.as_bytes() {
            return Err(OtaError::Silent("as the version that was sent"));
        }
        let readable = Info::decode(&info?).is_ok();
        if readable { Ok(()) } else { Err(OtaError::Silent("the bridge service")) }
    }
}
