//! Messages on a Unix socket: a length, then postcard.

use std::io;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};

/// The longest message is a scan of a very full room.
const LONGEST_FRAME: usize = 64 * 1024;

/// The receiving half.
#[derive(Debug)]
pub struct FrameReader(FramedRead<OwnedReadHalf, LengthDelimitedCodec>);

/// The sending half.
#[derive(Debug)]
pub struct FrameWriter(FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>);

/// Both halves of a connection.
pub fn frames(stream: UnixStream) -> (FrameReader, FrameWriter) {
    let (reader, writer) = stream.into_split();
    let codec = LengthDelimitedCodec::builder().max_frame_length(LONGEST_FRAME).new_codec();
    (FrameReader(FramedRead::new(reader, codec.clone())), FrameWriter(FramedWrite::new(writer, codec)))
}

impl FrameReader {
    /// The next message; an error too when there is none any more. Cancel-safe.
    pub async fn next<M: DeserializeOwned>(&mut self) -> io::Result<M> {
        let frame = self.0.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
        postcard::from_bytes(&frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl FrameWriter {
    /// Sends a message.
    pub async fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let frame = postcard::to_stdvec(message).map_err(io::Error::other)?;
        self.0.send(Bytes::from(frame)).await
    }
}
