//! The connection breaks at every byte of an answer, and at bytes all over a request: the retry carries the same file under the same
//! key, nothing is missing, and nothing is there twice.
//!
//! Every byte of the request, too, with `NOWBRIDGE_SLOW=1`.

#![cfg(feature = "sim")]
use std::collections::BTreeMap;

use nowbridge::cloud::Client;
use nowbridge::measurement::Kind;
use nowbridge::upload::{UploadState, UploadStatus};
use nowbridge::wire::bridge::Stream;

use crate::support::cloud::client;
use crate::support::cut_wire::{CutWire, Way};
use crate::support::private_cloud::PASSWORD;
use crate::support::served_cloud::{ServedCloud, somebody};
use crate::support::stage::at_length;
use crate::support::upload::{BOOTED, Depot, Held, Loop, Recorder, sample, values};

/// A loop at one end of a wire, a private cloud at the other. One measurement a time goes over it.
struct Scene {
    cloud: ServedCloud,
    wire: CutWire,
    recorder: Recorder,
    depot: Depot,
    client: Client,
    expected: Held,
    measured: u64,
}

impl Scene {
    async fn begin() -> Self {
        let cloud = ServedCloud::open().await;
        let server = cloud.address();
        let wire = CutWire::to(server).await;
        let base_url = format!("http://{}/nowatch", wire.address).parse().unwrap();
        let (mut recorder, dir) = (Recorder::new(), tempfile::TempDir::new().unwrap());
        let depot = Depot::holding(&mut recorder).await;
        let client = client(&base_url, &dir.path().join("tokens"));
        client.login(&somebody(PASSWORD)).await.unwrap();
        Self { cloud, wire, recorder, depot, client, expected: Held::new(), measured: 0 }
    }

    /// One measurement more arrives in the cloud.
    async fn measure(&mut self) {
        self.measured += 1;
        let measured = sample(self.measured * 1_000, 40 + (self.measured % 150) as i32);
        self.recorder.record(Stream::HEART_RATE, measured);
        values(&mut self.expected, Kind::HeartRate, BOOTED, &[measured]);
        self.depot.append(self.recorder.take()).await;
        loop {
            // Nobody waits here for a retry to be due: the next process begins with one.
            let settled = |status: &UploadStatus| {
                matches!(status.state, UploadState::Idle | UploadState::Holding { .. })
            };
            let status = Loop::start(self.client.clone(), &self.depot.outbox).until(settled).await;
            if status.state == UploadState::Idle {
                break;
            }
        }
    }

    /// The same while the connection is cut. How often the cloud was asked.
    async fn measure_with(&mut self, way: Way, after: usize) -> usize {
        let before = self.cloud.uploads().len();
        self.wire.cut(way, after);
        self.measure().await;
        assert!(!self.wire.is_to_come(), "nothing was cut: {way:?}, {after}");
        assert_eq!(self.depot.waiting().await, 0, "{way:?}, {after}");
        self.cloud.uploads().len() - before
    }

    /// Each file had one key and each key one file, and the cloud holds what was measured.
    async fn check(self) {
        let mut files = BTreeMap::new();
        for upload in self.cloud.uploads() {
            let file = files.entry(upload.key).or_insert_with(|| upload.file.clone());
            assert_eq!(*file, upload.file, "another file under the same key");
        }
        assert_eq!(files.len() as u64, self.measured, "a file had two keys, or two files one");
        assert_eq!(self.depot.outbox.receipts(u32::MAX).await.unwrap().len() as u64, self.measured);
        let client = self.cloud.logged_in().await;
        assert!(self.cloud.held(&client).await == self.expected, "the cloud holds something else");
    }
}

#[tokio::test]
async fn an_answer_is_cut_at_each_byte() {
    let mut scene = Scene::begin().await;
    scene.measure().await;
    let (_, answer) = scene.wire.seen();
    assert!(answer > 100, "{answer}");
    for after in 0..answer {
        let asked = scene.measure_with(Way::Back, after).await;
        assert_eq!(asked, 2, "stored at once, and asked for again: {after}");
    }
    scene.check().await;
}

#[tokio::test]
async fn a_request_is_cut_at_bytes_all_over_it() {
    let mut scene = Scene::begin().await;
    scene.measure().await;
    let (request, _) = scene.wire.seen();
    assert!(request > 500, "{request}");
    for after in (0..request).step_by(if at_length() { 1 } else { 9 }).chain([request - 2, request - 1]) {
        let asked = scene.measure_with(Way::There, after).await;
        assert_eq!(asked, 1, "what was cut was no request: {after}");
    }
    scene.check().await;
}
