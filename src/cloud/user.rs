//! The `user` tag: who we are, and whether we may upload.
//!
//! Only what the daemon has a use for is taken out of the answers: date of birth, weight and the like are documented too,
//! but what is not held cannot leak.

use serde_json::Value;

use super::call::{Call, Reply};
use super::{Client, CloudError};

const USER: &str = "/v1/user";
const SETTINGS: &str = "/v1/user/settings";

/// The account that the tokens belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `uid_…`; opaque.
    pub id: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// Gets firmware and functions before others.
    pub is_early_access: bool,
    /// When the cloud last got data, as the cloud writes it.
    pub last_sync_at: Option<String>,
}

/// What the user has set in the app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// What the user has agreed to.
    pub user_consent: UserConsent,
}

/// What the user has agreed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserConsent {
    /// Whether data may leave the host; `None` if the user was never asked.
    pub data_sharing: Option<bool>,
}

impl UserSettings {
    /// Whether measurements may be uploaded. That this setting is the gate is our reading of the vendor's promise that data
    /// leaves the phone with consent only; without an answer there is none.
    pub fn allows_upload(&self) -> bool {
        self.user_consent.data_sharing == Some(true)
    }
}

/// `GET /v1/user`.
pub(super) async fn user(client: &Client) -> Result<User, CloudError> {
    let reply = client.send(&Call::get(USER)).await?;
    let json: Value = reply.json()?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(User {
        id: text("id").filter(|id| !id.is_empty()).ok_or_else(|| reply.unexpected("it holds no id"))?,
        email: text("email"),
        first_name: text("firstName"),
        is_early_access: json.get("isEarlyAccess").and_then(Value::as_bool).unwrap_or(false),
        last_sync_at: text("lastSyncAt"),
    })
}

/// `GET /v1/user/settings`.
pub(super) async fn settings(client: &Client) -> Result<UserSettings, CloudError> {
    let reply = client.send(&Call::get(SETTINGS)).await?;
    read_settings(&reply)
}

fn read_settings(reply: &Reply) -> Result<UserSettings, CloudError> {
    let json: Value = reply.json()?;
    // A cloud that says nothing of settings at all is not one that says "no".
    let settings = json.get("settings").ok_or_else(|| reply.unexpected("it holds no settings"))?;
    let data_sharing = settings.pointer("/user_consent/data_sharing").and_then(Value::as_bool);
    Ok(UserSettings { user_consent: UserConsent { data_sharing } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(body: &str) -> Result<bool, CloudError> {
        let reply = Reply { path: SETTINGS.to_owned(), status: 200, content_type: None, body: body.into() };
        read_settings(&reply).map(|settings| settings.allows_upload())
    }

    #[test]
    fn only_a_clear_yes_is_consent() {
        assert!(
            allows(r#"{"settings":{"user_consent":{"data_sharing":true},"onboarding":{"intention":3}}}"#)
                .unwrap()
        );
        for no in [
            r#"{"settings":{"user_consent":{"data_sharing":false}}}"#,
            r#"{"settings":{"user_consent":{"data_sharing":"true"}}}"#,
            r#"{"settings":{"user_consent":{}}}"#,
            r#"{"settings":{}}"#,
            r#"{"settings":null}"#,
        ] {
            assert!(!allows(no).unwrap(), "{no}");
        }
        assert!(matches!(allows("{}"), Err(CloudError::Unexpected { .. })));
    }
}
