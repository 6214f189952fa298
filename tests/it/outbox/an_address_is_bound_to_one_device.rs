//! An address is no identity: who answers there is remembered, and somebody else is not believed before a person says so.

use nowbridge::measurement::UtcMicros;
use nowbridge::outbox::{Binding, Hold};
use nowbridge::radio::PeerAddress;
use nowbridge::wire::bridge::DeviceId;

use crate::support::outbox::open;
use tempfile::TempDir;

#[tokio::test]
async fn a_binding_stands_until_it_is_taken_back_and_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let address = PeerAddress("E7:12:0A:00:00:01".to_owned());
    let (first, second) = (DeviceId([1; 16]), DeviceId([2; 16]));

    let outbox = open(dir.path()).await.unwrap();
    assert_eq!(outbox.bind_peer(&address, first).await.unwrap(), Binding::New);
    assert_eq!(outbox.bind_peer(&address, first).await.unwrap(), Binding::Same);
    outbox.set_paired(&address, Some(UtcMicros(7)), Some("left wrist".to_owned())).await.unwrap();
    outbox.set_hold(&address, Hold::UntilReleased).await.unwrap();
    outbox.close().await.unwrap();

    let outbox = open(dir.path()).await.unwrap();
    assert_eq!(outbox.bind_peer(&address, second).await.unwrap(), Binding::Other(first));
    let peers = outbox.peers().await.unwrap();
    let told = peers.iter().map(|peer| (peer.device, peer.name.as_deref(), peer.paired, peer.hold));
    let remembered = (Some(first), Some("left wrist"), Some(UtcMicros(7)), Hold::UntilReleased);
    assert_eq!(told.collect::<Vec<_>>(), [remembered]);

    outbox.unbind_peer(&address).await.unwrap();
    outbox.set_hold(&address, Hold::Until(UtcMicros(9))).await.unwrap();
    assert_eq!(outbox.bind_peer(&address, second).await.unwrap(), Binding::New);
    assert_eq!(outbox.peers().await.unwrap()[0].hold, Hold::Until(UtcMicros(9)));
}
