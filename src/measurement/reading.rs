//! One reading: a second, a value and a quality. What a row of the upload's CSV holds.

use super::{FrameError, HeartBeatFrame, Kind, Quality, UnixSeconds, ValueType};

/// A value of the type that its kind asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Most kinds.
    Integer(i64),
    /// `TEMPERATURE` and `RESPIRATION_RATE`.
    Decimal(f64),
    /// `HEART_BEAT`.
    Beats(HeartBeatFrame),
}

/// One row: the value that a kind had in a second.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The second, UTC.
    pub at: UnixSeconds,
    /// The value.
    pub value: Value,
    /// 0–4; `None` for the kinds that carry none.
    pub quality: Option<Quality>,
}

/// A text that is not a value of the kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a whole number, or one too large.
    #[error("\"{0}\" is not a whole number")]
    NotAnInteger(String),
    /// Not a finite decimal number.
    #[error("\"{0}\" is not a finite number")]
    NotADecimal(String),
    /// Not a heart-beat frame.
    #[error("\"{text}\" is not a heart-beat frame: {source}")]
    NotAFrame {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: FrameError,
    },
}

impl Value {
    /// Reads the text that a CSV or a JSON string holds for `kind`.
    pub fn parse(kind: Kind, text: &str) -> Result<Self, ValueError> {
        match kind.value_type() {
            ValueType::Integer => {
                text.parse().map(Self::Integer).map_err(|_| ValueError::NotAnInteger(text.to_owned()))
            }
            ValueType::Decimal => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Decimal(number)),
                _ => Err(ValueError::NotADecimal(text.to_owned())),
            },
            ValueType::Frame => HeartBeatFrame::from_hex(text)
                .map(Self::Beats)
                .map_err(|source| ValueError::NotAFrame { text: text.to_owned(), source }),
        }
    }
}

/// The text of a CSV field: whole numbers plain, decimals in the shortest form that reads back the same, frames in hex.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Decimal(number) => number.fmt(f),
            Self::Beats(frame) => f.write_str(&frame.to_hex()),
        }
    }
}
