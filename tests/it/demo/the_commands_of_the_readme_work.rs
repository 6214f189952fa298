//! A private cloud, a simulated watch and a daemon, each started as the README says; only the port is a free one.

use nowbridge::cloud::AuthState;

use crate::support::process::{Home, Running, until};

/// The address in "… at http://127.0.0.1:1234."
async fn address(cloud: &Running) -> String {
    until("the cloud tells its address", async || {
        let said = cloud.stdout();
        let url = said.split_whitespace().find(|word| word.starts_with("http://"))?;
        url.ends_with('.').then(|| url.trim_end_matches('.').to_owned())
    })
    .await
}

#[tokio::test]
async fn cloud_watch_and_daemon_work_together() {
    let mut home = Home::new("");
    let password = home.secret("pw.txt", "A-good-passw0rd");
    let air = home.path("air.sock");
    let text = |path: &std::path::Path| path.display().to_string();
    let (data, secret) = (text(&home.path("cloud")), text(&password));

    let serve = ["cloud", "--listen", "127.0.0.1:0", "--data", &data];
    let account = ["--add-user", "you@example.org", "--password-file", &secret, "--consent"];
    let serve: Vec<&str> = serve.into_iter().chain(account).collect();
    let cloud = home.start(&serve);
    let url = address(&cloud).await;
    let watch = home.start(&["sim-watch", "--air", &text(&air), "--hours", "1"]);
    let advice = "[[watch]]\naddress = \"C0:FF:EE:00:00:01\"";
    until("the watch is on the air and tells how to reach it", async || {
        watch.stdout().contains(advice).then_some(())
    })
    .await;

    home.configure(&format!(
        "[cloud]\nbase_url = \"{url}\"\nemail = \"you@example.org\"\npassword_file = \"pw.txt\"\n\n\
         [radio]\nkind = \"simulated\"\nair = \"{}\"\n\n\
         [[watch]]\naddress = \"C0:FF:EE:00:00:01\"\nname = \"left wrist\"\nsync_every = \"15m\"\n",
        air.display()
    ));
    let daemon = home.daemon().await;
    let status = home
        .status_when("an hour is in the cloud", |status| {
            let streams = status.outbox.iter().flat_map(|outbox| &outbox.streams);
            let uploaded: u64 = streams.clone().map(|stream| stream.uploaded).sum();
            uploaded > 10_000 && streams.map(nowbridge::outbox::StreamSummary::unsent).sum::<u64>() == 0
        })
        .await;
    assert_eq!(status.cloud.unwrap().auth, AuthState::LoggedIn);
    let said = home.run(&["status"]).await;
    assert!(said.printed().contains("watch left wrist: connected"), "{said:?}");

    // Started again, the cloud knows its user and goes on.
    cloud.stop().await;
    home.set("NOWBRIDGE_LOG", "info");
    let again = home.start(&serve);
    address(&again).await;
    assert!(again.stdout().contains("known already"), "{}", again.stdout());
    for child in [daemon, watch, again] {
        child.stop().await;
    }
}
