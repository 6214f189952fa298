//! The sinks besides the cloud: what they are, from the configuration, and a loop for each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::DaemonError;
use super::arrivals::Ear;
use super::supervisor::Supervisor;
use crate::clock::Clock;
use crate::cloud::Timeouts;
#[cfg(feature = "mqtt")]
use crate::config::MqttConfig;
use crate::config::{Config, FolderConfig, SinkConfig, SinkStart, is_loopback};
use crate::control::SinkView;
use crate::outbox::{Outbox, SinkName};
#[cfg(feature = "mqtt")]
use crate::upload::sinks::Mqtt;
use crate::upload::sinks::{Folder, Influx};
use crate::upload::{self, Receiver, UploadError, UploadState, UploadStatus, Uploader, UploaderConfig};

/// What InfluxDB's own advice is for one request.
const INFLUX_ROWS: u64 = 10_000;
/// Brokers of large clouds take 128 KiB in a message, and a row is less than 80 bytes.
#[cfg(feature = "mqtt")]
const MQTT_ROWS: u64 = 1_000;

/// A place that measurements go to besides the cloud.
pub struct Sink {
    /// Where it is, for people.
    pub to: String,
    /// How far back it begins, and whether it rests.
    pub config: SinkConfig,
    /// It is told of what arrives so often at most.
    pub every: Duration,
    /// The loop.
    pub uploader: UploaderConfig,
    /// Who takes the parcels.
    pub place: Place,
}

/// Who takes the parcels.
pub enum Place {
    /// Files in a folder.
    Folder(FolderConfig),
    /// InfluxDB.
    Influx(Influx),
    /// An MQTT broker.
    #[cfg(feature = "mqtt")]
    Mqtt(MqttConfig),
}

impl Sink {
    /// The names of all places that `config` sends to, the cloud among them.
    pub fn names(config: &Config) -> Vec<SinkName> {
        let Config { cloud, sinks, .. } = config;
        let named = [
            ("folder", sinks.folder.is_some()),
            ("influxdb", sinks.influxdb.is_some()),
            ("mqtt", sinks.mqtt.is_some()),
        ];
        let cloud = (cloud.uploads() && cloud.base_url.is_some()).then(upload::nowatch);
        let named = named.into_iter().filter(|(_, is_there)| *is_there);
        cloud.into_iter().chain(named.map(|(name, _)| SinkName(name.to_owned()))).collect()
    }

    /// Every sink that `config` names.
    pub fn all(config: &Config, clock: Clock) -> Result<Vec<Self>, DaemonError> {
        let max_rows = u64::from(config.upload.max_rows);
        let sinks = &config.sinks;
        let mut all = Vec::new();
        if let Some(folder) = &sinks.folder {
            all.push(Self {
                to: format!("{} ({})", folder.path.display(), folder.format.name()),
                config: folder.sink,
                every: folder.every,
                uploader: uploader("folder", max_rows, true),
                place: Place::Folder(folder.clone()),
            });
        }
        if let Some(influx) = &sinks.influxdb {
            all.push(Self {
                to: influx.write.origin().ascii_serialization(),
                config: influx.sink,
                every: Duration::ZERO,
                uploader: uploader("influxdb", max_rows.min(INFLUX_ROWS), is_loopback(&influx.write)),
                place: Place::Influx(Influx::new(influx, Timeouts::default(), clock)?),
            });
        }
        #[cfg(not(feature = "mqtt"))]
        if sinks.mqtt.is_some() {
            return Err(DaemonError::NoMqtt);
        }
        #[cfg(feature = "mqtt")]
        if let Some(mqtt) = &sinks.mqtt {
            all.push(Self {
                to: mqtt.broker.to_string(),
                config: mqtt.sink,
                every: Duration::ZERO,
                uploader: uploader("mqtt", max_rows.min(MQTT_ROWS), is_loopback(&mqtt.broker)),
                place: Place::Mqtt(mqtt.clone()),
            });
        }
        Ok(all)
    }

    /// Starts its loop.
    pub fn start(self, supervisor: &Supervisor, outbox: &Outbox, clock: Clock, ear: &Ear) -> SinkView {
        let Self { to, config, uploader, place, .. } = self;
        let start = Start { supervisor, outbox, clock, ear, to, config, uploader };
        match place {
            Place::Folder(folder) => start.with(move || Folder::new(folder.path.clone(), folder.format)),
            Place::Influx(influx) => start.with(move || influx.clone()),
            #[cfg(feature = "mqtt")]
            Place::Mqtt(mqtt) => {
                let id = outbox.queue_id();
                start.with(move || Mqtt::new(&mqtt, id))
            }
        }
    }
}

fn uploader(name: &str, max_samples: u64, takes_synthetic: bool) -> UploaderConfig {
    UploaderConfig { sink: SinkName(name.to_owned()), max_samples, takes_synthetic, seed: fastrand::u64(..) }
}

/// A loop that is to be started.
pub struct Start<'a> {
    /// Who looks after it.
    pub supervisor: &'a Supervisor,
    /// The store.
    pub outbox: &'a Outbox,
    /// Wall time.
    pub clock: Clock,
    /// What wakes it.
    pub ear: &'a Ear,
    /// Where it delivers to, for people.
    pub to: String,
    /// How far back it begins, and whether it rests.
    pub config: SinkConfig,
    /// The loop.
    pub uploader: UploaderConfig,
}

impl Start<'_> {
    /// Starts it; `make` makes whoever takes the parcels, each time the loop is started anew.
    pub fn with<R: Receiver + Sync>(self, make: impl Fn() -> R + Send + 'static) -> SinkView {
        let Self { supervisor, outbox, clock, ear, to, config, uploader } = self;
        let state = if config.paused { UploadState::Stopped } else { UploadState::Idle };
        let (status, seen) = watch::channel(UploadStatus { state, ..UploadStatus::default() });
        let view = SinkView { name: uploader.sink.clone(), to, upload: seen };
        let (outbox, ear) = (outbox.clone(), ear.clone());
        supervisor.start(format!("upload {}", uploader.sink), move |cancel| {
            let (outbox, name) = (outbox.clone(), uploader.sink.clone());
            let uploader = Uploader::new(
                make(),
                uploader.clone(),
                outbox.clone(),
                clock,
                status.clone(),
                Arc::clone(&ear.bell),
            )
            .waking_on(Arc::clone(&ear.clock_set));
            async move {
                if rests(&outbox, &name, config).await? { Ok(()) } else { uploader.run(cancel).await }
            }
        });
        view
    }
}

/// Remembers the sink, and whether it rests. In its loop and not before: if the disk is too full to remember a new one, the others go
/// on, and this one is tried again.
async fn rests(outbox: &Outbox, sink: &SinkName, plan: SinkConfig) -> Result<bool, UploadError> {
    let known = outbox.register_sink(sink, plan.start).await?;
    if known.paused.is_some() != plan.paused {
        outbox.pause_sink(sink, plan.paused).await?;
    }
    if plan.start != SinkStart::All && known.since.is_none() {
        tracing::info!(%sink, "The sink was here before and goes on where it was; `start` is only looked at once.");
    }
    Ok(plan.paused)
}
