use std::time::Duration;

use nowbridge::radio::air::{Faults, LinkModel};
use nowbridge::radio::{CALL_DEADLINE, Link, RadioError, WriteMode};
use tokio::time::Instant;

use crate::support::air::{ECHO, Happened, air_with_watch, connected};

#[tokio::test(start_paused = true)]
async fn a_hung_write_was_carried_out_and_ends_at_the_deadline() {
    let (air, mut strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;
    air.set_faults(Faults { hang: 1.0, ..Faults::default() });

    let start = Instant::now();
    let hung = link.write(ECHO, b"once".to_vec(), WriteMode::WithResponse).await;
    assert!(matches!(hung, Err(RadioError::Timeout("a write"))), "{hung:?}");
    assert!(start.elapsed().abs_diff(CALL_DEADLINE) <= Duration::from_millis(1), "{:?}", start.elapsed());
    strings.until(&Happened::Wrote(b"once".to_vec())).await;
    assert_eq!(air.fault_counts().hung_requests, 1);

    air.set_faults(Faults::default());
    assert_eq!(link.read(ECHO).await.unwrap(), b"once", "the link lives on");
}
