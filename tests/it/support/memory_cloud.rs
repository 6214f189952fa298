//! A cloud without a network: it keeps one value per kind and second and answers as a story wants. For paused clocks.

use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use nowbridge::cloud::{
    Api, CloudError, DayOfValues, FirmwareOffer, FirmwareQuery, LoginReason, MeasurementQuery, Pass, Upload,
    UploadReceipt, User, UserConsent, UserSettings,
};
use nowbridge::config::Url;
use nowbridge::measurement::{Day, Kind, Reading, csv};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::upload::Held;

/// What becomes of an upload.
pub enum Verdict {
    /// It is stored and confirmed.
    Take,
    /// It is stored, but nobody hears of it.
    Lose,
    /// It is stored, and the answer never comes: whoever waits for it is about to be killed.
    Hang,
    /// It is not stored.
    Refuse(CloudError),
}

/// An upload as it came.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub at: Instant,
    pub key: String,
    pub kind: Kind,
    pub zip: bytes::Bytes,
    pub rows: Vec<Reading>,
    /// Uploads before this one.
    pub earlier: usize,
}

type Judge = Box<dyn FnMut(&Parcel) -> Verdict + Send>;

/// The cloud; clones are the same one.
#[derive(Clone)]
pub struct MemoryCloud {
    state: Arc<Mutex<State>>,
    hangs: Arc<Notify>,
}

/// What it holds and what it was asked.
pub struct State {
    pub held: Held,
    pub parcels: Vec<Parcel>,
    pub consent: bool,
    pub logged_in: bool,
    pub settings_asked: usize,
    judge: Judge,
}

impl MemoryCloud {
    /// Takes everything.
    pub fn new() -> Self {
        Self::judging(|_| Verdict::Take)
    }

    pub fn judging(judge: impl FnMut(&Parcel) -> Verdict + Send + 'static) -> Self {
        let state = State {
            held: Held::new(),
            parcels: Vec::new(),
            consent: true,
            logged_in: true,
            settings_asked: 0,
            judge: Box::new(judge),
        };
        Self { state: Arc::new(Mutex::new(state)), hangs: Arc::default() }
    }

    /// From now on this decides.
    pub fn judge(&self, judge: impl FnMut(&Parcel) -> Verdict + Send + 'static) {
        self.state().judge = Box::new(judge);
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until an answer is withheld.
    pub async fn hangs(&self) {
        self.hangs.notified().await;
    }

    pub fn held(&self) -> Held {
        self.state().held.clone()
    }

    pub fn parcels(&self) -> Vec<Parcel> {
        self.state().parcels.clone()
    }
}

impl State {
    fn login(&self) -> Result<(), CloudError> {
        let why = LoginReason::NeverLoggedIn;
        if self.logged_in { Ok(()) } else { Err(CloudError::NeedsLogin { why }) }
    }

    /// The answer; `None` if there never will be one.
    fn receive(&mut self, upload: Upload) -> Option<Result<UploadReceipt, CloudError>> {
        if let Err(error) = self.login() {
            return Some(Err(error));
        }
        let rows = unzip(upload.kind, &upload.zip);
        let Upload { kind, zip, idempotency_key: key, .. } = upload;
        let known = self.parcels.iter().find(|parcel| parcel.key == key);
        assert!(known.is_none_or(|known| known.zip == zip), "other bytes under the same key");
        let parcel = Parcel { at: Instant::now(), key, kind, zip, rows, earlier: self.parcels.len() };
        self.parcels.push(parcel.clone());
        let verdict = (self.judge)(&parcel);
        if let Verdict::Refuse(error) = verdict {
            return Some(Err(error));
        }
        for row in parcel.rows {
            let value = (row.value.to_string(), row.quality.map(nowbridge::measurement::Quality::get));
            self.held.insert((kind, row.at.0), value);
        }
        match verdict {
            Verdict::Hang => None,
            Verdict::Lose => {
                let path = "/v1/measurement/upload".to_owned();
                Some(Err(CloudError::Timeout { path, after: Duration::from_mins(2) }))
            }
            _ => Some(Ok(UploadReceipt { status: 201, body: "{}".to_owned() })),
        }
    }
}

impl Api for MemoryCloud {
    async fn user(&self) -> Result<User, CloudError> {
        unreachable!("the upload loop does not ask who it works for")
    }

    async fn settings(&self) -> Result<UserSettings, CloudError> {
        let mut state = self.state();
        state.settings_asked += 1;
        state.login()?;
        Ok(UserSettings { user_consent: UserConsent { data_sharing: Some(state.consent) } })
    }

    async fn upload(&self, upload: Upload) -> Result<UploadReceipt, CloudError> {
        let answer = self.state().receive(upload);
        let Some(answer) = answer else {
            self.hangs.notify_one();
            return std::future::pending().await;
        };
        answer
    }

    async fn measurements(&self, _: MeasurementQuery) -> Result<Vec<DayOfValues>, CloudError> {
        unreachable!("the upload loop does not read back")
    }

    async fn delete_measurements(&self, _: Kind, _: Day, _: Day) -> Result<(), CloudError> {
        unreachable!("the upload loop deletes nothing")
    }

    async fn firmware(&self, _: FirmwareQuery) -> Result<Option<FirmwareOffer>, CloudError> {
        unreachable!("the upload loop wants no firmware")
    }

    async fn pass(&self, _: Url, _: Option<Pass>) -> Result<Option<Pass>, CloudError> {
        unreachable!("the upload loop downloads nothing")
    }
}

/// An answer of the API with a status and its words.
pub fn answer(status: u16, words: &str) -> CloudError {
    answer_after(status, words, None)
}

/// The same with Retry-After.
pub fn answer_after(status: u16, words: &str, retry_after: Option<Duration>) -> CloudError {
    let messages = vec![words.to_owned()];
    let path = "/v1/measurement/upload".to_owned();
    CloudError::Api { status, path, messages, timestamp: None, retry_after }
}

/// The rows in a zipped table.
pub fn unzip(kind: Kind, zip: &[u8]) -> Vec<Reading> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut table = Vec::new();
    archive.by_index(0).unwrap().read_to_end(&mut table).unwrap();
    csv::read(kind, table.as_slice()).unwrap()
}
