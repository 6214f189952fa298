//! Bodies: CBOR maps with text keys.

use bytes::Bytes;
use ciborium::value::Value;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::MessageError;

/// How deep a body may be nested, the outer map included.
const DEPTH: usize = 8;

/// A value to be written.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A number, in the fewest bytes.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
    /// Yes or no.
    Bool(bool),
    /// A list of maps.
    List(Vec<Map>),
    /// A map.
    Map(Map),
}

/// A map to be written, in this order.
#[derive(Clone, Debug, Default)]
pub(super) struct Map(Vec<(&'static str, Item)>);

impl Map {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// One entry more.
    pub(super) fn with(mut self, key: &'static str, item: Item) -> Self {
        self.0.push((key, item));
        self
    }

    /// One entry more, if there is a value.
    pub(super) fn with_some(self, key: &'static str, item: Option<Item>) -> Self {
        match item {
            Some(item) => self.with(key, item),
            None => self,
        }
    }

    /// One number more, if there is one.
    pub(super) fn with_int(self, key: &'static str, number: Option<impl Into<i64>>) -> Self {
        self.with_some(key, number.map(|number| Item::Int(number.into())))
    }

    /// The bytes; `indefinite` containers end with a mark instead of being counted.
    pub(super) fn encode(&self, indefinite: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(&Counted { value: self, indefinite }, &mut bytes)
            .expect("writing these values to memory cannot fail");
        bytes
    }
}

/// A value, and whether its containers are counted.
struct Counted<'a, T> {
    value: &'a T,
    indefinite: bool,
}

impl Serialize for Counted<'_, Map> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = &self.value.0;
        let mut map = serializer.serialize_map((!self.indefinite).then_some(entries.len()))?;
        for (key, value) in entries {
            map.serialize_entry(key, &Counted { value, indefinite: self.indefinite })?;
        }
        map.end()
    }
}

impl Serialize for Counted<'_, Item> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let indefinite = self.indefinite;
        match self.value {
            Item::Int(number) => serializer.serialize_i64(*number),
            Item::Text(text) => serializer.serialize_str(text),
            Item::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Item::Bool(yes) => serializer.serialize_bool(*yes),
            Item::Map(map) => Counted { value: map, indefinite }.serialize(serializer),
            Item::List(maps) => {
                let mut list = serializer.serialize_seq((!indefinite).then_some(maps.len()))?;
                for value in maps {
                    list.serialize_element(&Counted { value, indefinite })?;
                }
                list.end()
            }
        }
    }
}

/// A map that was read. Values are taken out by key; what nobody takes is a later version's and is ignored.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Reads a whole body. No bytes at all are an empty map.
    pub(super) fn decode(body: &[u8]) -> Result<Self, MessageError> {
        if body.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut rest = body;
        let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH)
            .map_err(|_| MessageError::NotCbor)?;
        if !rest.is_empty() {
            return Err(MessageError::Trailing(rest.len()));
        }
        Self::of(value)
    }

    fn of(value: Value) -> Result<Self, MessageError> {
        let entries = value.into_map().map_err(|_| MessageError::NotAMap)?;
        let text =
            |(key, value): (Value, Value)| Ok((key.into_text().map_err(|_| MessageError::NotAMap)?, value));
        entries.into_iter().map(text).collect::<Result<_, _>>().map(Self)
    }

    /// Takes a value. A key that is read may stand once only; null is as good as absent.
    fn take(&mut self, key: &'static str) -> Result<Option<Value>, MessageError> {
        let mut found = self.0.iter().enumerate().filter(|(_, (name, _))| name == key);
        let Some((at, _)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(MessageError::Duplicate(key));
        }
        let (_, value) = self.0.swap_remove(at);
        Ok((!value.is_null()).then_some(value))
    }

    /// Takes a number of any width that the type can hold.
    pub(super) fn int<T: TryFrom<i128>>(&mut self, key: &'static str) -> Result<Option<T>, MessageError> {
        let wrong = || MessageError::WrongType(key);
        let Some(value) = self.take(key)? else { return Ok(None) };
        let number = i128::from(value.into_integer().map_err(|_| wrong())?);
        T::try_from(number).map(Some).map_err(|_| wrong())
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, MessageError> {
        let text = |value: Value| value.into_text().map_err(|_| MessageError::WrongType(key));
        self.take(key)?.map(text).transpose()
    }

    /// Takes bytes.
    pub(super) fn bytes(&mut self, key: &'static str) -> Result<Option<Bytes>, MessageError> {
        let bytes = |value: Value| value.into_bytes().map_err(|_| MessageError::WrongType(key));
        Ok(self.take(key)?.map(bytes).transpose()?.map(Bytes::from))
    }

    /// Takes yes or no; absent is no.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, MessageError> {
        Ok(self.maybe_flag(key)?.unwrap_or(false))
    }

    /// Takes yes or no, if it is there. A number does as well: `"force": 1`.
    pub(super) fn maybe_flag(&mut self, key: &'static str) -> Result<Option<bool>, MessageError> {
        match self.take(key)? {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(Value::Integer(number)) => Ok(Some(i128::from(number) != 0)),
            Some(_) => Err(MessageError::WrongType(key)),
        }
    }

    /// Takes a map.
    pub(super) fn map(&mut self, key: &'static str) -> Result<Option<Self>, MessageError> {
        self.take(key)?.map(Self::of).transpose()
    }

    /// Takes a list of maps.
    pub(super) fn maps(&mut self, key: &'static str) -> Result<Option<Vec<Self>>, MessageError> {
        let Some(value) = self.take(key)? else { return Ok(None) };
        let list = value.into_array().map_err(|_| MessageError::WrongType(key))?;
        list.into_iter().map(Self::of).collect::<Result<_, _>>().map(Some)
    }
}
