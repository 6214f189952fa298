//! Firmware for the watches, from the command line's end.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::{Client, ControlError, DEADLINE, answer, url};
use crate::control::{FirmwareAnswer, UpdateAnswer, UpdateRequest, UpdatesAnswer};
use crate::outbox::UpdateRow;

/// An offer is fetched, or a watch looked at, before there is an answer.
const LONG: Duration = Duration::from_mins(11);

impl Client {
    /// Gives the daemon a file to keep.
    pub async fn put_firmware(&self, file: Bytes) -> Result<FirmwareAnswer, ControlError> {
        answer(self.http.put(url("firmware")).body(file).timeout(LONG).send().await?).await
    }

    /// Asks for an update, or what would be done.
    pub async fn update(&self, request: &UpdateRequest) -> Result<UpdateAnswer, ControlError> {
        answer(self.http.post(url("update")).json(request).timeout(LONG).send().await?).await
    }

    /// The updates, of one watch or of all.
    pub async fn updates(&self, watch: Option<&str>) -> Result<UpdatesAnswer, ControlError> {
        let mut request = self.http.get(url("update")).timeout(DEADLINE);
        if let Some(watch) = watch {
            let pairs = [("watch", watch)];
            let to = reqwest::Url::parse_with_params(&url("update"), pairs);
            let to = to.map_err(|error| ControlError::Answer(error.to_string()))?;
            request = self.http.get(to).timeout(DEADLINE);
        }
        answer(request.send().await?).await
    }

    /// Calls an update off.
    pub async fn cancel_update(&self, watch: &str) -> Result<UpdateRow, ControlError> {
        let request = self.http.post(url("update/cancel")).json(&json!({ "watch": watch }));
        answer(request.timeout(DEADLINE).send().await?).await
    }
}
