//! timedated's word, over a real bus.

use nowbridge::clock::{Synchrony, synchrony_on};
use zbus::connection::Builder;

use crate::support::bus::PrivateBus;

/// timedated, as far as it is asked.
struct Timedated {
    synchronised: bool,
    on: bool,
}

#[zbus::interface(name = "org.freedesktop.timedate1")]
impl Timedated {
    #[zbus(property, name = "NTPSynchronized")]
    fn ntp_synchronized(&self) -> bool {
        self.synchronised
    }

    #[zbus(property, name = "NTP")]
    fn ntp(&self) -> bool {
        self.on
    }
}

#[tokio::test]
async fn a_clock_waits_to_be_synchronised_only_where_somebody_is_to_do_it() {
    let cases = [
        (true, true, Synchrony::Synchronised),
        (true, false, Synchrony::Synchronised),
        (false, true, Synchrony::Unsynchronised),
        (false, false, Synchrony::Unknown),
    ];
    for (synchronised, on, expected) in cases {
        let bus = PrivateBus::start().await;
        let asking = Builder::address(bus.address()).build().await.unwrap();
        assert!(synchrony_on(&asking).await.is_err(), "nobody is there to ask");
        let service = Builder::address(bus.address()).name("org.freedesktop.timedate1");
        let service = service.serve_at("/org/freedesktop/timedate1", Timedated { synchronised, on });
        let _service = service.build().await.unwrap();
        assert_eq!(synchrony_on(&asking).await.unwrap(), expected);
        bus.stop().await;
    }
}
