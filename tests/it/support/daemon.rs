//! A daemon with everything around it: a watch on an air that this process serves, and a private cloud on loopback.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use nowbridge::clock::Clock;
use nowbridge::cloud::{Api, Client as CloudClient, ClientConfig, Credentials, MeasurementQuery, Sort};
use nowbridge::control::Status;
use nowbridge::measurement::{Day, Kind, Quality, Reading, UnixSeconds, Value, ValueType};
use nowbridge::radio::PeerAddress;
use nowbridge::radio::air::{Air, LinkModel, serve_air};
use nowbridge::sim::WatchOnAir;
use nowbridge::sim::cloud::PrivateCloud;
use nowbridge::sim::recording::{Recording, generate};
use nowbridge::sim::watch::{Flash, SimWatch, WatchOptions};
use nowbridge::wire::bridge::{Sample, Stream};
use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::process::Home;

pub const EMAIL: &str = "someone@example.org";
pub const PASSWORD: &str = "Canary-password-1";
pub const ADDRESS: &str = "E7:12:0A:00:00:01";

/// Each second's value and quality, as the cloud has or should have it.
pub type Seconds = BTreeMap<UnixSeconds, (Value, Option<Quality>)>;

/// A private cloud with one account, on loopback.
pub struct Cloud {
    pub url: String,
    pub uploads: Uploads,
    _data: TempDir,
    task: JoinHandle<()>,
}

/// What happens to uploads on their way; clones steer the same way.
#[derive(Clone)]
pub struct Uploads {
    gate: watch::Sender<Gate>,
    held: mpsc::UnboundedSender<()>,
}

#[derive(Default)]
struct Gate {
    hold: Option<Hold>,
    let_through: u64,
}

/// Where the way of an upload ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Before the cloud has it.
    Request,
    /// When the cloud has kept it, before it says so.
    Answer,
}

impl Cloud {
    /// Serves a cloud whose account consents to uploads; the receiver hears of each upload that is held.
    pub async fn start() -> (Self, mpsc::UnboundedReceiver<()>) {
        let data = tempfile::tempdir().unwrap();
        let cloud = PrivateCloud::open(data.path(), Clock::System).unwrap();
        cloud.add_user(EMAIL, PASSWORD.into(), "Some", "One").await.unwrap();
        cloud.set_consent(EMAIL, true).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (held, holds) = mpsc::unbounded_channel();
        let uploads = Uploads { gate: watch::Sender::default(), held };
        let router = cloud.router().layer(from_fn_with_state(uploads.clone(), on_the_way));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (Self { url, uploads, _data: data, task }, holds)
    }

    /// Everything that the account has of a kind.
    pub async fn readings(&self, client: &CloudClient, kind: Kind) -> Vec<Reading> {
        let today = Clock::System.now().seconds().day();
        let from = Day::from_number(today.number() - 2);
        let query = MeasurementQuery { kind, from, to: today.next(), sort: Sort::Ascending };
        let days = client.measurements(query).await.unwrap();
        days.into_iter().flat_map(|day| day.readings).collect()
    }

    /// Somebody else who logs in to the account.
    pub async fn client(&self) -> CloudClient {
        let client = CloudClient::new(ClientConfig::new(self.url.parse().unwrap()), Clock::System).unwrap();
        client.login(&Credentials { email: EMAIL.to_owned(), password: PASSWORD.into() }).await.unwrap();
        client
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Uploads {
    /// From now on uploads are held there; `None` lets them, and those that are held, through.
    pub fn hold(&self, hold: Option<Hold>) {
        self.gate.send_modify(|gate| gate.hold = hold);
    }

    /// Lets the upload through that is held now.
    pub fn let_one_through(&self) {
        self.gate.send_modify(|gate| gate.let_through += 1);
    }

    async fn wait(&self, at: Hold) {
        let mut gate = self.gate.subscribe();
        let let_through = gate.borrow().let_through;
        if gate.borrow().hold == Some(at) {
            // A story may not care.
            let _ = self.held.send(());
            let open = |gate: &Gate| gate.hold != Some(at) || gate.let_through > let_through;
            let _ = gate.wait_for(open).await;
        }
    }
}

async fn on_the_way(State(uploads): State<Uploads>, request: Request, next: Next) -> Response {
    let is_upload = request.uri().path().ends_with("/upload");
    if is_upload {
        uploads.wait(Hold::Request).await;
    }
    let response = next.run(request).await;
    if is_upload {
        uploads.wait(Hold::Answer).await;
    }
    response
}

/// A watch, on an air behind a socket.
pub struct Wrist {
    pub watch: WatchOnAir,
    recording: Recording,
    phase_ms: u64,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Wrist {
    /// Serves at `socket` a watch that has been worn for some hours, on links like `model`. It has recorded nothing yet.
    pub fn start(socket: PathBuf, seed: u64, hours: u64, model: LinkModel) -> Self {
        let age = Duration::from_hours(hours + 1);
        let watch = SimWatch::power_on(Flash::blank(1_024), WatchOptions { age, seed, ..Default::default() });
        // Samples are taken in the middle of a second, where no error of a clock comparison moves them to another.
        let start = watch.true_time(watch.boot(), 0).unwrap();
        let phase_ms = (1_500 - start.millis().rem_euclid(1_000)).unsigned_abs();
        let watch = WatchOnAir::new(watch);
        let air = Air::new(model);
        air.place(PeerAddress(ADDRESS.to_owned()), watch.clone());
        let listener = UnixListener::bind(socket).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve_air(air, listener, stop.clone()));
        Self { watch, recording: generate(seed, Duration::from_hours(hours)), phase_ms, stop, task }
    }

    /// Records these hours of the made-up day.
    pub fn wear(&self, hours: std::ops::Range<u64>) {
        let of_these = hours.start * 3_600_000..hours.end * 3_600_000;
        self.watch.with(|watch| {
            for (stream, sample) in self.recording.samples().filter(|(_, it)| of_these.contains(&it.at_ms)) {
                let at_ms = sample.at_ms + self.phase_ms;
                watch.record(stream, Sample { at_ms, value: sample.value, quality: sample.quality });
            }
            watch.seal_all();
        });
    }

    /// What the cloud must have of a kind, by the watch's own account; its true time, not the host's idea of it.
    pub fn expected(&self, kind: Kind) -> Seconds {
        let stream = Stream::of_kind(kind).unwrap();
        let scale = stream.info().map_or(1, |info| info.scale);
        self.watch.with(|watch| {
            let samples = watch.ledger().samples.remove(&stream).unwrap_or_default();
            let row = |(boot, sample): (_, Sample)| {
                let at = watch.true_time(boot, sample.at_ms * 1_000).unwrap().seconds();
                let value = match kind.value_type() {
                    ValueType::Decimal => Value::Decimal(f64::from(sample.value) / f64::from(scale)),
                    _ => Value::Integer(sample.value.into()),
                };
                (at, (value, kind.has_quality().then_some(sample.quality)))
            };
            samples.into_iter().map(row).collect()
        })
    }

    /// How many samples of each stream the watch has, by its own account.
    pub fn counts(&self) -> BTreeMap<Stream, u64> {
        let ledger = self.watch.with(|watch| watch.ledger());
        ledger.samples.into_iter().map(|(stream, samples)| (stream, samples.len() as u64)).collect()
    }
}

impl Drop for Wrist {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// A daemon's home, a cloud and a watch.
pub struct World {
    pub home: Home,
    pub cloud: Cloud,
    pub held: mpsc::UnboundedReceiver<()>,
    pub wrist: Wrist,
}

impl World {
    /// A watch that has been worn for `hours` of which nothing is recorded yet, and a config that names everything.
    pub async fn new(seed: u64, hours: u64, model: LinkModel) -> Self {
        let (cloud, held) = Cloud::start().await;
        let home = Home::new(&config(&cloud.url));
        home.secret("password", PASSWORD);
        let wrist = Wrist::start(home.path("air.sock"), seed, hours, model);
        Self { home, cloud, held, wrist }
    }

    /// The cloud has exactly what the watch has, and the outbox accounts for every sample.
    pub async fn assert_everything_arrived_once(&self, status: &Status) {
        let client = self.cloud.client().await;
        for kind in [Kind::HeartRate, Kind::Temperature, Kind::ActivityCount, Kind::ActivityType] {
            let expected = self.wrist.expected(kind);
            assert!(!expected.is_empty(), "the watch has no {kind}");
            let readings = self.cloud.readings(&client, kind).await;
            let have: Seconds =
                readings.into_iter().map(|reading| (reading.at, (reading.value, reading.quality))).collect();
            let wrong = have.iter().find(|(at, value)| expected.get(at) != Some(value));
            assert_eq!((have.len(), wrong), (expected.len(), None), "{kind}");
        }
        let counts = self.wrist.counts();
        let frames = self.cloud.readings(&client, Kind::HeartBeat).await;
        let beats: usize = frames.iter().map(|frame| beats(&frame.value)).sum();
        assert_eq!(Some(&(beats as u64)), counts.get(&Stream::BEATS));

        let outbox = status.outbox.as_ref().unwrap();
        assert_eq!((outbox.gaps, outbox.dead_letters, outbox.open_batches), (0, 0, 0), "{outbox:?}");
        for stream in outbox.streams.iter().filter(|stream| stream.stream != Stream::ANCHORS) {
            assert_eq!(Some(&stream.samples), counts.get(&stream.stream), "{stream:?}");
            let uploaded = if stream.kind.is_some() { stream.samples } else { 0 };
            assert_eq!((stream.uploaded, stream.unsent()), (uploaded, 0), "{stream:?}");
        }
    }
}

fn beats(frame: &Value) -> usize {
    let Value::Beats(frame) = frame else { panic!("not a frame: {frame:?}") };
    frame.beats().len()
}

/// A config with one simulated watch and a cloud; relative paths start at the config file.
pub fn config(cloud: &str) -> String {
    let mut config = format!(
        "[cloud]\nbase_url = \"{cloud}\"\nemail = \"{EMAIL}\"\npassword_file = \"password\"\n\
         [radio]\nkind = \"simulated\"\nair = \"../../air.sock\"\n"
    );
    write!(config, "[[watch]]\naddress = \"{ADDRESS}\"\nname = \"left wrist\"\n").unwrap();
    config
}

/// Everything is fetched and everything is uploaded.
pub fn is_complete(status: &Status) -> bool {
    let outbox = status.outbox.as_ref().filter(|outbox| !outbox.streams.is_empty());
    status.watches.iter().all(|watch| watch.complete_at.is_some())
        && outbox.is_some_and(|outbox| outbox.streams.iter().all(|stream| stream.unsent() == 0))
        && status
            .cloud
            .as_ref()
            .is_some_and(|cloud| cloud.upload.state == nowbridge::upload::UploadState::Idle)
}
