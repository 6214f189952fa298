//! How fast an update can be: what the flash takes, and what the reference's model of a link allows (10.2 there).

use std::time::Duration;

use super::flags::{Build, Flags};
use super::flash::{PAGE, Work};
use crate::radio::air::{LinkModel, Phy};
use crate::wire::smp::Params;

/// A link-layer packet that is full, its acknowledgement, and the silence around both, encrypted, µs.
const EXCHANGE_2M_US: f64 = 1_408.0;
const EXCHANGE_1M_US: f64 = 2_500.0;
/// Bytes of a write that a full packet carries: 495 in two of them.
const PACKET: f64 = 247.5;
/// Link layer, L2CAP and ATT put so much before a write.
const WRITE_HEADERS: usize = 7;
const LINK_PACKET: usize = 251;
/// What is not image in a later message: header, map, offset, and the head of the data.
const OVERHEAD: usize = 26;

/// How long a watch takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// For a message, beside its flash. Not measured: so long that no reply leaves in the event that its request came in.
    pub message: Duration,
    /// To program a byte.
    pub byte: Duration,
    /// To erase a page.
    pub page: Duration,
    /// To start, beside the swap.
    pub boot: Duration,
    /// From the reply to a reset until it happens (from memory of Zephyr's default).
    pub reset: Duration,
    /// Until the watchdog restarts a firmware that does not feed it.
    pub watchdog: Duration,
}

impl Pace {
    /// Flash that takes no time.
    pub const fn free() -> Self {
        Self {
            message: Duration::from_micros(500),
            byte: Duration::ZERO,
            page: Duration::ZERO,
            boot: Duration::from_secs(1),
            reset: Duration::from_millis(250),
            watchdog: Duration::from_secs(8),
        }
    }

    /// The flash of an nRF52: 41 µs for a word, 89.7 ms at most for a page.
    pub const fn nrf52() -> Self {
        Self { byte: Duration::from_nanos(10_250), page: Duration::from_micros(89_700), ..Self::free() }
    }

    /// How long the flash needs.
    pub fn of(&self, work: Work) -> Duration {
        self.byte * work.bytes as u32 + self.page * work.pages as u32
    }

    /// Bytes in a second that the flash takes in. `erasing`: pages as they are needed.
    pub fn limit(&self, erasing: bool) -> f64 {
        let page = if erasing { self.page } else { Duration::ZERO };
        PAGE as f64 / (self.byte * PAGE as u32 + page).as_secs_f64()
    }
}

/// A link and a watch at its end, for a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The symbol rate.
    pub phy: Phy,
    /// Between two connection events.
    pub interval: Duration,
    /// The ATT MTU.
    pub mtu: u16,
    /// The watch's buffers.
    pub buffers: Params,
    /// Whether it puts messages together.
    pub reassembly: bool,
    /// Whether it erases while it takes the image in.
    pub progressive: bool,
    /// How long it takes.
    pub pace: Pace,
}

impl Setting {
    /// The link on the virtual air.
    pub const fn model(&self) -> LinkModel {
        LinkModel { phy: self.phy, interval: self.interval, mtu: self.mtu, ..LinkModel::fast_2m_15ms() }
    }

    /// The watch.
    pub fn build(&self) -> Build {
        let mut flags = Flags::default();
        if !self.reassembly {
            flags = flags.and(Flags::NO_REASSEMBLY);
        }
        if self.progressive {
            flags = flags.and(Flags::PROGRESSIVE_ERASE);
        }
        Build { flags, buffers: self.buffers, ..Build::default() }
    }

    /// Bytes of the longest message.
    pub fn message(&self) -> usize {
        let write = usize::from(self.mtu) - 3;
        let buffer = self.buffers.buf_size as usize;
        if self.reassembly { buffer } else { buffer.min(write) }
    }

    /// Bytes of image in a second with so many messages under way: `min(N·247.5/CI·eff, W·data / ((⌈packets/N⌉ + 1)·CI))`, and
    /// never more than the flash takes.
    pub fn limit(&self, window: u32) -> f64 {
        let interval = self.interval.as_secs_f64();
        let exchange = match self.phy {
            Phy::Le1M => EXCHANGE_1M_US,
            Phy::Le2M => EXCHANGE_2M_US,
        };
        let per_event = (interval * 1e6 / exchange).floor().max(1.0);
        let message = self.message();
        let data = message.saturating_sub(OVERHEAD) as f64;
        let write = message.min(usize::from(self.mtu) - 3);
        let packets = message.div_ceil(write) * (write + WRITE_HEADERS).div_ceil(LINK_PACKET);
        let cap = per_event * PACKET / interval * data / message as f64;
        let rounds = (packets as f64 / per_event).ceil() + 1.0;
        let windowed = f64::from(window) * data / (rounds * interval);
        cap.min(windowed).min(self.pace.limit(self.progressive))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn setting(interval_us: u64, buf_size: u32) -> Setting {
        Setting {
            phy: Phy::Le2M,
            interval: Duration::from_micros(interval_us),
            mtu: 498,
            buffers: Params { buf_size, buf_count: 4 },
            reassembly: true,
            progressive: false,
            pace: Pace::free(),
        }
    }

    fn kb(bytes_per_second: f64) -> String {
        format!("{:.1}", bytes_per_second / 1e3)
    }

    #[test]
    fn the_figures_of_the_reference_hold() {
        for (interval_us, window, rate) in [
            (7_500, 1, "108.8"),
            (7_500, 4, "163.3"),
            (15_000, 1, "81.6"),
            (15_000, 3, "163.3"),
            (30_000, 1, "40.8"),
            (50_000, 4, "98.0"),
        ] {
            assert_eq!(kb(setting(interval_us, 2475).limit(window)), rate, "{interval_us} {window}");
        }
        let small = Setting { mtu: 247, reassembly: false, ..setting(15_000, 2475) };
        assert!((small.limit(3) / 1e3 - 21.9).abs() < 0.15);
        assert!((setting(30_000, 2475).limit(3) / 1e3 - 122.5).abs() < 0.15);
        let flash = |progressive| Setting { progressive, pace: Pace::nrf52(), ..setting(15_000, 2475) };
        assert_eq!(
            (kb(flash(false).limit(3)), kb(flash(true).limit(3))),
            ("97.6".to_owned(), "31.1".to_owned())
        );
    }
}
