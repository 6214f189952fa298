//! Telling the echo of an own read from a notification.
//!
//! BlueZ announces every value of a characteristic in the same way, whether the peer sent it unasked or we have read it. It announces the
//! value of a read right before it answers the read, on the same connection; so while a read of a subscribed characteristic is
//! under way its notifications are held back, and when the answer is there the last one that equals it is the echo. Two things stay
//! unknown: reads by another program look like notifications, and of a notification and an echo with the same value one is
//! dropped, no matter which.

use bytes::Bytes;
use uuid::Uuid;

/// Values held back at most; a read that is not answered for so long has its echo delivered.
const HELD: usize = 1024;

/// The read under way.
#[derive(Debug)]
pub(super) struct Echo {
    characteristic: Uuid,
    held: Vec<Bytes>,
}

impl Echo {
    /// A read of `characteristic` begins.
    pub fn of(characteristic: Uuid) -> Self {
        Self { characteristic, held: Vec::new() }
    }

    /// Which characteristic is being read.
    pub fn characteristic(&self) -> Uuid {
        self.characteristic
    }

    /// Whether a value of `characteristic` is to be held back.
    pub fn holds(&self, characteristic: Uuid) -> bool {
        characteristic == self.characteristic && self.held.len() < HELD
    }

    /// Holds a value back.
    pub fn hold(&mut self, value: Bytes) {
        self.held.push(value);
    }

    /// The read has ended, with a value if it succeeded: what is to be delivered, in order.
    pub fn release(mut self, read: Option<&[u8]>) -> Vec<Bytes> {
        let echo = read.and_then(|read| self.held.iter().rposition(|held| held == read));
        if let Some(echo) = echo {
            self.held.remove(echo);
        }
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(values: &[&'static [u8]]) -> Echo {
        let mut echo = Echo::of(Uuid::nil());
        for value in values {
            assert!(echo.holds(Uuid::nil()));
            echo.hold(Bytes::from_static(value));
        }
        echo
    }

    #[test]
    fn one_value_that_equals_the_answer_is_the_echo() {
        assert_eq!(held(&[b"a", b"b", b"a", b"c"]).release(Some(b"a")), [&b"a"[..], b"b", b"c"]);
        assert_eq!(held(&[b"a"]).release(Some(b"a")), [&b""[..]; 0]);
    }

    #[test]
    fn nothing_is_dropped_without_an_answer_that_matches() {
        assert_eq!(held(&[b"a", b"b"]).release(None), [&b"a"[..], b"b"]);
        assert_eq!(held(&[b"a", b"b"]).release(Some(b"c")), [&b"a"[..], b"b"]);
    }

    #[test]
    fn a_read_without_an_end_holds_a_bounded_number() {
        let mut echo = Echo::of(Uuid::nil());
        while echo.holds(Uuid::nil()) {
            echo.hold(Bytes::new());
        }
        assert_eq!(echo.release(None).len(), HELD);
    }
}
