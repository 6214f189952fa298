//! Tokens: each log-in starts a family, each refresh replaces the family's refresh token.
//!
//! A refresh token is good for one exchange. Whoever presents it again has either lost the answer, or stolen the token. For
//! [`GRACE_MS`], and as long as its successor has not been exchanged in turn, it is taken for a lost answer and the same
//! pair is given once more; else the whole family ends.

use rusqlite::{OptionalExtension, Transaction, params};

use super::users::UserId;
use crate::sim::cloud::PrivateCloudError;
use crate::sim::cloud::secrets::{Sha, Token};

/// The API's documented lifetime of an access token.
const ACCESS_MS: i64 = 3_600_000;
/// Not documented. Long enough for a gateway that spends a season without a network.
const REFRESH_MS: i64 = 90 * 86_400_000;
/// How long a lost answer may be asked for again.
const GRACE_MS: i64 = 60_000;

const ACCESS: i64 = 1;
const REFRESH: i64 = 2;

/// What a client gets.
pub(in crate::sim::cloud) struct Grant {
    pub access: Token,
    pub refresh: Token,
    pub expires_in_s: i64,
}

/// What comes of presenting a refresh token.
pub(in crate::sim::cloud) enum Rotation {
    /// A pair: the next one, or again the one whose answer was lost.
    Granted(Grant),
    /// No such token, or it is too old.
    Unknown,
    /// It had been exchanged before; its family is revoked now.
    Reused,
}

/// Starts a family for a user who has shown the password.
pub(in crate::sim::cloud) fn log_in(
    tx: &Transaction<'_>,
    user: UserId,
    admin: bool,
    now_ms: i64,
) -> Result<Grant, PrivateCloudError> {
    forget_expired(tx, now_ms)?;
    tx.execute("INSERT INTO family (user, admin) VALUES (?1, ?2)", params![user.0, admin])?;
    let family = tx.last_insert_rowid();
    let grant = Grant { access: Token::fresh()?, refresh: Token::fresh()?, expires_in_s: ACCESS_MS / 1_000 };
    remember(tx, family, &grant, now_ms)?;
    Ok(grant)
}

/// Exchanges a refresh token.
pub(in crate::sim::cloud) fn refresh(
    tx: &Transaction<'_>,
    presented: &Token,
    fresh_salt: Sha,
    now_ms: i64,
) -> Result<Rotation, PrivateCloudError> {
    let sql = "SELECT family, used_ms, salt FROM token WHERE hash = ?1 AND role = ?2 AND expires_ms > ?3";
    let found = tx
        .query_row(sql, params![presented.hash(), REFRESH, now_ms], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<Sha>>(2)?))
        })
        .optional()?;
    let Some((family, used_ms, salt)) = found else { return Ok(Rotation::Unknown) };

    if let (Some(used_ms), Some(salt)) = (used_ms, salt) {
        let grant = successors(presented, &salt, used_ms + ACCESS_MS - now_ms);
        if now_ms - used_ms <= GRACE_MS && is_unused(tx, &grant.refresh)? {
            return Ok(Rotation::Granted(grant));
        }
        tx.execute("DELETE FROM family WHERE id = ?1", [family])?;
        return Ok(Rotation::Reused);
    }
    forget_expired(tx, now_ms)?;
    let used = "UPDATE token SET used_ms = ?2, salt = ?3 WHERE hash = ?1";
    tx.execute(used, params![presented.hash(), now_ms, fresh_salt])?;
    let grant = successors(presented, &fresh_salt, ACCESS_MS);
    remember(tx, family, &grant, now_ms)?;
    Ok(Rotation::Granted(grant))
}

/// Whom an access token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::cloud) struct Caller {
    pub user: UserId,
    /// Logged in as an administrator.
    pub admin: bool,
}

/// Whom an access token speaks for. An administrator who is one no more is an ordinary user.
pub(in crate::sim::cloud) fn caller(
    tx: &Transaction<'_>,
    access: &Token,
    now_ms: i64,
) -> Result<Option<Caller>, PrivateCloudError> {
    let sql = "SELECT user.id, family.admin AND user.is_admin
               FROM token JOIN family ON family.id = token.family JOIN user ON user.id = family.user
               WHERE hash = ?1 AND role = ?2 AND expires_ms > ?3";
    let mut statement = tx.prepare_cached(sql)?;
    let caller = statement.query_row(params![access.hash(), ACCESS, now_ms], |row| {
        Ok(Caller { user: UserId(row.get(0)?), admin: row.get(1)? })
    });
    Ok(caller.optional()?)
}

fn successors(of: &Token, salt: &Sha, access_left_ms: i64) -> Grant {
    Grant {
        access: of.successor("access", salt),
        refresh: of.successor("refresh", salt),
        expires_in_s: access_left_ms / 1_000,
    }
}

fn remember(tx: &Transaction<'_>, family: i64, grant: &Grant, now_ms: i64) -> Result<(), PrivateCloudError> {
    let sql = "INSERT INTO token (hash, family, role, expires_ms) VALUES (?1, ?2, ?3, ?4)";
    for (token, role, lifetime_ms) in
        [(&grant.access, ACCESS, ACCESS_MS), (&grant.refresh, REFRESH, REFRESH_MS)]
    {
        tx.execute(sql, params![token.hash(), family, role, now_ms + lifetime_ms])?;
    }
    Ok(())
}

fn is_unused(tx: &Transaction<'_>, refresh: &Token) -> Result<bool, PrivateCloudError> {
    let sql = "SELECT count(*) FROM token WHERE hash = ?1 AND used_ms IS NULL";
    Ok(tx.query_row(sql, [refresh.hash()], |row| row.get::<_, i64>(0))? > 0)
}

fn forget_expired(tx: &Transaction<'_>, now_ms: i64) -> Result<(), PrivateCloudError> {
    tx.execute("DELETE FROM token WHERE expires_ms <= ?1", [now_ms])?;
    tx.execute("DELETE FROM family WHERE id NOT IN (SELECT family FROM token)", [])?;
    Ok(())
}
