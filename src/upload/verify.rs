//! Whether the cloud still has what it was sent: day by day and kind by kind, the rows that were sent are made again from their blocks
//! and compared with what the cloud says it holds.
//!
//! What was freed or evicted here can no longer be made again: of that, number and sum of each day are compared, which were noted when it
//! was sent. Rows that only the cloud has are told, and no fault of ours: a phone may upload to the same account. One day of one kind is
//! in memory at a time.

mod compare;
mod sums;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use self::compare::{DayCheck, Verdict as DayVerdict};
use self::compare::{Ours, compare};
pub use self::sums::sent_rows;
use self::walk::Walk;
use crate::cloud::{Api, CloudError, DayOfValues, MeasurementQuery, Sort};
use crate::measurement::{Day, Kind};
use crate::outbox::{Outbox, OutboxError, SentDay, SinkName};

/// How often the cloud is asked for a day before the whole is called off.
const ATTEMPTS: u32 = 3;
/// The wait between, unless the cloud wants a longer one.
const PAUSE: Duration = Duration::from_secs(2);
/// No wait is longer: somebody sits in front of it.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The ledger's name of the cloud.
    pub sink: SinkName,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Whether the blocks of rows that are missing or different are to be sent again.
    pub repair: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyEnd {
    /// Days of a kind that were compared.
    pub compared: u64,
    /// Of these, different.
    pub different: u64,
    /// Of these, not known to be the same.
    #[serde(default)]
    pub unsure: u64,
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The cloud.
    #[error("{kind} of {day} cannot be read back: {source}; go on later with --from {day}")]
    Cloud {
        /// The kind.
        kind: Kind,
        /// The day.
        day: Day,
        /// Why.
        source: CloudError,
    },
}

/// A comparison under way.
pub struct Verifier<A> {
    api: A,
    outbox: Outbox,
    options: VerifyOptions,
    walks: Vec<Walk>,
    counted: BTreeMap<(Day, Kind), Vec<SentDay>>,
    /// What is next: a day, and which of the kinds.
    place: (Day, usize),
    end: VerifyEnd,
    wake: Arc<Notify>,
}

impl<A: Api> Verifier<A> {
    /// Notes what was sent up to now; what is sent later is left out.
    pub async fn begin(api: A, outbox: Outbox, options: VerifyOptions) -> Result<Self, OutboxError> {
        // Before the cursors are looked at: what is sent in between is then in the rows, and not missing from the count.
        let mut counted: BTreeMap<_, Vec<SentDay>> = BTreeMap::new();
        for day in outbox.sent_days(&options.sink, (options.from, options.to)).await? {
            counted.entry((day.day, day.kind)).or_default().push(day);
        }
        let sent = outbox.sent(&options.sink).await?;
        let walks = sent.into_iter().filter_map(|sent| Walk::new(sent, options.from)).collect();
        let place = (options.from, 0);
        Ok(Self {
            api,
            outbox,
            options,
            walks,
            counted,
            place,
            end: VerifyEnd::default(),
            wake: Arc::default(),
        })
    }

    /// Tells whoever sends when there is something to repair.
    #[must_use]
    pub fn waking(self, wake: Arc<Notify>) -> Self {
        Self { wake, ..self }
    }

    /// Compares the next day of a kind of which anything was sent; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<DayCheck>, VerifyError> {
        while self.place.0 <= self.options.to {
            let (day, kind) = self.place;
            self.place = if kind + 1 < Kind::ALL.len() { (day, kind + 1) } else { (day.next(), 0) };
            let kind = Kind::ALL[kind];
            let ours = self.ours(day, kind).await?;
            let counted = self.counted.remove(&(day, kind)).unwrap_or_default();
            if ours.is_empty() && counted.is_empty() {
                continue;
            }
            let theirs = self.theirs(day, kind).await?;
            let (mut check, repairs) = compare(day, kind, (&ours, &counted), theirs);
            self.end.compared += 1;
            self.end.different += u64::from(!check.is_equal());
            self.end.unsure += u64::from(matches!(check.verdict, DayVerdict::Unsure { .. }));
            if self.options.repair && !repairs.is_empty() {
                check.repairs = repairs.len() as u64;
                self.outbox.ask_repairs(&self.options.sink, repairs).await?;
                self.wake.notify_one();
            }
            return Ok(Some(check));
        }
        Ok(None)
    }

    /// What it has come to.
    pub const fn end(&self) -> VerifyEnd {
        self.end
    }

    /// The rows of a day that were sent.
    async fn ours(&mut self, day: Day, kind: Kind) -> Result<Ours, OutboxError> {
        let mut ours = Ours::default();
        for walk in self.walks.iter_mut().filter(|walk| walk.kind() == kind) {
            walk.take(&self.outbox, day, &mut ours).await?;
        }
        Ok(ours)
    }

    async fn theirs(&self, day: Day, kind: Kind) -> Result<Vec<DayOfValues>, VerifyError> {
        let mut attempt = 1;
        loop {
            let query = MeasurementQuery { kind, from: day, to: day, sort: Sort::Ascending };
            match self.api.measurements(query).await {
                Ok(days) => return Ok(days),
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    let asked = error.retry_after().unwrap_or_default();
                    tokio::time::sleep((PAUSE * attempt).max(asked).min(LONGEST_PAUSE)).await;
                    attempt += 1;
                }
                Err(source) => return Err(VerifyError::Cloud { kind, day, source }),
            }
        }
    }
}
