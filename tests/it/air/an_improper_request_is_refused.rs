use std::time::Duration;

use nowbridge::radio::air::{AttError, LinkModel};
use nowbridge::radio::{Link, RadioError, WriteMode, sig};

use crate::support::air::{ECHO, FLOOD, LOCKED, air_with_watch, connected};

#[tokio::test(start_paused = true)]
async fn refusals_carry_the_watchs_code_and_leave_the_link_open() {
    let (air, _strings) = air_with_watch(LinkModel { mtu: 23, ..LinkModel::fast_2m_15ms() });
    let link = connected(&air).await;
    assert_eq!(link.mtu(), 23);

    let nowhere = sig(0xFFFF);
    assert!(matches!(link.read(nowhere).await, Err(RadioError::NoCharacteristic(uuid)) if uuid == nowhere));
    let refused = link.subscribe(LOCKED).await.unwrap_err();
    assert!(
        matches!(refused, RadioError::Refused { code } if code == AttError::INSUFFICIENT_AUTHENTICATION.0)
    );
    let too_long = link.write(ECHO, vec![0; 21], WriteMode::WithoutResponse).await.unwrap_err();
    assert!(matches!(too_long, RadioError::Refused { code: 0x0D }), "{too_long}");
    link.write(ECHO, vec![0; 20], WriteMode::WithResponse).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn notifications_that_are_too_long_or_not_wanted_are_counted_and_not_delivered() {
    let (air, strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;
    let mut echoes = link.subscribe(ECHO).await.unwrap();
    strings.speak(ECHO, vec![0; 245]);
    strings.speak(FLOOD, vec![0]);
    strings.speak(ECHO, vec![0; 244]);
    assert_eq!(echoes.next().await.unwrap().len(), 244);
    assert_eq!(air.fault_counts().improper_notifications, 2);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_does_not_listen_loses_notifications_and_holds_nobody_up() {
    let (air, _strings) = air_with_watch(LinkModel::fast_2m_15ms());
    let link = connected(&air).await;
    let mut deaf = link.subscribe(FLOOD).await.unwrap();
    let mut echoes = link.subscribe(ECHO).await.unwrap();
    link.write(FLOOD, 5_000_u32.to_le_bytes().to_vec(), WriteMode::WithResponse).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    link.write(ECHO, b"heard".to_vec(), WriteMode::WithResponse).await.unwrap();
    assert_eq!(echoes.next().await.unwrap(), &b"heard"[..]);
    let mut kept = 0;
    while deaf.try_next().is_some() {
        kept += 1;
    }
    assert_eq!(kept + air.fault_counts().overrun_notifications, 5_000);
    assert!(kept < 5_000);
}
