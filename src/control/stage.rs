//! What the control socket can see of the daemon, at each stage of its life.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::status::{CloudStatus, DaemonStatus, StageName, Status};
use crate::cloud::AuthState;
use crate::measurement::UtcMicros;
use crate::outbox::{Outbox, OutboxError, Sink};
use crate::sync::WatchStatus;
use crate::upload::{self, UploadStatus};

/// How far the daemon is, and what there is to look at.
#[derive(Clone)]
pub enum Stage {
    /// Nothing is open yet.
    Starting,
    /// All loops run.
    Running(Arc<Parts>),
    /// The loops are ending.
    Stopping,
}

/// The running parts.
pub struct Parts {
    /// The store.
    pub outbox: Outbox,
    /// One a watch.
    pub watches: Vec<watch::Receiver<WatchStatus>>,
    /// The cloud, if one is configured.
    pub cloud: Option<CloudView>,
    /// One a watch: asks for a session now.
    pub sync_now: Vec<Arc<Notify>>,
}

/// The cloud as the control socket sees it.
pub struct CloudView {
    /// Where it is.
    pub base_url: String,
    /// The ledger's name of it.
    pub sink: Sink,
    /// Whether we are logged in.
    pub auth: watch::Receiver<AuthState>,
    /// The upload loop.
    pub upload: watch::Receiver<UploadStatus>,
}

impl Stage {
    /// Puts the answer together.
    pub(super) async fn status(&self, started: UtcMicros) -> Result<Status, OutboxError> {
        let (name, parts) = match self {
            Self::Starting => (StageName::Starting, None),
            Self::Running(parts) => (StageName::Running, Some(parts)),
            Self::Stopping => (StageName::Stopping, None),
        };
        let daemon = DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started,
            stage: name,
        };
        let Some(parts) = parts else {
            return Ok(Status { daemon, watches: Vec::new(), cloud: None, outbox: None });
        };
        let sink = parts.cloud.as_ref().map_or_else(upload::nowatch, |cloud| cloud.sink.clone());
        let outbox = parts.outbox.summary(&sink).await?;
        let watches = parts.watches.iter().map(|watch| watch.borrow().clone()).collect();
        let cloud = parts.cloud.as_ref().map(|cloud| CloudStatus {
            base_url: cloud.base_url.clone(),
            auth: cloud.auth.borrow().clone(),
            upload: cloud.upload.borrow().clone(),
        });
        Ok(Status { daemon, watches, cloud, outbox: Some(outbox) })
    }
}

impl Parts {
    /// Waits until something that the status tells has changed.
    pub(super) async fn changed(&self) {
        let mut receivers: Vec<_> = self.watches.clone();
        let mut waits: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
        for receiver in &mut receivers {
            receiver.mark_unchanged();
            waits.push(Box::pin(async move { drop(receiver.changed().await) }));
        }
        if let Some(cloud) = &self.cloud {
            let (mut upload, mut auth) = (cloud.upload.clone(), cloud.auth.clone());
            upload.mark_unchanged();
            auth.mark_unchanged();
            waits.push(Box::pin(async move { drop(upload.changed().await) }));
            waits.push(Box::pin(async move { drop(auth.changed().await) }));
        }
        if waits.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(waits).await;
    }
}
