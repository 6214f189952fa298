//! The driver of everything that speaks the standard sensor services: chest straps, arm bands, thermometers, oximeters, foot pods,
//! and watches that broadcast their heart rate.
//!
//! It subscribes to whatever of them a device offers and makes samples of what comes. What cannot be read is counted and dropped: a
//! sensor that sends garbage for a minute is loose or half broken, and the next minute may be good.

mod beats;
mod identify;
mod reader;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select_all;
use jiff::tz::TimeZone;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use self::reader::{Reader, Source};
use super::{Abilities, Driver, DriverName, Identity, Live, LiveSample, WatchError};
use crate::clock::Clock;
use crate::radio::{Attribute, Link, LinkClosed, Notifications, Properties, RadioError, WriteMode};
use crate::wire::gatt::{CURRENT_TIME, CurrentTime, LOCAL_TIME, LocalTime};

/// A link whose notifications have all ended is closed; the word of it may be on its way.
const LAST_WORD: Duration = Duration::from_secs(5);

/// A device that tells nothing but garbage is named in the log this often.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// A device with standard sensor services.
#[derive(Debug)]
pub struct Sensor<L> {
    link: L,
    streams: Vec<(Source, Notifications)>,
    reader: Reader,
    unreadable: u64,
    /// When it was last said in the log that something cannot be read.
    complained: Option<Instant>,
    /// Who it is, as far as it told: for the log.
    name: String,
}

impl<L: Link> Driver for Sensor<L> {
    type Link = L;

    const NAME: DriverName = DriverName::Sensor;

    fn fits(link: &L) -> bool {
        let offered = link.characteristics();
        Source::ALL.iter().any(|source| source.measures() && offered.contains(&source.uuid()))
    }

    /// Subscribes to what is offered. One refusal is no reason to do without the rest; if nothing is left that measures, it is.
    async fn open(link: L) -> Result<Self, WatchError> {
        let (profile, mut streams, mut refused) = (link.profile(), Vec::new(), None);
        let notifies = Properties::NOTIFY.and(Properties::INDICATE);
        for source in Source::ALL.into_iter().filter(|source| may(&profile, source.uuid(), notifies)) {
            match link.subscribe(source.uuid()).await {
                Ok(notifications) => streams.push((source, notifications)),
                Err(error @ RadioError::Closed(_)) => return Err(error.into()),
                Err(error) if error.is_transient() && source.measures() => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(?source, %error, "The device does not let us subscribe.");
                    refused = refused.or_else(|| source.measures().then_some(error));
                }
            }
        }
        if !streams.iter().any(|(source, _)| source.measures()) {
            return Err(refused.map_or(WatchError::NoDriver, WatchError::from));
        }
        let mut reader = Reader::default();
        if !streams.iter().any(|(source, _)| *source == Source::HeartRate) {
            reader.take_pulse();
        }
        Ok(Self { link, streams, reader, unreadable: 0, complained: None, name: String::new() })
    }

    fn link(&self) -> &L {
        &self.link
    }

    fn abilities(&self) -> Abilities {
        let profile = self.link.profile();
        [
            (Abilities::CLOCK, may(&profile, CURRENT_TIME, Properties::WRITE)),
            (Abilities::BATTERY, may(&profile, Source::Battery.uuid(), Properties(u8::MAX))),
            (Abilities::CHECK, identify::sign_of_life(&self.link).is_some()),
        ]
        .into_iter()
        .filter(|(_, has)| *has)
        .fold(Abilities::LIVE, |abilities, (ability, _)| abilities.and(ability))
    }

    async fn identify(&mut self) -> Result<Identity, WatchError> {
        let identity = identify::identify(&self.link).await?;
        let told = [identity.maker.clone(), identity.model.clone(), identity.device.map(|id| id.to_string())];
        self.name = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
        Ok(identity)
    }

    async fn check(&mut self) -> Result<(), WatchError> {
        Ok(identify::check(&self.link).await?)
    }

    async fn close(self) {
        self.link.disconnect().await;
    }
}

impl<L: Link> Live for Sensor<L> {
    async fn greet(&mut self, clock: Clock) -> Result<(), WatchError> {
        if !clock.is_set() {
            return Ok(());
        }
        let zone = TimeZone::system();
        self.reader.date_by(clock, zone.clone());
        // The zone goes first: some clocks show another time once they know where they are.
        self.set(LOCAL_TIME, || LocalTime::at(clock.now(), &zone).map(LocalTime::encode)).await?;
        self.set(CURRENT_TIME, || CurrentTime::at(clock.now(), &zone).map(CurrentTime::encode)).await
    }

    async fn next(&mut self) -> Result<Vec<LiveSample>, WatchError> {
        while !self.streams.is_empty() {
            let waiting = self.streams.iter_mut().map(|(_, notifications)| Box::pin(notifications.next()));
            let (value, index, others) = select_all(waiting).await;
            drop(others);
            match value {
                Some(value) => {
                    let source = self.streams[index].0;
                    // Whoever talks most must not keep the others from being heard.
                    self.streams.rotate_left(index + 1);
                    return Ok(self.take(source, &value));
                }
                // What the others have said before the link closed still counts.
                None => drop(self.streams.remove(index)),
            }
        }
        let closed = timeout(LAST_WORD, self.link.closed()).await.unwrap_or(LinkClosed::Lost);
        Err(RadioError::from(closed).into())
    }

    fn unreadable(&self) -> u64 {
        self.unreadable
    }

    fn repeated(&self) -> u64 {
        self.reader.repeated()
    }

    fn battery(&self) -> Option<u8> {
        self.reader.battery()
    }
}

impl<L: Link> Sensor<L> {
    fn take(&mut self, source: Source, value: &Bytes) -> Vec<LiveSample> {
        self.reader.read(source, value, Instant::now()).unwrap_or_else(|error| {
            self.unreadable += 1;
            if self.complained.is_none_or(|before| before.elapsed() >= COMPLAIN_EVERY) {
                self.complained = Some(Instant::now());
                let (device, so_far) = (&self.name, self.unreadable);
                tracing::warn!(device, %error, so_far, "A notification cannot be read.");
            }
            Vec::new()
        })
    }

    /// Writes to the clock, if the device has one that we may write to.
    async fn set(&self, uuid: Uuid, value: impl FnOnce() -> Option<Vec<u8>>) -> Result<(), WatchError> {
        if !may(&self.link.profile(), uuid, Properties::WRITE) {
            return Ok(());
        }
        let Some(value) = value() else { return Ok(()) };
        match self.link.write(uuid, value, WriteMode::WithResponse).await {
            Err(error @ RadioError::Closed(_)) => Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "The device does not let us set its clock.");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Whether a characteristic is there and one of `wanted` may be done with it. A radio that does not tell lets us try.
fn may(profile: &[Attribute], uuid: Uuid, wanted: Properties) -> bool {
    let allowed = |known: Properties| known == Properties::default() || known.any(wanted);
    profile.iter().any(|attribute| attribute.characteristic == uuid && allowed(attribute.properties))
}
