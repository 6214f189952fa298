//! How the words of the domain stand in a column: numbers as they are, names as their stable text.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};

use uuid::Uuid;

use super::{
    AnchorKey, AnchorSource, AskedBy, BatchKey, BatchState, ErrandKey, ErrandState, ErrandWhy, GapCause,
    LogKey, QuarantineKey, Resolution, SessionKey, SinkName, UpdateKey, UpdateStep,
};
use crate::measurement::{Kind, UtcMicros};
use crate::wire::Sha256;
use crate::wire::bridge::{Boot, DeviceId, LogId, Seq, Stream};

macro_rules! transparent {
    ($($name:ident($inner:ty)),+ $(,)?) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                <$inner>::column_result(value).map(Self)
            }
        }
    )+};
}

macro_rules! named {
    ($($name:ident),+ $(,)?) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.name().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                Self::ALL.into_iter().find(|it| it.name() == text).ok_or(FromSqlError::InvalidType)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    )+};
}

transparent! {
    LogKey(i64), SessionKey(i64), BatchKey(i64), AnchorKey(i64), ErrandKey(i64), QuarantineKey(i64), SinkName(String),
    LogId(u32), Seq(u32), Boot(u16), Stream(u8), UtcMicros(i64), DeviceId([u8; 16]),
    Sha256([u8; 32]), UpdateKey(i64),
}

named! { AnchorSource, AskedBy, BatchState, ErrandState, ErrandWhy, GapCause, Resolution, UpdateStep }

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.code().into())
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        u8::try_from(code).ok().and_then(Self::from_code).ok_or(FromSqlError::OutOfRange(code))
    }
}

/// Reads a uuid that stands as text.
pub(super) fn uuid(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    let index = row.as_ref().column_index(column)?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error)))
}

/// Reads a count: never negative, because only counts are ever written there.
pub(super) fn count(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
