//! Where a watch stands with its firmware, and what follows from it.
//!
//! The watch is the truth, the journal only says what is wanted: whatever happened before (a crash of ours, a flat battery, a lost
//! answer), the next step is found anew from what the watch says now.

use crate::wire::Sha256;

/// The image that a watch is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The image as the watch names it; `None` if its protocol names none.
    pub image: Option<Sha256>,
    /// Its version, as the watch will tell it.
    pub version: String,
    /// The whole file.
    pub file: Sha256,
}

/// What a watch says of its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The image that runs.
    pub running: Running,
    /// The other image, if there is one that the watch can read. That it is listed does not mean that it is whole.
    pub other: Option<Other>,
}

/// The image that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its hash; `None` if the watch's protocol tells none.
    pub image: Option<Sha256>,
    /// Its version.
    pub version: String,
    /// Whether the watch keeps it; if not, it goes back to the other one at the next start. A watch that names no images does not tell
    /// this either: `false`, so that a person is asked to see to it.
    pub confirmed: bool,
}

/// The image in the other slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its hash; that of the whole file where the watch's protocol tells none.
    pub image: Sha256,
    /// Its version.
    pub version: String,
    /// Whether the watch starts it next time.
    pub pending: bool,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the image.
    Upload,
    /// Tell the watch to try it.
    Test,
    /// Tell the watch to start anew.
    Reset,
    /// It runs: find out whether the watch is well, and let it keep the image unless it does already.
    Keep {
        /// Whether it does already.
        confirmed: bool,
    },
    /// The watch tried it and went back.
    Reverted,
    /// The watch's boot loader threw it away.
    Rejected,
    /// Somebody else is at it: nothing may be touched.
    Foreign(Foreign),
}

/// Whose business we must not disturb.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// Another image starts next time.
    #[error(
        "another update is pending on the watch (version {version}): let whoever began it finish, or restart the watch"
    )]
    Pending {
        /// Its version.
        version: String,
    },
    /// Another image runs on trial.
    #[error(
        "the watch runs version {version} on trial, which somebody else put there: confirm it from where it came, or restart the watch"
    )]
    OnTrial {
        /// Its version.
        version: String,
    },
}

impl Target {
    fn is(&self, image: Option<Sha256>, version: &str) -> bool {
        match (self.image, image) {
            (Some(wanted), Some(found)) => wanted == found,
            // Without hashes the version is all there is.
            _ => self.version == version,
        }
    }
}

impl Standing {
    /// Whether the target runs.
    pub fn runs(&self, target: &Target) -> bool {
        target.is(self.running.image, &self.running.version)
    }

    /// What follows. `started`: the watch had been told to start the target.
    pub fn next(&self, target: &Target, started: bool) -> Next {
        if self.runs(target) {
            return Next::Keep { confirmed: self.running.confirmed };
        }
        let other = self.other.as_ref();
        let staged = other.filter(|other| target.image.unwrap_or(target.file) == other.image);
        if staged.is_some_and(|staged| staged.pending) {
            return Next::Reset;
        }
        if let Some(other) = other.filter(|other| other.pending) {
            return Next::Foreign(Foreign::Pending { version: other.version.clone() });
        }
        if !self.running.confirmed && self.running.image.is_some() {
            return Next::Foreign(Foreign::OnTrial { version: self.running.version.clone() });
        }
        match (staged, started) {
            (Some(_), false) => Next::Test,
            (None, false) => Next::Upload,
            (None, true) if self.running.image.is_some() => Next::Rejected,
            // A watch that names no images has nothing in its other slot that it could tell us of.
            (Some(_) | None, true) => Next::Reverted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Sha256 = Sha256([1; 32]);
    const NEW: Sha256 = Sha256([2; 32]);
    const ELSE: Sha256 = Sha256([3; 32]);

    fn target() -> Target {
        Target { image: Some(NEW), version: "2.0.0".to_owned(), file: Sha256([9; 32]) }
    }

    fn standing(running: Sha256, confirmed: bool, other: Option<(Sha256, bool)>) -> Standing {
        let version = |image| if image == NEW { "2.0.0".to_owned() } else { "1.0.0".to_owned() };
        Standing {
            running: Running { image: Some(running), version: version(running), confirmed },
            other: other.map(|(image, pending)| Other { image, version: version(image), pending }),
        }
    }

    /// The table of 13.4 in the reference on firmware, and the cells that it leaves open.
    #[test]
    fn the_watch_decides_what_comes_next() {
        let foreign_pending = Next::Foreign(Foreign::Pending { version: "1.0.0".to_owned() });
        let on_trial = Next::Foreign(Foreign::OnTrial { version: "1.0.0".to_owned() });
        let cases = [
            (
                standing(NEW, true, Some((OLD, false))),
                Next::Keep { confirmed: true },
                Next::Keep { confirmed: true },
            ),
            (standing(NEW, true, None), Next::Keep { confirmed: true }, Next::Keep { confirmed: true }),
            (
                standing(NEW, false, Some((OLD, false))),
                Next::Keep { confirmed: false },
                Next::Keep { confirmed: false },
            ),
            (standing(OLD, true, Some((NEW, true))), Next::Reset, Next::Reset),
            (standing(OLD, true, Some((NEW, false))), Next::Test, Next::Reverted),
            (standing(OLD, true, None), Next::Upload, Next::Rejected),
            (standing(OLD, true, Some((ELSE, false))), Next::Upload, Next::Rejected),
            (standing(OLD, true, Some((ELSE, true))), foreign_pending.clone(), foreign_pending),
            (standing(ELSE, false, Some((OLD, false))), on_trial.clone(), on_trial.clone()),
            // The other slot is needed for going back: nothing may be written there, not even what is there already.
            (standing(ELSE, false, Some((NEW, false))), on_trial.clone(), on_trial),
        ];
        for (standing, before, after) in cases {
            assert_eq!(standing.next(&target(), false), before, "not started: {standing:?}");
            assert_eq!(standing.next(&target(), true), after, "started: {standing:?}");
        }
    }

    #[test]
    fn a_watch_that_names_no_images_is_known_by_its_version() {
        let target = Target { image: None, ..target() };
        let runs = |version: &str| Standing {
            running: Running { image: None, version: version.to_owned(), confirmed: true },
            other: None,
        };
        assert_eq!(runs("1.0.0").next(&target, false), Next::Upload);
        assert_eq!(runs("2.0.0").next(&target, true), Next::Keep { confirmed: true });
        assert_eq!(runs("1.0.0").next(&target, true), Next::Reverted);
        // Nor does it say whether an image is on trial, and what it was given has no other name than the file's.
        let mut staged = runs("1.0.0");
        staged.running.confirmed = false;
        assert_eq!(staged.next(&target, false), Next::Upload);
        let pending = Other { image: target.file, version: "2.0.0".to_owned(), pending: true };
        staged.other = Some(pending);
        assert_eq!(staged.next(&target, false), Next::Reset);
    }
}
