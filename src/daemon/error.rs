//! Why the daemon cannot start.

use std::io;
use std::path::PathBuf;

use crate::cloud::{BaseUrlError, CloudError};
use crate::config::ConfigError;
use crate::outbox::OutboxError;

/// A daemon that could not start, or could not end cleanly.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The configuration, a secret or a folder that it names.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address of the cloud.
    #[error("cloud.base_url: {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// The store.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The cloud client.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The control socket.
    #[error("the control socket {} cannot be opened: {source}; name another with control.socket", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This build cannot reach the radio that the configuration names.
    #[error("this nowbridge was built without the simulated radio; build it with the feature \"sim\"")]
    NoSimulation,
    /// This build cannot reach the broker that the configuration names.
    #[error(
        "sink.mqtt: this nowbridge was built without MQTT; build it with the feature \"mqtt\", or take the section out"
    )]
    NoMqtt,
}
