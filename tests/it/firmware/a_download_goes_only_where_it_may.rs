//! Addresses from outside lead nowhere but to the hosts that were named, and no token leaves the cloud's own.

use axum::response::Response;
use nowbridge::cloud::{Api, Client};
use nowbridge::firmware::{DownloadError, Job, UrlError, UrlGuard};

use crate::support::cloud::{ScriptedCloud, Seen, answer, client, json_answer, leave_login, tokens};
use crate::support::files::{Fetcher, bare_offer, content, good, offer};

fn redirect(to: &str) -> Response {
    let mut response = answer(302, "text/plain", "");
    response.headers_mut().insert("location", to.parse().unwrap());
    response
}

/// A client that is logged in there.
fn logged_in(host: &ScriptedCloud, fetcher: &Fetcher) -> Client {
    leave_login(&host.base_url, &fetcher.path("tokens"), 0);
    client(&host.base_url, &fetcher.path("tokens"))
}

async fn redirected_to(target: &'static str) -> UrlError {
    let host = ScriptedCloud::answering(move |_| redirect(target)).await;
    let fetcher = Fetcher { hosts: vec!["files.example.org".to_owned()], ..Fetcher::new() };
    let client = logged_in(&host, &fetcher);
    // A name server under the control of somebody with a plan.
    let guard =
        fetcher.guard(&host).looking_up(async |_, port| Ok(vec![([169, 254, 169, 254], port).into()]));
    let job = Job { offer: bare_offer(&host), query: None };
    match fetcher.fetch_by(guard, Some(&client), job).await {
        Err(DownloadError::Url(error)) => error,
        other => panic!("{target}: {other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_judged_like_any_address() {
    assert!(matches!(redirected_to("http://files.example.org/f").await, UrlError::PlainHttp { .. }));
    assert!(matches!(redirected_to("https://10.0.0.1/f").await, UrlError::NotListed { .. }));
    assert!(matches!(redirected_to("http://127.0.0.1:1/f").await, UrlError::NotListed { .. }));
    assert!(matches!(redirected_to("https://evil.example.org/f").await, UrlError::NotListed { .. }));
    assert!(matches!(redirected_to("https://files.example.org/f").await, UrlError::Private { .. }));
    assert!(matches!(redirected_to("https://me:canary@files.example.org/f").await, UrlError::Login { .. }));
    assert!(matches!(redirected_to("ftp://files.example.org/f").await, UrlError::NotWeb(_)));
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_judged() {
    let whole = content(1_000);
    let served = whole.clone();
    let host = ScriptedCloud::answering(move |seen| good(seen, &served)).await;
    // No name server knows this name; whoever asked one again would fail.
    let port = host.base_url.host().split_once(':').unwrap().1.to_owned();
    let cloud = format!("http://localhost:{port}/nowatch").parse().unwrap();
    let guard = UrlGuard::new(Some(&cloud), &[]).looking_up(async |name, port| {
        assert_eq!(name, "localhost");
        Ok(vec![([127, 0, 0, 1], port).into()])
    });
    let mut wanted = offer(&host, &whole);
    wanted.url.set_host(Some("localhost")).unwrap();
    let fetcher = Fetcher::new();
    let job = Job { offer: wanted, query: None };
    assert!(fetcher.fetch_by(guard, None, job).await.unwrap().bytes == whole);
}

#[tokio::test]
async fn the_token_is_for_the_clouds_own_host() {
    let whole = content(1_000);
    let served = whole.clone();
    let elsewhere = ScriptedCloud::answering(move |seen| good(seen, &served)).await;
    let target = format!("{}/f.bin", elsewhere.base_url);
    let host = ScriptedCloud::answering(move |seen| match seen.path.as_str() {
        "/v1/auth/refresh" => tokens(1),
        // The first token has just been revoked.
        _ if seen.header("authorization") == "Bearer access-0" => answer(401, "text/plain", ""),
        _ => redirect(&target),
    })
    .await;
    let fetcher = Fetcher { hosts: vec![elsewhere.base_url.host()], ..Fetcher::new() };
    let client = logged_in(&host, &fetcher);
    let job = Job { offer: offer(&host, &whole), query: None };
    assert!(fetcher.fetch_by(fetcher.guard(&host), Some(&client), job).await.unwrap().bytes == whole);
    let shown: Vec<_> = host.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(shown, ["Bearer access-0", "", "Bearer access-1"]);
    let seen = &elsewhere.seen()[0];
    for secret in ["authorization", "cookie", "referer", "x-auth-token"] {
        assert_eq!(seen.header(secret), "", "{secret}");
    }
    client.settle().await;
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let host = ScriptedCloud::answering(|seen: &Seen| redirect(&format!("g{}.bin", seen.path.len()))).await;
    let fetcher = Fetcher::new();
    let error = fetcher.fetch(&host, bare_offer(&host)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Redirects { .. }), "{error}");
    assert_eq!(host.seen().len(), 4);
}

#[tokio::test]
async fn an_offer_names_its_place_and_nothing_is_asked_elsewhere() {
    // The API itself sends us astray.
    let host = ScriptedCloud::answering(|_| {
        let body =
            serde_json::json!({ "version": "1.4.0", "url": "https://169.254.169.254/latest/meta-data" });
        json_answer(200, &body)
    })
    .await;
    let fetcher = Fetcher::new();
    let client = logged_in(&host, &fetcher);
    let query = nowbridge::cloud::FirmwareQuery {
        product: "watch".to_owned(),
        hardware: None,
        installed: None,
        channel: nowbridge::cloud::Channel::stable(),
    };
    let offer = client.firmware(query.clone()).await.unwrap().unwrap();
    let error = fetcher
        .fetch_by(fetcher.guard(&host), Some(&client), Job { offer, query: Some(query) })
        .await
        .unwrap_err();
    assert!(matches!(error, DownloadError::Url(UrlError::NotListed { .. })), "{error}");
    assert!(error.to_string().contains("firmware.hosts"), "{error}");
}
