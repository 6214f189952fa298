//! One connection's worth of a download: from where the part ends to wherever the connection does.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap};

use super::partial::{Note, Part, plain};
use super::progress::Meter;
use super::request::{Requests, Resume, text};
use super::url::host_of;
use super::{DownloadError, StoreError};
use crate::cloud::{Api, FirmwareOffer, is_markup};

/// So much is gathered before it goes to the disk; so much is lost at most when the power is.
const GATHERED_BYTES: usize = 128 << 10;

/// What a leg needs to know.
pub(super) struct Leg<'a, A> {
    pub requests: &'a Requests,
    pub api: Option<&'a A>,
    pub offer: &'a FirmwareOffer,
    /// The most that may come, whatever is said.
    pub cap: u64,
    /// Without a byte for so long, it is over.
    pub stall: Duration,
}

/// `Content-Range` of a 206 (`bytes 5-9/10`) or of a 416 (`bytes */10`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

impl<A: Api> Leg<'_, A> {
    /// Goes as far as the connection carries. Answers whether the file is whole.
    pub async fn go(&self, part: &mut Part, meter: &mut Meter) -> Result<bool, DownloadError> {
        let total = self.offer.size.or(part.note().total);
        meter.stands(part.len(), total);
        if part.len() > 0 && total == Some(part.len()) {
            return Ok(true);
        }
        let resume =
            part.note().etag.clone().filter(|_| part.len() > 0 && total.is_none_or(|all| all > part.len()));
        let resume = resume.map(|etag| Resume { offset: part.len(), etag });
        let response = self.requests.get(self.api, &self.offer.url, resume.as_ref()).await?;
        refuse_what_is_no_file(&response)?;
        let headers = response.headers();
        let range = text(headers, &CONTENT_RANGE).and_then(|text| ContentRange::read(&text));
        match (response.status().as_u16(), resume) {
            (206, Some(resume)) if self.goes_on(headers, range, &resume, total) => part.patch(),
            (416, Some(resume)) if range.is_some_and(|range| range.total == Some(resume.offset)) => {
                return self.check_size(resume.offset, true).map(|()| true);
            }
            (200, _) => part.restart(self.note(headers)?).await?,
            _ => {
                part.restart(Note::default()).await?;
                return Err(DownloadError::WrongRange { host: host_of(&self.offer.url) });
            }
        }
        self.receive(response, part, meter).await?;
        self.is_whole(part)
    }

    fn goes_on(
        &self,
        headers: &HeaderMap,
        range: Option<ContentRange>,
        resume: &Resume,
        total: Option<u64>,
    ) -> bool {
        let same_total = |range: ContentRange| match (range.total, total) {
            (Some(said), Some(known)) => said == known,
            (Some(said), None) => said <= self.cap,
            (None, _) => true,
        };
        let same_version = text(headers, &ETAG).is_none_or(|etag| etag == resume.etag);
        same_version && range.is_some_and(|range| range.start == Some(resume.offset) && same_total(range))
    }

    /// What the body of a 200 is, if it may be that.
    fn note(&self, headers: &HeaderMap) -> Result<Note, DownloadError> {
        let declared = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if let Some(declared) = declared {
            self.check_size(declared, true)?;
        }
        let strong = |etag: &String| etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"');
        Ok(Note {
            url: plain(&self.offer.url),
            etag: text(headers, &ETAG).filter(strong),
            total: declared.or(self.offer.size),
            sha256: self.offer.sha256,
        })
    }

    /// Refuses a size that is too much; `whole`: or not what was offered.
    fn check_size(&self, size: u64, whole: bool) -> Result<(), DownloadError> {
        match self.offer.size {
            Some(offered) if size > offered || (whole && size != offered) => {
                Err(DownloadError::WrongSize { offered, got: size })
            }
            None if size > self.cap => {
                Err(DownloadError::TooLarge { host: host_of(&self.offer.url), cap: self.cap })
            }
            _ => Ok(()),
        }
    }

    /// Takes what comes. Whatever ends it, what has come is in the part.
    async fn receive(
        &self,
        mut response: Response,
        part: &mut Part,
        meter: &mut Meter,
    ) -> Result<(), DownloadError> {
        let (host, total) = (host_of(response.url()), self.offer.size.or(part.note().total));
        let mut gathered = Vec::new();
        loop {
            let got = part.len() + gathered.len() as u64;
            let ended = match tokio::time::timeout(self.stall, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    if got == 0 && is_markup(&chunk) {
                        return Err(DownloadError::WebPage { host });
                    }
                    // What was declared may be a lie; what counts is what comes.
                    self.check_size(got + chunk.len() as u64, false)?;
                    meter.came(chunk.len() as u64);
                    meter.stands(got + chunk.len() as u64, total);
                    gathered.extend_from_slice(&chunk);
                    if gathered.len() >= GATHERED_BYTES {
                        save(part, &mut gathered).await?;
                    }
                    continue;
                }
                Ok(Ok(None)) => Ok(()),
                Ok(Err(source)) => {
                    Err(DownloadError::Interrupted { host, got, source: source.without_url() })
                }
                Err(_) => Err(DownloadError::Stalled { host, got, after: self.stall }),
            };
            save(part, &mut gathered).await?;
            return ended;
        }
    }

    /// Whether all is there. A server may send less of the rest than there is; a whole file that is too short is wrong.
    fn is_whole(&self, part: &Part) -> Result<bool, DownloadError> {
        match self.offer.size.or(part.note().total) {
            Some(total) if part.len() < total && part.is_patched() => Ok(false),
            _ => self.check_size(part.len(), true).map(|()| true),
        }
    }
}

fn refuse_what_is_no_file(response: &Response) -> Result<(), DownloadError> {
    let (headers, host) = (response.headers(), host_of(response.url()));
    let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("text/html") {
        return Err(DownloadError::WebPage { host });
    }
    match text(headers, &CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(DownloadError::Encoded { host, encoding: encoding.chars().take(20).collect() })
        }
        _ => Ok(()),
    }
}

async fn save(part: &mut Part, gathered: &mut Vec<u8>) -> Result<(), StoreError> {
    if gathered.is_empty() { Ok(()) } else { part.append(std::mem::take(gathered)).await }
}

impl ContentRange {
    fn read(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        if range == "*" {
            return Some(Self { start: None, total });
        }
        let (start, end) = range.split_once('-')?;
        let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
        let sound = start <= end && total.is_none_or(|total| end < total);
        sound.then_some(Self { start: Some(start), total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_to_the_letter() {
        let read = |text| ContentRange::read(text).map(|range| (range.start, range.total));
        assert_eq!(read("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(read("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(read("bytes */10"), Some((None, Some(10))));
        for wrong in
            ["", "bytes", "bytes 5-10/10", "bytes 9-5/10", "items 5-9/10", "bytes 5-/10", "bytes -5/10"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
