//! Whatever is uploaded, in whatever order, how often: the stored map is what the uploads say one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use axum::http::{Method, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::support::private_cloud::{Home, Part, table, zipped};

/// 2023-01-01T00:00:00Z.
const MIDNIGHT: u32 = 1_672_531_200;

type Rows = Vec<(u32, i32, u8)>;

/// A few rows, crowded where hours and days meet.
fn rows() -> impl Strategy<Value = Rows> {
    let second = prop_oneof![79_180..79_220_u32, 86_390..86_410_u32, 0..172_800_u32];
    proptest::collection::vec((second, -500..500_i32, 0..=4_u8), 0..40)
}

/// Uploads, and in which order they are sent; `true` sends with a key that belongs to the upload.
fn story() -> impl Strategy<Value = (Vec<Rows>, Vec<(prop::sample::Index, bool)>)> {
    (
        proptest::collection::vec(rows(), 1..5),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..10),
    )
}

fn file(rows: &Rows) -> Vec<u8> {
    let mut text = String::new();
    for (second, value, quality) in rows {
        writeln!(text, "{},{value},{quality}", MIDNIGHT + second).unwrap();
    }
    zipped(&table(&text))
}

/// Tells the story to the cloud and to a plain map; answers both.
async fn told(
    home: &Home,
    token: &str,
    case: usize,
    uploads: &[Rows],
    sends: &[(prop::sample::Index, bool)],
) -> (BTreeMap<u32, Value>, BTreeMap<u32, Value>) {
    let days = "/v1/measurement?type=ACTIVITY_COUNT&start_day=2023-01-01&end_day=2023-01-02";
    home.call(Method::DELETE, days, token).await;
    let (mut model, mut keys) = (BTreeMap::new(), BTreeSet::new());
    for (index, keyed) in sends {
        let index = index.index(uploads.len());
        let key = keyed.then(|| format!("{case}-{index}"));
        let parts: [Part<'_>; 2] = [("file", &file(&uploads[index])), ("type", b"ACTIVITY_COUNT")];
        let answer = home.upload(token, key.as_deref(), &parts).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        if *keyed && !keys.insert(index) {
            continue;
        }
        model
            .extend(uploads[index].iter().map(|&(second, value, quality)| (second, json!([value, quality]))));
    }
    (home.values(token, "ACTIVITY_COUNT").await, model)
}

#[test]
fn the_cloud_and_a_map_agree() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (home, token) = runtime.block_on(Home::with_user());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let case = std::cell::Cell::new(0);
    let outcome = runner.run(&story(), |(uploads, sends)| {
        case.set(case.get() + 1);
        let (stored, model) = runtime.block_on(told(&home, &token, case.get(), &uploads, &sends));
        prop_assert_eq!(stored, model);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
