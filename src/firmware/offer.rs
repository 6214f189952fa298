//! What the cloud offers a watch, in the channel that its user is in.

use crate::cloud::{Api, Channel, CloudError, FirmwareOffer, FirmwareQuery};

/// The configured channel, or else the one that the account is in: users with early access get what is released early. That
/// this is what the account's `isEarlyAccess` is for is our assumption.
pub async fn channel(api: &impl Api, configured: Option<&Channel>) -> Result<Channel, CloudError> {
    match configured {
        Some(channel) => Ok(channel.clone()),
        None if api.user().await?.is_early_access => Ok(Channel::early_access()),
        None => Ok(Channel::stable()),
    }
}

/// Asks what there is for such a watch. `None`: nothing newer than what it runs.
pub async fn offered(
    api: &impl Api,
    product: &str,
    hardware: Option<&str>,
    installed: Option<&str>,
    configured: Option<&Channel>,
) -> Result<(FirmwareQuery, Option<FirmwareOffer>), CloudError> {
    let query = FirmwareQuery {
        product: product.to_owned(),
        hardware: hardware.map(str::to_owned),
        installed: installed.map(str::to_owned),
        channel: channel(api, configured).await?,
    };
    let offer = api.firmware(query.clone()).await?;
    Ok((query, offer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{MockApi, User};

    async fn asked_in(early: bool, configured: Option<Channel>) -> Channel {
        let mut api = MockApi::new();
        api.expect_user().times(usize::from(configured.is_none())).returning(move || {
            let user = User {
                id: "uid_1".to_owned(),
                email: None,
                first_name: None,
                is_early_access: early,
                last_sync_at: None,
            };
            Box::pin(async move { Ok(user) })
        });
        api.expect_firmware().once().returning(|_| Box::pin(async { Ok(None) }));
        offered(&api, "watch", None, Some("1.0.0"), configured.as_ref()).await.unwrap().0.channel
    }

    #[tokio::test]
    async fn the_channel_follows_the_account_unless_it_is_configured() {
        assert_eq!(asked_in(false, None).await, Channel::stable());
        assert_eq!(asked_in(true, None).await, Channel::early_access());
        let nightly: Channel = "nightly".parse().unwrap();
        assert_eq!(asked_in(true, Some(nightly.clone())).await, nightly);
    }
}
