//! The seam: what the loops want of the cloud, whoever it is.

use std::future::Future;

use reqwest::Url;

use super::{
    CloudError, DayOfValues, FirmwareOffer, FirmwareQuery, MeasurementQuery, Pass, Upload, UploadReceipt,
    User, UserSettings,
};
use crate::measurement::{Day, Kind};

/// The calls of the NOWATCH API that the daemon makes. Every call ends within the deadlines of the implementation.
#[cfg_attr(test, mockall::automock)]
pub trait Api: Send + Sync + 'static {
    /// The account that is logged in.
    fn user(&self) -> impl Future<Output = Result<User, CloudError>> + Send;

    /// Its settings, the consent to upload among them.
    fn settings(&self) -> impl Future<Output = Result<UserSettings, CloudError>> + Send;

    /// Uploads one table. Safe to repeat with the same key and bytes.
    fn upload(&self, upload: Upload) -> impl Future<Output = Result<UploadReceipt, CloudError>> + Send;

    /// Reads back what the cloud holds.
    fn measurements(
        &self,
        query: MeasurementQuery,
    ) -> impl Future<Output = Result<Vec<DayOfValues>, CloudError>> + Send;

    /// Deletes what the cloud holds of `kind` from day `from` to day `to`, both included.
    fn delete_measurements(
        &self,
        kind: Kind,
        from: Day,
        to: Day,
    ) -> impl Future<Output = Result<(), CloudError>> + Send;

    /// The latest firmware for such a watch; `None` if there is nothing newer.
    fn firmware(
        &self,
        query: FirmwareQuery,
    ) -> impl Future<Output = Result<Option<FirmwareOffer>, CloudError>> + Send;

    /// What authorises a request to `to`: `None` unless that is the API's own origin. `refused` is what the server has just
    /// answered with 401.
    fn pass(
        &self,
        to: Url,
        refused: Option<Pass>,
    ) -> impl Future<Output = Result<Option<Pass>, CloudError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::UserConsent;

    async fn may_upload(api: &impl Api) -> bool {
        api.settings().await.is_ok_and(|settings| settings.allows_upload())
    }

    #[tokio::test]
    async fn the_cloud_can_be_played_by_a_mock() {
        let mut cloud = MockApi::new();
        cloud.expect_settings().once().returning(|| {
            let user_consent = UserConsent { data_sharing: Some(true) };
            Box::pin(async move { Ok(UserSettings { user_consent }) })
        });
        assert!(may_upload(&cloud).await);
    }
}
