//! From an administrator's upload to a verified file, through the same API on both sides.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use nowbridge::clock::Clock;
use nowbridge::cloud::{
    Api, Channel, Client, ClientConfig, CloudError, FirmwareAdmin, FirmwareQuery, NewFirmware,
};
use nowbridge::firmware::{DownloadError, Job, Stored, UrlGuard, offered};
use nowbridge::wire::Sha256;
use serde_json::json;

use crate::support::cloud::refusal;
use crate::support::files::{Fetcher, content};
use crate::support::private_cloud::{EMAIL, Home, PASSWORD, Part};
use crate::support::process;
use crate::support::served_cloud::{ServedCloud, somebody};

const DOWNLOAD: &str = "/file";

async fn admin(cloud: &ServedCloud) -> FirmwareAdmin {
    cloud.private.set_admin(EMAIL, true).await.unwrap();
    let config = ClientConfig::new(cloud.base_url.clone());
    FirmwareAdmin::login(config, &somebody(PASSWORD), Clock::System).await.unwrap()
}

fn new(version: &str, file: &Bytes) -> NewFirmware {
    NewFirmware {
        file: file.clone(),
        manifest: None,
        signature: None,
        product: "HealthyPi Move".to_owned(),
        hardware: Vec::new(),
        version: Some(version.to_owned()),
        channel: Channel::stable(),
        notes: None,
    }
}

async fn asked(client: &Client, hardware: Option<&str>, installed: &str) -> Option<String> {
    let (_, offer) = offered(client, "healthypi move", hardware, Some(installed), None).await.unwrap();
    offer.map(|offer| offer.version)
}

async fn fetched(cloud: &ServedCloud, client: &Client, fetcher: &Fetcher) -> Result<Stored, DownloadError> {
    let (query, offer) = offered(client, "HealthyPi Move", None, Some("1.0.0"), None).await.unwrap();
    let job = Job { offer: offer.unwrap(), query: Some(query) };
    fetcher.fetch_by(UrlGuard::new(Some(&cloud.base_url), &[]), Some(client), job).await
}

#[tokio::test]
async fn what_is_uploaded_is_offered_fetched_and_taken_back() {
    let cloud = ServedCloud::open().await;
    let (admin, client, file) = (admin(&cloud).await, cloud.logged_in().await, content(250_000));
    let manifest = Some(Bytes::from_static(b"{\"schema\":1}"));
    let with = NewFirmware { manifest, signature: Some("untrusted comment:".into()), ..new("1.4.0", &file) };
    let kept = admin.add(with).await.unwrap();
    assert_eq!((kept.size, kept.sha256), (250_000, Sha256::of(&file)));
    assert_eq!(admin.list().await.unwrap(), std::slice::from_ref(&kept));

    let fetcher = Fetcher::new();
    let stored = fetched(&cloud, &client, &fetcher).await.unwrap();
    assert!(stored.bytes == file);
    assert_eq!(stored.papers.manifest.as_deref(), Some(&b"{\"schema\":1}"[..]));
    assert_eq!(stored.papers.signature.as_deref(), Some(&b"untrusted comment:"[..]));
    let entry = fetcher.store.list().await.unwrap().remove(0);
    assert_eq!(entry.label.version.as_deref(), Some("1.4.0"));
    assert_eq!(entry.label.from, Some(cloud.base_url.host()));

    let twice = admin.add(new("1.4.0", &file)).await.unwrap_err();
    assert_eq!(twice.status(), Some(409));
    admin.remove(kept.id).await.unwrap();
    assert_eq!(admin.remove(kept.id).await.unwrap_err().status(), Some(404));
    assert_eq!(asked(&client, None, "1.0.0").await, None);
}

#[tokio::test]
async fn the_newest_that_suits_is_offered() {
    let cloud = ServedCloud::open().await;
    let (admin, client, file) = (admin(&cloud).await, cloud.logged_in().await, content(100));
    for (version, hardware, channel) in [
        ("1.9.0", vec![], "stable"),
        ("1.10.0", vec![], "stable"),
        ("1.11.0", vec!["rev-b"], "stable"),
        ("2.0.0", vec![], "early-access"),
    ] {
        let hardware = hardware.into_iter().map(str::to_owned).collect();
        let channel = channel.parse().unwrap();
        admin.add(NewFirmware { hardware, channel, ..new(version, &file) }).await.unwrap();
    }
    assert_eq!(asked(&client, None, "1.0.0").await.as_deref(), Some("1.10.0"));
    assert_eq!(asked(&client, Some("rev-b"), "1.0.0").await.as_deref(), Some("1.11.0"));
    assert_eq!(asked(&client, Some("rev-a"), "1.0.0").await.as_deref(), Some("1.10.0"));
    assert_eq!(asked(&client, None, "1.10.0").await, None);
    let query = FirmwareQuery {
        product: "HealthyPi Move".to_owned(),
        hardware: None,
        installed: None,
        channel: Channel::early_access(),
    };
    assert_eq!(client.firmware(query).await.unwrap_err().status(), Some(403));
    cloud.private.set_early_access(EMAIL, true).await.unwrap();
    assert_eq!(asked(&client, None, "1.0.0").await.as_deref(), Some("2.0.0"));
}

#[tokio::test]
async fn only_an_administrator_may_look_after_it() {
    let cloud = ServedCloud::open().await;
    let config = || ClientConfig::new(cloud.base_url.clone());
    let refused = FirmwareAdmin::login(config(), &somebody(PASSWORD), Clock::System).await.unwrap_err();
    assert_eq!(refused.status(), Some(403));
    let admin = admin(&cloud).await;
    admin.list().await.unwrap();
    cloud.private.set_admin(EMAIL, false).await.unwrap();
    assert_eq!(admin.list().await.unwrap_err().status(), Some(403), "the login is worth nothing any more");

    let (home, token) = Home::with_user().await;
    home.cloud.set_admin(EMAIL, true).await.unwrap();
    let answer = home.get("/v1/admin/firmware", &token).await;
    assert!(
        answer.refused(StatusCode::FORBIDDEN).contains("administrator"),
        "an ordinary login stays ordinary"
    );
    assert_eq!(home.call(Method::DELETE, "/v1/admin/firmware/1", "x").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn an_address_is_sealed_and_expires() {
    let (home, token) = Home::with_user().await;
    home.cloud.set_admin(EMAIL, true).await.unwrap();
    let login = home.post("/v2/auth/login/admin", &json!({ "email": EMAIL, "password": PASSWORD })).await;
    let parts: [Part<'_>; 4] =
        [("product", b"Move"), ("channel", b"stable"), ("version", b"1.4.0"), ("file", b"firmware")];
    let added = home.send_form("/v1/admin/firmware", &login.text("access"), &parts).await;
    assert_eq!(added.status, StatusCode::CREATED, "{:?}", added.body);

    let offer = home.get("/v1/firmware/latest?product=Move", &token).await;
    let url = format!("/v1/firmware/{}", offer.text("url"));
    assert_eq!(home.get(&url, "").await.body, "firmware");
    for forged in [
        url.replace("/file", "/manifest"),
        url.replace("expires=", "expires=9"),
        url.replace("seal=", "seal=00"),
    ] {
        assert_eq!(home.get(&forged, &token).await.status, StatusCode::FORBIDDEN, "{forged}");
    }
    tokio::time::advance(Duration::from_mins(16)).await;
    assert!(home.get(&url, &token).await.refused(StatusCode::FORBIDDEN).contains("expired"));
}

#[tokio::test]
async fn an_address_that_expired_is_asked_for_anew_and_the_part_is_kept() {
    let cloud = ServedCloud::open().await;
    let (admin, client, file) = (admin(&cloud).await, cloud.logged_in().await, content(250_000));
    let kept = admin.add(new("1.4.0", &file)).await.unwrap();
    let fetcher = Fetcher::new();
    let mut downloads = 0;
    cloud.instead(move |asked| {
        downloads += usize::from(asked.path.ends_with(DOWNLOAD));
        (asked.path.ends_with(DOWNLOAD) && downloads == 1).then(|| refusal(403, "expired"))
    });
    assert!(fetched(&cloud, &client, &fetcher).await.unwrap().bytes == file);
    assert_eq!(cloud.asked("/latest").len(), 2);

    // What is withdrawn meanwhile is not fetched.
    let fetcher = Fetcher::new();
    cloud.instead(|asked| asked.path.ends_with(DOWNLOAD).then(|| refusal(404, "gone")));
    let error = fetched(&cloud, &client, &fetcher).await.unwrap_err();
    assert!(matches!(error, DownloadError::Answer { status: 404, .. }), "{error}");
    let (query, offer) = offered(&client, "HealthyPi Move", None, None, None).await.unwrap();
    admin.remove(kept.id).await.unwrap();
    let guard = UrlGuard::new(Some(&cloud.base_url), &[]);
    let job = Job { offer: offer.unwrap(), query: Some(query) };
    let error = fetcher.fetch_by(guard, Some(&client), job).await.unwrap_err();
    assert!(matches!(error, DownloadError::Changed { now: None, .. }), "{error}");
}

#[tokio::test]
async fn a_cloud_that_has_no_time_is_left_alone_for_as_long_as_it_says() {
    let cloud = ServedCloud::open().await;
    let client = cloud.logged_in().await;
    cloud.instead(|asked| {
        asked.path.ends_with("/latest").then(|| {
            let mut later = refusal(503, "later");
            later.headers_mut().insert("retry-after", 600.into());
            later
        })
    });
    let error = offered(&client, "watch", None, None, Some(&Channel::stable())).await.unwrap_err();
    assert!(matches!(error, CloudError::Api { status: 503, .. }) && error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_mins(10)));
}

#[tokio::test]
async fn whoever_types_it_reads_where_it_is() {
    let cloud = ServedCloud::open().await;
    cloud.private.set_admin(EMAIL, true).await.unwrap();
    let url = cloud.base_url.to_string();
    let home = process::Home::new(&format!(
        "[cloud]\nbase_url = \"{url}\"\nemail = \"{EMAIL}\"\npassword_file = \"pw\"\n"
    ));
    let pw = home.secret("pw", PASSWORD);
    let file = content(5_000);
    std::fs::write(home.path("f.bin"), &file).unwrap();
    let (pw, path) = (pw.to_str().unwrap().to_owned(), home.path("f.bin"));
    let login = ["cloud", "firmware", "--url", &url, "--email", EMAIL, "--password-file", &pw];
    let by_admin = async |rest: &[&str]| home.run(&[&login[..], rest].concat()).await;
    let add =
        ["add", path.to_str().unwrap(), "--product", "Move", "--version", "1.4.0", "--notes", "Runs longer"];
    assert!(by_admin(&add).await.printed().contains(&Sha256::of(&file).to_string()));
    assert!(by_admin(&["list"]).await.printed().contains("1.4.0"));

    let list = home.run(&["firmware", "list", "--product", "Move", "--installed", "1.0.0"]).await;
    let list = list.printed();
    for word in ["1.4.0", "channel stable", "without a signature", "Runs longer", "Nothing is stored"] {
        assert!(list.contains(word), "no {word:?} in: {list}");
    }
    let other = home.run(&["firmware", "fetch", "--product", "Move", "--version", "1.3.0"]).await;
    assert!(other.refused(1).contains("offers 1.4.0, not 1.3.0"));
    let fetch = home.run(&["firmware", "fetch", "--product", "Move", "--json"]).await;
    let fetch: serde_json::Value = serde_json::from_str(fetch.printed()).unwrap();
    assert!(std::fs::read(fetch["path"].as_str().unwrap()).unwrap() == file);
    assert_eq!(fetch["sha256"], Sha256::of(&file).to_string());
    let list = home.run(&["firmware", "list", "--product", "Move", "--json"]).await;
    let list: serde_json::Value = serde_json::from_str(list.printed()).unwrap();
    assert_eq!(
        (&list["store"][0]["version"], &list["offers"][0]["offer"]["version"]),
        (&"1.4.0".into(), &"1.4.0".into())
    );

    assert_eq!(by_admin(&["remove", "1"]).await.printed(), "Removed 1.\n");
    assert!(home.run(&["firmware", "fetch", "--product", "Move"]).await.refused(1).contains("nothing newer"));
    let astray = home.run(&["firmware", "fetch", "--url", "http://files.example.org/f.bin"]).await;
    assert!(astray.refused(77).contains("only downloaded over https"));
    assert!(home.run(&["firmware", "list"]).await.refused(69).contains("no daemon answers"));
    home.configure("");
    assert!(home.run(&["firmware", "fetch"]).await.refused(78).contains("cloud.base_url"));
}
