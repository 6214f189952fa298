//! Blocks out of single pages: what hangs below a page that is lost is found here all the same.
//!
//! A row of `block` is told by its form, and by the block in it, whose checksum is right and whose header says what the columns say.
//! A number of a log is used once, so it does not matter how old the copy of a page is.

use bytes::Bytes;

use super::pages::Pages;
use crate::measurement::UtcMicros;
use crate::outbox::LogKey;
use crate::wire::bridge::{MAX_BLOCK, RawBlock, Seq};

/// What stands in front of the block in its row.
const OTHERS_AT_MOST: usize = 80;
/// Of a table without row ids.
const LEAF: u8 = 0x0A;
const INNER: u8 = 0x02;
/// log, seq, session, received_s, boot, t0_ms, stream, n, body.
const COLUMNS: usize = 9;

/// A block that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Carved {
    pub log: LogKey,
    pub received: UtcMicros,
    pub block: RawBlock,
}

impl Carved {
    pub(super) fn seq(&self) -> Seq {
        self.block.header().seq
    }
}

/// The blocks on a page.
pub(super) fn blocks(pages: &Pages, number: u32) -> Vec<Carved> {
    let Some(page) = pages.in_use(number) else { return Vec::new() };
    let (header, child) = match page.first() {
        Some(&LEAF) => (8, 0),
        Some(&INNER) => (12, 4),
        _ => return Vec::new(),
    };
    let word = |at: usize| page.get(at..at + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])));
    let cells = word(3).unwrap_or(0).min(page.len() / 4);
    let places = (0..cells).filter_map(|cell| word(header + 2 * cell));
    places.filter_map(|at| row(&payload(pages, page.get(at + child..)?)?)).collect()
}

/// A row's bytes, of which only the first may be on the page.
fn payload(pages: &Pages, mut cell: &[u8]) -> Option<Vec<u8>> {
    let length =
        usize::try_from(varint(&mut cell)?).ok().filter(|length| *length <= MAX_BLOCK + OTHERS_AT_MOST)?;
    let usable = pages.size() as usize;
    let (most, least) = ((usable - 12) * 64 / 255 - 23, (usable - 12) * 32 / 255 - 23);
    if length <= most {
        return cell.get(..length).map(<[u8]>::to_vec);
    }
    let here = least + (length - least) % (usable - 4);
    let here = if here <= most { here } else { least };
    let mut whole = cell.get(..here)?.to_vec();
    let mut next = u32::from_be_bytes(cell.get(here..here + 4)?.try_into().ok()?);
    while whole.len() < length {
        let page = pages.page(next)?;
        let part = (length - whole.len()).min(usable - 4);
        whole.extend_from_slice(page.get(4..4 + part)?);
        next = u32::from_be_bytes(page.get(..4)?.try_into().ok()?);
    }
    Some(whole)
}

fn row(payload: &[u8]) -> Option<Carved> {
    let mut rest = payload;
    let header = usize::try_from(varint(&mut rest)?).ok()?;
    let (mut types, mut values) = (payload.get(payload.len() - rest.len()..header)?, payload.get(header..)?);
    let mut numbers = [0; COLUMNS - 1];
    for number in &mut numbers {
        *number = integer(varint(&mut types)?, &mut values)?;
    }
    let blob = varint(&mut types)?;
    if !types.is_empty() || blob < 12 || blob % 2 != 0 || values.len() as u64 != (blob - 12) / 2 {
        return None;
    }
    let block = RawBlock::parse(Bytes::copy_from_slice(values)).ok()?;
    let said = block.header();
    let [log, seq, _, received_s, boot, t0_ms, stream, n] = numbers;
    let is_itself = [seq, boot, stream, n]
        == [i64::from(said.seq.0), said.boot.0.into(), said.stream.0.into(), said.n.into()]
        && t0_ms.cast_unsigned() == said.t0_ms;
    (is_itself && log > 0 && seq > 0).then(|| Carved {
        log: LogKey(log),
        received: UtcMicros(received_s.saturating_mul(1_000_000)),
        block,
    })
}

/// A value of one of SQLite's types that is a whole number.
fn integer(kind: u64, values: &mut &[u8]) -> Option<i64> {
    let bytes = match kind {
        8 => return Some(0),
        9 => return Some(1),
        1..=4 => kind as usize,
        5 => 6,
        6 => 8,
        _ => return None,
    };
    let (value, rest) = values.split_at_checked(bytes)?;
    *values = rest;
    let sign = if value[0] & 0x80 == 0 { 0 } else { -1 };
    Some(value.iter().fold(sign, |number: i64, byte| number << 8 | i64::from(*byte)))
}

/// SQLite's: the high part first, and all of the ninth byte.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for index in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if index == 8 {
            return Some(value << 8 | u64::from(*byte));
        }
        value = value << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
