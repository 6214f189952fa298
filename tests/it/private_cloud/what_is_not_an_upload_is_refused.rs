//! Every way an upload can be wrong has its own words, and leaves nothing behind.

use axum::http::StatusCode;

use crate::support::private_cloud::{Home, Part, table, zip_of, zipped};

/// Sends parts that must be refused; answers why they were.
async fn refused(status: StatusCode, parts: &[Part<'_>]) -> String {
    let (home, token) = Home::with_user().await;
    let told = home.upload(&token, None, parts).await.refused(status);
    assert!(home.values(&token, "HEART_RATE").await.is_empty());
    told
}

/// Sends a zip that must be refused.
async fn refused_zip(status: StatusCode, zip: &[u8]) -> String {
    refused(status, &[("file", zip), ("type", b"HEART_RATE")]).await
}

#[tokio::test(start_paused = true)]
async fn parts_that_are_missing_unknown_or_doubled() {
    let zip = zipped(&table("1672531200,72,4\n"));
    let (file, kind): (Part<'_>, Part<'_>) = (("file", &zip), ("type", b"HEART_RATE"));
    for (parts, fault) in [
        (vec![kind], "\"file\" is missing"),
        (vec![file], "\"type\" is missing"),
        (vec![], "\"file\" is missing"),
        (vec![file, kind, ("device", b"x")], "unknown part \"device\""),
        (vec![file, kind, kind], "\"type\" stands there twice"),
        (vec![file, ("type", b"heart_rate")], "\"heart_rate\" is not a measurement type"),
    ] {
        let told = refused(StatusCode::BAD_REQUEST, &parts).await;
        assert!(told.contains(fault), "{fault}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_zip_cut_off_at_any_byte() {
    let (home, token) = Home::with_user().await;
    let zip = zipped(&table("1672531200,72,4\n1672531201,73,4\n"));
    for len in 0..zip.len() {
        let parts: [Part<'_>; 2] = [("type", b"HEART_RATE"), ("file", &zip[..len])];
        let told = home.upload(&token, None, &parts).await.refused(StatusCode::BAD_REQUEST);
        assert!(told.contains("not a zip"), "{len}: {told}");
    }
    assert!(home.values(&token, "HEART_RATE").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn zips_that_hold_something_else() {
    let csv = table("1672531200,72,4\n");
    let bad = StatusCode::BAD_REQUEST;
    for entries in [vec![], vec![("a.csv", csv.as_bytes()), ("b.csv", csv.as_bytes())]] {
        assert!(refused_zip(bad, &zip_of(&entries)).await.contains("exactly one entry"));
    }
    assert!(refused_zip(bad, &zip_of(&[("folder/", b"")])).await.contains("not a file"));

    let mut flipped = zipped(&csv);
    let middle = flipped.len() / 3;
    flipped[middle] ^= 0x10;
    assert!(refused_zip(bad, &flipped).await.contains("not a zip that can be read"));
}

#[tokio::test(start_paused = true)]
async fn a_bomb_and_a_file_that_is_too_large() {
    let large = StatusCode::PAYLOAD_TOO_LARGE;
    let bomb = zipped(&" ".repeat(4 * 1024 * 1024));
    assert!(bomb.len() < 16 * 1024);
    assert!(refused_zip(large, &bomb).await.contains("unpacks to more than"));
    assert!(refused_zip(large, &vec![0; 8 * 1024 * 1024 + 1]).await.contains("8388609 bytes"));
    assert!(refused_zip(large, &vec![0; 9 * 1024 * 1024]).await.contains("the body has more than"));
}

#[tokio::test(start_paused = true)]
async fn tables_that_are_not_of_the_kind() {
    for (csv, fault) in [
        ("datetime,value\n1672531200,72\n".to_owned(), "the header is"),
        (table("1672531200,72.5,4\n"), "line 2: \"72.5\" is not a whole number"),
        (table("1672531200,72,4\n1672531201,72,5\n"), "line 3: \"5\" is not a quality"),
        (table("yesterday,72,4\n"), "line 2: \"yesterday\" is not a Unix time"),
        (table("1672531200000,72,4\n"), "1672531200000 is outside the years"),
    ] {
        let told = refused_zip(StatusCode::BAD_REQUEST, &zipped(&csv)).await;
        assert!(told.contains(fault), "{fault}: {told}");
    }
}
