//! An image brought over: begin, tell of it, send it, have it validated.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Past;
use super::talk::{Talk, outcome};
use crate::ota::{OtaError, Sent};
use crate::radio::Link;
use crate::wire::dfu::{Command, Notice, Op, PACKET_SIZE, Package, Status, sizes};

/// The whole slot is erased first: 116 sectors, up to 0.4 s each by the data sheets of such flash.
const ERASE: Duration = Duration::from_mins(1);
/// The answer to the init packet comes a second later.
const INIT: Duration = Duration::from_secs(10);
/// A watch that had no data for 10 s has given up.
const RECEIPT: Duration = Duration::from_secs(10);
/// The watch reads the image back from its flash.
const VALIDATE: Duration = Duration::from_secs(30);
/// Stretches that are under way at a time. With two the link is never idle, and one receipt may be lost.
const AHEAD: usize = 2;
const IMAGE: &str = "the image";

/// One upload over one link.
pub(super) struct Upload<'a, L: ?Sized> {
    talk: Talk<'a, L>,
    package: &'a Package,
    /// Bytes between two receipts.
    stretch: usize,
    receipt_every: u8,
    past: &'a Past,
    progress: &'a watch::Sender<Sent>,
    sent: usize,
    acked: usize,
    /// Bytes that an upload before had brought over.
    before: u64,
}

impl<'a, L: Link + ?Sized> Upload<'a, L> {
    pub async fn open(
        link: &'a L,
        package: &'a Package,
        past: &'a Past,
        progress: &'a watch::Sender<Sent>,
    ) -> Result<Self, OtaError> {
        let before = past.broke_off();
        if let Some(broke_off) = &before {
            tracing::info!("{broke_off}");
        }
        past.forgotten().await;
        let talk = Talk::open(link).await?;
        let receipt_every = past.receipt_every(link.mtu());
        let stretch = usize::from(receipt_every) * PACKET_SIZE;
        let before = before.map_or(0, |broke_off| broke_off.acked);
        Ok(Self { talk, package, stretch, receipt_every, past, progress, sent: 0, acked: 0, before })
    }

    pub async fn run(mut self) -> Result<(), OtaError> {
        let size = self.package.image.len() as u64;
        self.past.uploading(0);
        self.show();
        self.talk.command(Command::Start).await?;
        // `Package` holds no image that is larger than its slot.
        self.talk.packet(&sizes(size as u32)).await?;
        self.talk.ended(Op::Start, ERASE, size).await?;
        self.talk.command(Command::InitBegins).await?;
        self.talk.packet(&self.package.init_packet).await?;
        self.talk.command(Command::InitEnds).await?;
        self.talk.ended(Op::Init, INIT, size).await?;
        self.talk.command(Command::ReceiptEvery(self.receipt_every)).await?;
        self.talk.command(Command::Receive).await?;
        self.send().await?;
        self.talk.command(Command::Validate).await?;
        self.talk.ended(Op::Validate, VALIDATE, size).await
    }

    /// Sends the image. A watch that does not count further within its time has lost packets, and nothing can be sent again.
    async fn send(&mut self) -> Result<(), OtaError> {
        let image = self.package.image.clone();
        let mut until = Instant::now() + RECEIPT;
        loop {
            while self.sent < image.len() && self.sent - self.acked < AHEAD * self.stretch {
                let end = image.len().min(self.sent + PACKET_SIZE);
                self.talk.packet(&image[self.sent..end]).await?;
                self.sent = end;
                if self.sent == image.len() {
                    until = Instant::now() + RECEIPT;
                }
            }
            match self.talk.next(IMAGE, until).await? {
                Notice::Receipt(count) => {
                    if self.receipt(count as usize)? {
                        until = Instant::now() + RECEIPT;
                    } else {
                        self.talk.stray(IMAGE, Notice::Receipt(count))?;
                    }
                }
                Notice::Ended(Op::Receive, Status::Done) if self.sent == image.len() => {
                    self.acknowledge(self.sent);
                    return Ok(());
                }
                Notice::Ended(Op::Receive, Status::Done) => {
                    return Err(self.miscounted("says that it has all of it"));
                }
                Notice::Ended(op, status) => {
                    outcome(op, status, image.len() as u64)?;
                    self.talk.stray(IMAGE, Notice::Ended(op, status))?;
                }
            }
        }
    }

    /// Whether a receipt brings anything new.
    fn receipt(&mut self, count: usize) -> Result<bool, OtaError> {
        if count > self.sent || !count.is_multiple_of(self.stretch) {
            return Err(self.miscounted(&format!("counts {count}")));
        }
        let grown = count > self.acked;
        if grown {
            self.acknowledge(count);
        }
        Ok(grown)
    }

    fn miscounted(&self, says: &str) -> OtaError {
        OtaError::Nonsense {
            request: IMAGE,
            detail: format!("it {says} where {} bytes were sent", self.sent),
        }
    }

    fn acknowledge(&mut self, count: usize) {
        self.acked = count;
        self.past.uploading(count as u64);
        self.show();
    }

    fn show(&self) {
        let sent = self.sent as u64;
        let total = self.package.image.len() as u64;
        let resent = sent.min(self.before);
        self.progress.send_replace(Sent { acked: self.acked as u64, total, sent, resent });
    }
}
