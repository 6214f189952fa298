//! How fast a link is: the arithmetic of an encrypted LE connection, PDU by PDU.
//!
//! A connection event is at most one interval long. In it, data PDUs alternate with empty acknowledgements, 150 µs apart; what
//! does not fit waits for the next event, in the middle of a notification if need be. That alone explains why 244-byte
//! notifications beat 514-byte ones and why a short interval is worth asking for.

use std::time::Duration;

/// Silence between two packets (Core, Vol 6, Part B, 4.1.1), µs.
const INTER_FRAME_SPACE_US: u64 = 150;
/// Access address, header and CRC.
const FRAME_BYTES: usize = 4 + 2 + 3;
/// The integrity check of an encrypted PDU; empty PDUs have none.
const MIC_BYTES: usize = 4;
/// Opcode and handle in front of a notification or a written value.
pub(super) const ATT_HEADER_BYTES: usize = 3;
/// Long enough for every pattern of PDUs and events to repeat.
const EVENTS_TO_AVERAGE: u32 = 1_000;
/// The grid of events must not become infinitely fine.
const SHORTEST_PERIOD: Duration = Duration::from_micros(1);

/// The symbol rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phy {
    /// 1 Mbit/s, which every device has.
    Le1M,
    /// 2 Mbit/s, Bluetooth 5.
    Le2M,
}

impl Phy {
    /// How long a packet with this many bytes of payload is on the air, µs.
    const fn packet_us(self, payload: usize) -> u64 {
        let (preamble, byte_us) = match self {
            Self::Le1M => (1, 8),
            Self::Le2M => (2, 4),
        };
        (preamble + FRAME_BYTES + payload) as u64 * byte_us
    }

    /// A data PDU and its empty acknowledgement, µs.
    const fn exchange_us(self, pdu_bytes: usize) -> u64 {
        self.packet_us(pdu_bytes + MIC_BYTES) + self.packet_us(0) + 2 * INTER_FRAME_SPACE_US
    }
}

/// What a link can carry and how long it takes. Change single fields with struct update syntax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkModel {
    /// The symbol rate.
    pub phy: Phy,
    /// The longest data PDU: 27 without data length extension, 251 with.
    pub pdu_bytes: usize,
    /// The ATT MTU.
    pub mtu: u16,
    /// Time between two connection events.
    pub interval: Duration,
    /// What the controller allows in one event, if it allows less than fits: many stop at 2 to 6.
    pub pdus_per_event: Option<usize>,
    /// From the wish to connect until services are discovered.
    pub connect_delay: Duration,
    /// A link that is silent this long is lost.
    pub supervision_timeout: Duration,
    /// How much faster than life everything above happens; 1 is real time.
    pub speed: f64,
}

impl LinkModel {
    /// What two good radios agree on: 2M PHY, 251-byte PDUs, 244-byte notifications, 15 ms. 162.7 kB/s.
    pub const fn fast_2m_15ms() -> Self {
        Self {
            phy: Phy::Le2M,
            pdu_bytes: 251,
            mtu: 247,
            interval: Duration::from_millis(15),
            pdus_per_event: None,
            connect_delay: Duration::from_millis(400),
            supervision_timeout: Duration::from_secs(4),
            speed: 1.0,
        }
    }

    /// What Linux settles on when nobody asks for more: 1M PHY, 30 ms, 6 PDUs in an event. 48.8 kB/s.
    pub const fn slow_1m_30ms() -> Self {
        Self {
            phy: Phy::Le1M,
            interval: Duration::from_millis(30),
            pdus_per_event: Some(6),
            ..Self::fast_2m_15ms()
        }
    }

    /// An old controller without data length extension: 27-byte PDUs on the 1M PHY. 34.2 kB/s.
    pub const fn no_dle() -> Self {
        Self { phy: Phy::Le1M, pdu_bytes: 27, ..Self::fast_2m_15ms() }
    }

    /// The same link, `speed` times faster than life, for demos and for tests in real time.
    #[must_use]
    pub fn scaled(self, speed: f64) -> Self {
        // `max` also turns a NaN into the lower bound.
        Self { speed: (self.speed * speed).max(1e-3), ..self }
    }

    /// The most that notifications as long as the MTU allows can carry, in bytes of their values.
    pub fn ceiling_bytes_per_second(&self) -> f64 {
        let value = self.longest_value();
        let (mut sent, mut unsent) = (0_u64, 0);
        for _ in 0..EVENTS_TO_AVERAGE {
            let mut airtime = Airtime::of_one_event(self);
            if unsent == 0 {
                unsent = att_packet_bytes(ATT_HEADER_BYTES + value);
            }
            while airtime.send(&mut unsent) {
                sent += value as u64;
                unsent = att_packet_bytes(ATT_HEADER_BYTES + value);
            }
        }
        sent as f64 / (self.interval * EVENTS_TO_AVERAGE).as_secs_f64() * self.speed
    }

    /// The longest value of a notification or a write.
    pub(super) fn longest_value(&self) -> usize {
        usize::from(self.mtu).saturating_sub(ATT_HEADER_BYTES)
    }

    /// Time between two events on tokio's clock.
    pub(super) fn period(&self) -> Duration {
        self.on_the_clock(self.interval).max(SHORTEST_PERIOD)
    }

    /// How long one of the durations above takes on tokio's clock.
    pub(super) fn on_the_clock(&self, duration: Duration) -> Duration {
        duration.div_f64(self.speed)
    }
}

/// Bytes that a packet of the attribute protocol asks of the link layer: L2CAP puts length and channel in front.
pub(super) const fn att_packet_bytes(att: usize) -> usize {
    att + 4
}

/// What is left of one connection event.
#[derive(Debug)]
pub(super) struct Airtime {
    phy: Phy,
    pdu_bytes: usize,
    left_us: u64,
    pdus_left: usize,
    untouched: bool,
}

impl Airtime {
    /// A whole event.
    pub fn of_one_event(model: &LinkModel) -> Self {
        Self {
            phy: model.phy,
            pdu_bytes: model.pdu_bytes.max(1),
            left_us: u64::try_from(model.interval.as_micros()).unwrap_or(u64::MAX),
            pdus_left: model.pdus_per_event.unwrap_or(usize::MAX),
            untouched: true,
        }
    }

    /// Sends what fits of a packet's `unsent` bytes; `true` when none are left.
    pub fn send(&mut self, unsent: &mut usize) -> bool {
        while *unsent > 0 {
            let pdu = (*unsent).min(self.pdu_bytes);
            let cost = self.phy.exchange_us(pdu);
            // One exchange takes place in every event, however short the interval: else nothing would ever move.
            if !self.untouched && (cost > self.left_us || self.pdus_left == 0) {
                return false;
            }
            self.untouched = false;
            self.left_us = self.left_us.saturating_sub(cost);
            self.pdus_left = self.pdus_left.saturating_sub(1);
            *unsent -= pdu;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling_kb(phy: Phy, pdu_bytes: usize, mtu: u16) -> f64 {
        let model = LinkModel { phy, pdu_bytes, mtu, ..LinkModel::fast_2m_15ms() };
        (model.ceiling_bytes_per_second() / 100.0).round() / 10.0
    }

    #[test]
    fn ceilings_at_15_ms_are_those_of_the_link_arithmetic() {
        let table = [
            (Phy::Le1M, 27, 247, 34.2),
            (Phy::Le1M, 251, 23, 28.0),
            (Phy::Le1M, 251, 247, 97.6),
            (Phy::Le1M, 251, 498, 99.0),
            (Phy::Le1M, 251, 517, 85.7),
            (Phy::Le2M, 251, 247, 162.7),
            (Phy::Le2M, 251, 498, 165.0),
            (Phy::Le2M, 251, 517, 148.5),
        ];
        for (phy, pdu_bytes, mtu, kb) in table {
            assert_eq!(ceiling_kb(phy, pdu_bytes, mtu).to_string(), f64::to_string(&kb), "{phy:?} {mtu}");
        }
    }

    #[test]
    fn a_controller_that_stops_early_costs_throughput() {
        assert_eq!(LinkModel::slow_1m_30ms().ceiling_bytes_per_second().round().to_string(), "48800");
    }

    #[test]
    fn a_scaled_link_is_faster_on_the_clock_and_on_the_scales() {
        let model = LinkModel::fast_2m_15ms().scaled(10.0);
        assert_eq!(model.period(), Duration::from_micros(1_500));
        assert!(model.ceiling_bytes_per_second() > 1_600_000.0);
        assert!(LinkModel::no_dle().scaled(f64::NAN).period() > Duration::ZERO);
    }

    #[test]
    fn something_moves_even_if_a_pdu_outlasts_the_interval() {
        let model = LinkModel { interval: Duration::from_micros(100), ..LinkModel::fast_2m_15ms() };
        assert!(model.ceiling_bytes_per_second() > 0.0);
    }
}
