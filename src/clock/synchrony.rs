//! Whether this computer's clock is synchronised, by what can be asked without rights.
//!
//! The kernel knows, but `adjtimex` is barred in a sandbox that protects the clock (`ProtectClock=`), even for reading. So others are
//! asked who may: systemd-timesyncd leaves a file when it first has the time, and timedated tells what the kernel knows, whoever
//! synchronises it (chrony, ntpd). Where neither is, nobody knows.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use zbus::{Connection, proxy};

/// How long the bus and timedated may take; the first call starts it.
const DEADLINE: Duration = Duration::from_secs(5);
/// systemd-timesyncd has had the time since this computer started.
const TIMESYNCD_HAS_IT: &str = "/run/systemd/timesync/synchronized";

/// What is known of the clock of this computer: one for the process, as the clock is.
static OF_SYSTEM: AtomicU8 = AtomicU8::new(Synchrony::Unknown as u8);

/// Whether a clock is synchronised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Synchrony {
    /// Nobody can say, or nobody is to synchronise it.
    #[default]
    Unknown,
    /// Yes.
    Synchronised,
    /// Not yet: somebody is to.
    Unsynchronised,
}

impl Synchrony {
    pub(super) const fn of(number: u8) -> Self {
        match number {
            1 => Self::Synchronised,
            2 => Self::Unsynchronised,
            _ => Self::Unknown,
        }
    }
}

#[proxy(
    interface = "org.freedesktop.timedate1",
    default_service = "org.freedesktop.timedate1",
    default_path = "/org/freedesktop/timedate1"
)]
trait Timedate {
    /// Whether the kernel says that the clock is synchronised.
    #[zbus(property(emits_changed_signal = "false"), name = "NTPSynchronized")]
    fn ntp_synchronized(&self) -> zbus::Result<bool>;
    /// Whether a service is to synchronise it.
    #[zbus(property(emits_changed_signal = "false"), name = "NTP")]
    fn ntp(&self) -> zbus::Result<bool>;
}

pub(super) fn of_system() -> Synchrony {
    Synchrony::of(OF_SYSTEM.load(Ordering::Relaxed))
}

pub(super) async fn ask_system(was_set: bool) {
    // Whoever has set the clock since may have set it wrong; then the file says nothing.
    let has_it = !was_set && tokio::fs::try_exists(Path::new(TIMESYNCD_HAS_IT)).await.unwrap_or(false);
    let synchrony = if has_it {
        Synchrony::Synchronised
    } else {
        let asked = async { synchrony_on(&Connection::system().await?).await };
        match timeout(DEADLINE, asked).await {
            Ok(Ok(synchrony)) => synchrony,
            Ok(Err(error)) => {
                tracing::debug!(%error, "timedated does not tell whether the clock is synchronised.");
                Synchrony::Unknown
            }
            Err(_) => Synchrony::Unknown,
        }
    };
    OF_SYSTEM.store(synchrony as u8, Ordering::Relaxed);
}

/// What timedated says on this bus. A clock that nobody is to synchronise was set by a person, whose word is as good as any.
pub async fn synchrony_on(bus: &Connection) -> zbus::Result<Synchrony> {
    let timedated = TimedateProxy::new(bus).await?;
    if timedated.ntp_synchronized().await? {
        return Ok(Synchrony::Synchronised);
    }
    Ok(if timedated.ntp().await? { Synchrony::Unsynchronised } else { Synchrony::Unknown })
}

/// µs since this computer started, asleep or awake.
pub(super) fn since_boot_us() -> i64 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    since.tv_sec.saturating_mul(1_000_000).saturating_add(since.tv_nsec / 1_000)
}
