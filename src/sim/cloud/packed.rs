//! An hour of one kind as one blob: small to keep, fast to merge.
//!
//! A row per second would cost some fifty bytes a value and an index look-up each; an hour of heart rate at one value a
//! second is 14 kB here. Entries are sorted by second and every second stands there once.
//!
//! ```text
//! version   1 byte, 1
//! entries   head  u16 LE: bits 0-11 second of the hour, bits 12-14 quality + 1 (0: none)
//!           value Integer: zigzag varint; Decimal: f64 LE; Frame: the heart-beat frame, which tells its own length
//! crc       CRC-32C of all before it, LE
//! ```

use std::fmt::Write;

use crate::measurement::{Kind, Quality, Reading, Value, ValueType};

const VERSION: u8 = 1;
const SECONDS: i64 = 3_600;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);

/// Some readings of one kind in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackedHour {
    /// Hours since 1970.
    pub hour: i64,
    /// How many seconds have a value.
    pub count: u32,
    /// The blob.
    pub body: Vec<u8>,
}

/// What is wrong with a blob.
pub(super) type Damage = &'static str;

/// One value inside a blob.
#[derive(Clone, Copy)]
struct Entry<'a> {
    second: u16,
    bytes: &'a [u8],
}

/// Packs readings hour by hour, in order of time. Of several values for one second the last in the list stays.
pub(super) fn pack(mut readings: Vec<Reading>) -> Vec<PackedHour> {
    // Stable, so that the last one of a second is the last of its run; nearly always sorted already.
    readings.sort_by_key(|reading| reading.at);
    readings
        .chunk_by(|a, b| hour_of(a) == hour_of(b))
        .map(|hour| {
            let (mut body, mut count) = (vec![VERSION], 0);
            for last in hour.chunk_by(|a, b| a.at == b.at).filter_map(<[Reading]>::last) {
                push(&mut body, last);
                count += 1;
            }
            seal(hour_of(&hour[0]), count, body)
        })
        .collect()
}

/// Both together; where both have a second, `newer` wins.
pub(super) fn merge(kind: Kind, older: &[u8], newer: &PackedHour) -> Result<PackedHour, Damage> {
    let (old, new) = (entries(kind, older)?, entries(kind, &newer.body)?);
    let mut body = Vec::with_capacity(older.len() + newer.body.len());
    body.push(VERSION);
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < old.len() || j < new.len() {
        let (left, right) = (old.get(i), new.get(j));
        let take_old = match (left, right) {
            (Some(left), Some(right)) => left.second < right.second,
            (left, _) => left.is_some(),
        };
        let taken = if take_old { &old[i] } else { &new[j] };
        if !take_old && left.is_some_and(|left| left.second == taken.second) {
            i += 1;
        }
        i += usize::from(take_old);
        j += usize::from(!take_old);
        body.extend_from_slice(taken.bytes);
        count += 1;
    }
    Ok(seal(newer.hour, count, body))
}

/// Appends the hour's values to a JSON map of second-of-day to `[value, quality]` (`[value]` for kinds without quality);
/// answers how many. The map's braces are the caller's.
pub(super) fn write_json(
    kind: Kind,
    hour_of_day: u32,
    body: &[u8],
    map: &mut String,
) -> Result<usize, Damage> {
    let entries = entries(kind, body)?;
    for entry in &entries {
        let comma = if map.len() > 1 { "," } else { "" };
        let second = hour_of_day * SECONDS as u32 + u32::from(entry.second);
        // Writing to a String cannot fail.
        let _ = write!(map, "{comma}\"{second}\":[");
        write_value(kind, &entry.bytes[2..], map)?;
        if let Some(quality) = (head(entry.bytes)? >> 12).checked_sub(1) {
            let _ = write!(map, ",{quality}");
        }
        map.push(']');
    }
    Ok(entries.len())
}

fn hour_of(reading: &Reading) -> i64 {
    reading.at.0.div_euclid(SECONDS)
}

fn seal(hour: i64, count: u32, mut body: Vec<u8>) -> PackedHour {
    let crc = CRC.checksum(&body);
    body.extend(crc.to_le_bytes());
    PackedHour { hour, count, body }
}

fn push(body: &mut Vec<u8>, reading: &Reading) {
    let second = reading.at.0.rem_euclid(SECONDS) as u16;
    let quality = reading.quality.map_or(0, |quality| u16::from(quality.get()) + 1);
    body.extend((second | quality << 12).to_le_bytes());
    match &reading.value {
        Value::Integer(number) => push_varint(body, *number),
        Value::Decimal(number) => body.extend(number.to_le_bytes()),
        Value::Beats(frame) => body.extend(frame.to_bytes()),
    }
}

fn entries(kind: Kind, sealed: &[u8]) -> Result<Vec<Entry<'_>>, Damage> {
    let (body, crc) = sealed.split_last_chunk::<4>().ok_or("too short")?;
    if CRC.checksum(body) != u32::from_le_bytes(*crc) {
        return Err("its checksum does not match");
    }
    let (&version, mut rest) = body.split_first().ok_or("too short")?;
    if version != VERSION {
        return Err("its version is unknown");
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let value = rest.get(2..).ok_or("an entry is cut off")?;
        let len = 2 + value_len(kind, value).ok_or("an entry is cut off")?;
        let bytes = rest.get(..len).ok_or("an entry is cut off")?;
        entries.push(Entry { second: head(bytes)? & 0x0FFF, bytes });
        rest = &rest[len..];
    }
    Ok(entries)
}

fn head(entry: &[u8]) -> Result<u16, Damage> {
    entry.first_chunk().map(|head| u16::from_le_bytes(*head)).ok_or("an entry is cut off")
}

fn value_len(kind: Kind, bytes: &[u8]) -> Option<usize> {
    match kind.value_type() {
        ValueType::Integer => bytes.iter().position(|byte| byte & 0x80 == 0).map(|last| last + 1),
        ValueType::Decimal => Some(size_of::<f64>()),
        ValueType::Frame => bytes.first().map(|&beats| 2 + 8 * usize::from(beats)),
    }
}

fn write_value(kind: Kind, bytes: &[u8], map: &mut String) -> Result<(), Damage> {
    let written = match kind.value_type() {
        ValueType::Integer => write!(map, "{}", varint(bytes)),
        ValueType::Decimal => {
            let number = bytes.try_into().map_err(|_| "a number is cut off")?;
            write!(map, "{}", f64::from_le_bytes(number))
        }
        ValueType::Frame => write!(map, "\"{}\"", hex::encode(bytes)),
    };
    written.map_err(|_| "it cannot be written out")
}

fn push_varint(body: &mut Vec<u8>, number: i64) {
    let mut zigzag = ((number << 1) ^ (number >> 63)) as u64;
    while zigzag >= 0x80 {
        body.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    body.push(zigzag as u8);
}

fn varint(bytes: &[u8]) -> i64 {
    let zigzag = bytes.iter().rev().fold(0_u64, |sum, byte| sum << 7 | u64::from(byte & 0x7F));
    (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
}

// The head has three bits for the quality.
const _: () = assert!(Quality::BEST.get() + 1 < 8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::{HeartBeatFrame, UnixSeconds};

    fn reading(at: i64, value: Value) -> Reading {
        Reading { at: UnixSeconds(at), value, quality: Some(Quality::BEST) }
    }

    fn json(kind: Kind, hour: &PackedHour) -> String {
        let mut map = "{".to_owned();
        let count = write_json(kind, hour.hour.rem_euclid(24) as u32, &hour.body, &mut map).unwrap();
        assert_eq!(count, hour.count as usize);
        map + "}"
    }

    #[test]
    fn readings_fall_into_their_hours_and_the_last_of_a_second_stays() {
        let rows = [(7_200, 9), (3_601, 1), (3_600, i64::MIN), (3_601, i64::MAX)];
        let hours = pack(rows.map(|(at, value)| reading(at, Value::Integer(value))).to_vec());
        assert_eq!(hours.iter().map(|h| (h.hour, h.count)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
        assert_eq!(
            json(Kind::HeartRate, &hours[0]),
            r#"{"3600":[-9223372036854775808,4],"3601":[9223372036854775807,4]}"#
        );
    }

    #[test]
    fn values_of_every_type_and_kinds_without_quality() {
        let one = |kind, reading: Reading| json(kind, &pack(vec![reading])[0]);
        assert_eq!(one(Kind::Temperature, reading(59, Value::Decimal(36.44))), r#"{"59":[36.44,4]}"#);
        let frame = HeartBeatFrame::from_hex("010204e8030000000000").unwrap();
        assert_eq!(
            one(Kind::HeartBeat, reading(0, Value::Beats(frame))),
            r#"{"0":["010204e8030000000000",4]}"#
        );
        let graph = Reading { quality: None, ..reading(60, Value::Integer(70)) };
        assert_eq!(one(Kind::HeartRateGraph, graph), r#"{"60":[70]}"#);
    }

    #[test]
    fn the_newer_value_wins_and_neighbours_stay() {
        let hour = |rows: &[(i64, i64)]| {
            pack(rows.iter().map(|&(at, value)| reading(at, Value::Integer(value))).collect()).remove(0)
        };
        let merged =
            merge(Kind::HeartRate, &hour(&[(1, 1), (2, 2), (5, 5)]).body, &hour(&[(2, 20), (3, 30)]));
        assert_eq!(merged.unwrap(), hour(&[(1, 1), (2, 20), (3, 30), (5, 5)]));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let hour = pack(vec![reading(5, Value::Integer(72)), reading(6, Value::Integer(-1))]).remove(0);
        for bit in 0..hour.body.len() * 8 {
            let mut body = hour.body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(write_json(Kind::HeartRate, 0, &body, &mut String::new()).is_err(), "bit {bit}");
        }
        assert!(entries(Kind::HeartRate, &[]).is_err());
    }
}
