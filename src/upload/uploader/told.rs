//! What the log was told: each class of trouble at most once a minute, however often it is tried.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::upload::status::HoldReason;

const MINUTE: Duration = Duration::from_mins(1);

/// When each class was last told of.
#[derive(Default)]
pub(super) struct Told(BTreeMap<&'static str, (Instant, Option<HoldReason>)>);

impl Told {
    /// Whether a class may be told of now. If so, it has been.
    pub fn is_due(&mut self, class: &'static str) -> bool {
        self.is_news(class, None)
    }

    /// Whether a reason to wait is worth a line: it is another than the last of its class, or nothing went well since was told.
    pub fn is_hold_due(&mut self, reason: &HoldReason) -> bool {
        self.is_news(class(reason), Some(reason))
    }

    /// What is told next is news, even if it was told before.
    pub fn all_is_well(&mut self) {
        for (_, reason) in self.0.values_mut() {
            *reason = None;
        }
    }

    fn is_news(&mut self, class: &'static str, reason: Option<&HoldReason>) -> bool {
        let now = Instant::now();
        let is_news = self.0.get(class).is_none_or(|(at, known)| {
            now.duration_since(*at) >= MINUTE && (reason.is_none() || known.as_ref() != reason)
        });
        if is_news {
            self.0.insert(class, (now, reason.cloned()));
        }
        is_news
    }
}

const fn class(reason: &HoldReason) -> &'static str {
    match reason {
        HoldReason::NeedsLogin { .. } => "needs login",
        HoldReason::NoConsent => "no consent",
        HoldReason::Unavailable { .. } => "unavailable",
        HoldReason::WrongClock { .. } => "wrong clock",
        HoldReason::Misdirected { .. } => "misdirected",
        HoldReason::Refused { .. } => "refused",
        HoldReason::Outbox { .. } => "outbox",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(failures: u32) -> HoldReason {
        HoldReason::Unavailable { detail: "no route".to_owned(), failures }
    }

    #[tokio::test(start_paused = true)]
    async fn a_class_is_told_of_at_most_once_a_minute() {
        let mut told = Told::default();
        let mut lines = 0;
        for failure in 0..600 {
            lines += u32::from(told.is_hold_due(&unavailable(failure)));
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        assert_eq!(lines, 20);
        assert!(told.is_hold_due(&HoldReason::NoConsent), "another class has a minute of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_as_it_is_is_told_once_until_something_went_well() {
        let mut told = Told::default();
        assert!(told.is_hold_due(&HoldReason::NoConsent));
        tokio::time::advance(Duration::from_hours(1)).await;
        assert!(!told.is_hold_due(&HoldReason::NoConsent));
        told.all_is_well();
        assert!(told.is_hold_due(&HoldReason::NoConsent));
        told.all_is_well();
        assert!(!told.is_hold_due(&HoldReason::NoConsent), "not twice in a minute");
        tokio::time::advance(MINUTE).await;
        assert!(told.is_hold_due(&HoldReason::NoConsent));
    }
}
