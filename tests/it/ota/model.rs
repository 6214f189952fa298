//! A watch with two slots, as a table: enough to hold an updater to what it promises.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nowbridge::ota::{Kept, OtaError, Other, Protocol, Running, Sent, Standing, Station, Target};
use nowbridge::radio::{LinkClosed, RadioError};
use nowbridge::wire::Sha256;
use tokio::sync::watch;

pub const OLD: Sha256 = Sha256([1; 32]);
pub const NEW: Sha256 = Sha256([2; 32]);

/// What the new image is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    Good,
    /// It runs and updates can be had with it, but the watch does not do its work.
    Unwell,
    /// It falls over until the boot loader goes back.
    Loops,
    /// The boot loader finds that it is damaged.
    Damaged,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The link is lost before the watch has heard of it.
    Unheard,
    /// The watch does it, and the link is lost before its answer.
    Unanswered,
    /// The watch restarts by itself instead, as one does with an empty battery.
    Restart,
    /// The computer dies before the watch has heard of it.
    CrashBefore,
    /// The computer dies after the watch has done it.
    CrashAfter,
}

/// The watch.
#[derive(Debug)]
pub struct Model {
    pub image: Image,
    pub running: Sha256,
    pub confirmed: bool,
    /// The other slot: the image, and whether it starts next time.
    pub other: Option<(Sha256, bool)>,
    pub rng: fastrand::Rng,
    /// One call in so many goes wrong; 0: none.
    pub one_in: u32,
    /// Faults from a list instead: of the call with this number.
    pub planned: Option<(u32, Fault)>,
    pub calls: u32,
    pub confirms_of_the_unwell: u32,
    pub uploads: u32,
}

impl Model {
    pub fn new(image: Image, seed: u64) -> Self {
        Self {
            image,
            running: OLD,
            confirmed: true,
            other: None,
            rng: fastrand::Rng::with_seed(seed),
            one_in: 0,
            planned: None,
            calls: 0,
            confirms_of_the_unwell: 0,
            uploads: 0,
        }
    }

    pub fn boot(&mut self) {
        match self.other {
            Some((NEW, true)) if self.image == Image::Damaged => self.other = None,
            Some((NEW, true)) if self.image == Image::Loops => self.other = Some((NEW, false)),
            Some((image, true)) => {
                self.other = Some((self.running, false));
                (self.running, self.confirmed) = (image, false);
            }
            Some((image, false)) if !self.confirmed => {
                self.other = Some((self.running, false));
                (self.running, self.confirmed) = (image, true);
            }
            _ => {}
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        self.calls += 1;
        if let Some((call, fault)) = self.planned {
            return (call == self.calls).then_some(fault);
        }
        let all = [Fault::Unheard, Fault::Unanswered, Fault::Restart, Fault::CrashBefore, Fault::CrashAfter];
        (self.one_in > 0 && self.rng.u32(..self.one_in) == 0).then(|| all[self.rng.usize(..all.len())])
    }
}

/// The way to it. Clones lead to the same watch.
#[derive(Clone)]
pub struct Way {
    pub model: Arc<Mutex<Model>>,
    /// Raised when the computer dies.
    pub crash: Arc<watch::Sender<bool>>,
}

impl Way {
    pub fn to(model: Model) -> Self {
        Self { model: Arc::new(Mutex::new(model)), crash: Arc::default() }
    }

    /// Does something on the watch, unless a fault has it otherwise.
    async fn call<T>(&self, effect: impl FnOnce(&mut Model) -> T) -> Result<T, OtaError> {
        let lost = || Err(RadioError::Closed(LinkClosed::Lost).into());
        let outcome = {
            let mut model = self.model.lock().unwrap();
            match model.fault() {
                None => Ok(effect(&mut model)),
                Some(Fault::Unheard) => return lost(),
                Some(Fault::Unanswered) => {
                    effect(&mut model);
                    return lost();
                }
                Some(Fault::Restart) => {
                    model.boot();
                    return lost();
                }
                Some(Fault::CrashBefore) => Err(()),
                Some(Fault::CrashAfter) => {
                    effect(&mut model);
                    Err(())
                }
            }
        };
        if let Ok(value) = outcome {
            return Ok(value);
        }
        self.crash.send_replace(true);
        std::future::pending().await
    }
}

fn version(image: Sha256) -> String {
    if image == NEW { "2.0.0".to_owned() } else { "1.0.0".to_owned() }
}

impl Protocol for Way {
    async fn survey(&mut self) -> Result<Standing, OtaError> {
        self.call(|model| Standing {
            running: Running {
                image: Some(model.running),
                version: version(model.running),
                confirmed: model.confirmed,
            },
            other: model.other.map(|(image, pending)| Other { image, version: version(image), pending }),
        })
        .await
    }

    fn room(&self) -> Option<u64> {
        Some(1 << 20)
    }

    async fn upload(
        &mut self,
        image: &Bytes,
        _: &Target,
        progress: &watch::Sender<Sent>,
    ) -> Result<(), OtaError> {
        let total = image.len() as u64;
        self.call(|model| {
            model.uploads += 1;
            model.other = Some((NEW, false));
        })
        .await?;
        progress.send_replace(Sent { acked: total, total, sent: total, resent: 0 });
        Ok(())
    }

    async fn test(&mut self, _: &Target) -> Result<(), OtaError> {
        self.call(|model| {
            if let Some((NEW, pending)) = &mut model.other {
                *pending = true;
            }
        })
        .await
    }

    async fn reset(&mut self) -> Result<(), OtaError> {
        self.call(Model::boot).await
    }

    async fn confirm(&mut self) -> Result<Kept, OtaError> {
        self.call(|model| {
            model.confirms_of_the_unwell += u32::from(model.running == NEW && model.image != Image::Good);
            model.confirmed = true;
            Kept::Yes
        })
        .await
    }

    async fn close(self) {}
}

impl Station for Way {
    type Protocol = Self;

    async fn reach(&mut self) -> Result<Self, OtaError> {
        self.call(|_| ()).await?;
        Ok(self.clone())
    }

    async fn health(&mut self, _: &Target) -> Result<(), OtaError> {
        let well = self.call(|model| model.running == OLD || model.image == Image::Good).await?;
        if well { Ok(()) } else { Err(OtaError::Silent("the time")) }
    }
}
