//! One link from connect to close: when its connection events take place, and why it ends.
//!
//! Events lie on a grid that starts with the link. A link with nothing to do sleeps through its events; whatever wakes it
//! waits for the next point of the grid.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::link::LinkEnd;
use super::model::Airtime;
use super::peripheral::Presence;
use super::station::Station;
use super::traffic::Traffic;
use crate::radio::LinkClosed;

/// A host that slept (suspended, or stopped by a debugger) does not get back the events it missed; one whose timers are
/// coarser than the interval does.
const LONGEST_CATCH_UP: Duration = Duration::from_millis(250);

/// An open link, as seen by the peripheral's task.
pub(super) struct Session<'a> {
    station: &'a mut Station,
    end: LinkEnd,
    traffic: Traffic,
    origin: Instant,
    next_event: Instant,
    /// Events take place: the grid is being followed.
    busy: bool,
    /// The dice said so: silent for good.
    dropped: bool,
    silent_since: Option<Instant>,
}

impl<'a> Session<'a> {
    pub fn new(station: &'a mut Station, end: LinkEnd) -> Self {
        let traffic = Traffic::new(station.model.longest_value());
        let origin = Instant::now();
        let next_event = origin;
        Self { station, end, traffic, origin, next_event, busy: false, dropped: false, silent_since: None }
    }

    /// Runs the link until it is closed, and tells both ends.
    pub async fn run(mut self) {
        let mtu = self.station.model.mtu;
        self.station.peripheral.connected(mtu);
        let reason = self.until_closed().await;
        self.end.closed.send_replace(Some(reason));
        self.station.peripheral.disconnected();
    }

    async fn until_closed(&mut self) -> LinkClosed {
        loop {
            if let Some(reason) = self.ended() {
                return reason;
            }
            let alarm = self.alarm();
            let station = &mut *self.station;
            // A host that hung up comes first, so that its next connect finds the peripheral free.
            tokio::select! {
                biased;
                () = station.removed.cancelled() => return station.reason_of_removal(),
                () = self.end.hung_up.cancelled() => return LinkClosed::ByHost,
                Some(command) = station.commands.recv() => command.answer_busy(),
                Ok(()) = station.conditions.changed() => {}
                Some(request) = self.end.requests.recv(), if self.traffic.has_room() => self.traffic.queue(request),
                () = station.doorbell.notified() => self.traffic.look(),
                () = until(alarm) => self.advance(),
            }
        }
    }

    /// Looks at the world; the reason if it has ended the link.
    fn ended(&mut self) -> Option<LinkClosed> {
        let surroundings = self.station.surroundings();
        let presence = self.station.peripheral.presence();
        if !surroundings.adapter_on {
            return Some(LinkClosed::RadioGone);
        }
        if presence == Presence::HangingUp && surroundings.in_range && !self.dropped {
            return Some(LinkClosed::ByPeer);
        }
        if presence == Presence::Here && surroundings.in_range && !self.dropped {
            self.silent_since = None;
            return None;
        }
        let now = Instant::now();
        let since = *self.silent_since.get_or_insert(now);
        (now >= since + self.supervision_timeout()).then_some(LinkClosed::Lost)
    }

    /// When to wake up by itself. Starts and stops following the grid.
    fn alarm(&mut self) -> Option<Instant> {
        let was_busy = self.busy;
        self.busy = self.silent_since.is_none() && self.traffic.is_pending();
        if self.busy && !was_busy {
            self.next_event = self.event_after(Instant::now());
        }
        match self.silent_since {
            Some(since) => Some(since + self.supervision_timeout()),
            None if self.busy => Some(self.next_event),
            None if self.traffic.is_subscribed() => self.station.peripheral.wake_at(),
            None => None,
        }
    }

    /// Holds the connection events that are due.
    fn advance(&mut self) {
        let now = Instant::now();
        if self.station.peripheral.wake_at().is_some_and(|at| at <= now) {
            self.traffic.look();
        }
        if !self.busy {
            return;
        }
        if now - self.next_event > LONGEST_CATCH_UP {
            self.next_event = self.event_after(now - self.station.model.period());
        }
        while self.next_event <= now && self.traffic.is_pending() {
            self.dropped = self.station.dice.drops_link();
            if self.dropped || self.station.peripheral.presence() != Presence::Here {
                return;
            }
            let airtime = Airtime::of_one_event(&self.station.model);
            self.traffic.event(&mut *self.station.peripheral, &mut self.station.dice, airtime);
            self.next_event += self.station.model.period();
        }
    }

    /// The first point of the grid after `moment`.
    fn event_after(&self, moment: Instant) -> Instant {
        let period = self.station.model.period();
        let into = moment.duration_since(self.origin).as_nanos() % period.as_nanos();
        moment + period - Duration::from_nanos(u64::try_from(into).unwrap_or(0))
    }

    fn supervision_timeout(&self) -> Duration {
        self.station.model.on_the_clock(self.station.model.supervision_timeout)
    }
}

async fn until(alarm: Option<Instant>) {
    match alarm {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
