//! Users and their settings.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value, json};

use crate::sim::cloud::PrivateCloudError;
use crate::sim::cloud::registration::Registration;

/// The number of a user in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::cloud) struct UserId(pub i64);

/// What the API tells of a user, as far as it is kept here.
pub(in crate::sim::cloud) struct User {
    pub uid: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub last_sync_ms: Option<i64>,
    pub early_access: bool,
    pub is_admin: bool,
}

/// A user's settings.
pub(in crate::sim::cloud) struct Settings {
    pub object: Map<String, Value>,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// Adds a user, who has not yet consented to sharing data.
pub(in crate::sim::cloud) fn add(
    tx: &Transaction<'_>,
    new: &Registration,
    password_hash: &str,
    now_ms: i64,
) -> Result<(), PrivateCloudError> {
    let uid = format!("uid_{}", uuid::Uuid::new_v4().simple());
    let settings = json!({ "user_consent": { "data_sharing": false } }).to_string();
    let added = tx.execute(
        "INSERT INTO user (uid, email, password, first_name, last_name, toc_accepted_ms, privacy_accepted_ms,
                           settings, settings_updated_ms, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT (email) DO NOTHING",
        params![
            uid,
            new.email,
            password_hash,
            new.first_name,
            new.last_name,
            new.toc_accepted_ms,
            new.privacy_accepted_ms,
            settings,
            now_ms
        ],
    )?;
    if added == 0 { Err(PrivateCloudError::EmailTaken(new.email.clone())) } else { Ok(()) }
}

/// The user with this address, and the hash of their password.
pub(in crate::sim::cloud) fn credentials(
    tx: &Transaction<'_>,
    email: &str,
) -> Result<Option<(UserId, String)>, PrivateCloudError> {
    let found = tx.query_row("SELECT id, password FROM user WHERE email = ?1", [email], |row| {
        Ok((UserId(row.get(0)?), row.get(1)?))
    });
    Ok(found.optional()?)
}

/// The user.
pub(in crate::sim::cloud) fn user(tx: &Transaction<'_>, id: UserId) -> Result<User, PrivateCloudError> {
    let read = |row: &Row<'_>| {
        Ok(User {
            uid: row.get(0)?,
            email: row.get(1)?,
            first_name: row.get(2)?,
            last_name: row.get(3)?,
            last_sync_ms: row.get(4)?,
            early_access: row.get(5)?,
            is_admin: row.get(6)?,
        })
    };
    let sql = "SELECT uid, email, first_name, last_name, last_sync_ms, early_access, is_admin FROM user WHERE id = ?1";
    Ok(tx.query_row(sql, [id.0], read)?)
}

/// The user's settings.
pub(in crate::sim::cloud) fn settings(
    tx: &Transaction<'_>,
    id: UserId,
) -> Result<Settings, PrivateCloudError> {
    let sql = "SELECT settings, created_ms, settings_updated_ms FROM user WHERE id = ?1";
    Ok(tx.query_row(sql, [id.0], |row| {
        // Only objects are ever stored; a file edited by hand reads as no settings at all, which consents to nothing.
        let object = serde_json::from_str(&row.get::<_, String>(0)?).unwrap_or_default();
        Ok(Settings { object, created_ms: row.get(1)?, updated_ms: row.get(2)? })
    })?)
}

/// Replaces the user's settings.
pub(in crate::sim::cloud) fn put_settings(
    tx: &Transaction<'_>,
    id: UserId,
    settings: Map<String, Value>,
    now_ms: i64,
) -> Result<(), PrivateCloudError> {
    let text = Value::Object(settings).to_string();
    let sql = "UPDATE user SET settings = ?2, settings_updated_ms = ?3 WHERE id = ?1";
    tx.execute(sql, params![id.0, text, now_ms])?;
    Ok(())
}

/// What only the owner of the machine gives a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::cloud) enum Right {
    Admin,
    EarlyAccess,
}

/// Gives a user a right, or takes it.
pub(in crate::sim::cloud) fn grant(
    tx: &Transaction<'_>,
    email: &str,
    right: Right,
    given: bool,
) -> Result<(), PrivateCloudError> {
    let (id, _) = credentials(tx, email)?.ok_or_else(|| PrivateCloudError::UnknownUser(email.to_owned()))?;
    let sql = match right {
        Right::Admin => "UPDATE user SET is_admin = ?2 WHERE id = ?1",
        Right::EarlyAccess => "UPDATE user SET early_access = ?2 WHERE id = ?1",
    };
    tx.execute(sql, params![id.0, given])?;
    Ok(())
}

/// Sets `user_consent.data_sharing` and leaves the other settings alone.
pub(in crate::sim::cloud) fn consent(
    tx: &Transaction<'_>,
    email: &str,
    data_sharing: bool,
    now_ms: i64,
) -> Result<(), PrivateCloudError> {
    let (id, _) = credentials(tx, email)?.ok_or_else(|| PrivateCloudError::UnknownUser(email.to_owned()))?;
    let mut settings = settings(tx, id)?.object;
    match settings.get_mut("user_consent").and_then(Value::as_object_mut) {
        Some(consent) => {
            consent.insert("data_sharing".to_owned(), data_sharing.into());
        }
        None => {
            settings.insert("user_consent".to_owned(), json!({ "data_sharing": data_sharing }));
        }
    }
    put_settings(tx, id, settings, now_ms)
}
