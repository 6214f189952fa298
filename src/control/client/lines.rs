//! An answer that comes line by line, one JSON object each.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::ControlError;

/// The objects, until the answer ends.
pub(super) fn objects<T: DeserializeOwned>(
    body: impl Stream<Item = reqwest::Result<Bytes>>,
) -> impl Stream<Item = Result<T, ControlError>> {
    let lines = Lines { body: Box::pin(body), pending: BytesMut::new(), searched: 0 };
    futures_util::stream::unfold(lines, |mut lines| async {
        let object = lines.next().await?.and_then(|line| {
            serde_json::from_slice(&line).map_err(|error| match serde_json::from_slice(&line) {
                // Any answer may end with why it does not go on.
                Ok(complaint) => ControlError::Refused(complaint),
                Err(_) => ControlError::Answer(error.to_string()),
            })
        });
        Some((object, lines))
    })
}

struct Lines<S> {
    body: S,
    pending: BytesMut,
    /// So many of the pending bytes are known not to end a line.
    searched: usize,
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Lines<S> {
    async fn next(&mut self) -> Option<Result<BytesMut, ControlError>> {
        loop {
            if let Some(end) = self.pending[self.searched..].iter().position(|&byte| byte == b'\n') {
                let line = self.pending.split_to(self.searched + end);
                self.pending.advance(1);
                self.searched = 0;
                return Some(Ok(line));
            }
            self.searched = self.pending.len();
            match self.body.next().await? {
                Ok(chunk) => self.pending.extend(chunk),
                Err(error) if error.is_timeout() => return Some(Err(error.into())),
                Err(error) => return Some(Err(ControlError::BrokenOff(error))),
            }
        }
    }
}
