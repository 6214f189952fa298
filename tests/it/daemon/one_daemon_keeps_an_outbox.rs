//! A second daemon goes away and leaves the first one as it is.

use std::fs;

use nowbridge::clock::Clock;
use nowbridge::outbox::Outbox;
use tokio::net::UnixListener;

use crate::support::process::Home;

#[tokio::test]
async fn whichever_socket_the_second_is_given() {
    let home = Home::new("");
    let daemon = home.daemon().await;
    let other = home.path("other.toml");
    fs::write(&other, "[control]\nsocket = \"other.sock\"\n").unwrap();
    for arguments in [&["run"][..], &["run", "--config", other.to_str().unwrap()]] {
        let second = home.run(arguments).await;
        let line = second.refused(75);
        assert!(line.contains(&format!("process {}", daemon.pid())), "{line}");
        assert_eq!(home.status().await.unwrap().daemon.pid, daemon.pid());
    }
    assert!(!home.path("other.sock").exists());

    // Another outbox behind the same socket.
    let third = home.path("third.toml");
    fs::write(&third, "[state]\ndir = \"third\"\n").unwrap();
    let refused = home.run(&["run", "--config", third.to_str().unwrap()]).await;
    assert!(refused.refused(75).contains(&format!("process {}", daemon.pid())), "{refused:?}");
    assert_eq!(home.status().await.unwrap().daemon.pid, daemon.pid());
    daemon.stop().await;
    Outbox::open(&home.path("third"), Clock::System).await.expect("it was let go").close().await.unwrap();
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced_and_anything_else_is_not() {
    let home = Home::new("");
    drop(UnixListener::bind(home.socket()).unwrap());
    assert!(home.socket().exists());
    let daemon = home.daemon().await;
    daemon.kill().await;
    assert!(home.socket().exists(), "nobody was there to tidy up");
    home.daemon().await.stop().await;
    assert!(!home.socket().exists());

    fs::write(home.socket(), "somebody's letters").unwrap();
    let refused = home.run(&["run"]).await;
    assert!(refused.refused(73).contains("no socket"), "{refused:?}");
    assert_eq!(fs::read_to_string(home.socket()).unwrap(), "somebody's letters");
}
