//! What goes wrong with updates, on purpose: at a chosen request or by seeded chance.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::wire::smp::Request;

/// What may go wrong at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives.
    LoseRequest,
    /// It is carried out, and the reply never arrives.
    LoseReply,
    /// The reply arrives twice.
    DoubleReply,
    /// The reply arrives three seconds late.
    LateReply,
    /// The watch closes the link instead of hearing the request.
    HangUp,
    /// It carries it out, and closes the link instead of answering.
    HangUpAfter,
    /// It restarts instead of hearing the request.
    Restart,
    /// It carries it out, and restarts instead of answering.
    RestartAfter,
    /// It says that it is busy.
    Busy,
    /// The reply's body is no CBOR.
    Garbage,
    /// The reply is to another request.
    WrongSequence,
    /// The reply's header announces more than follows.
    LongLength,
    /// An upload: the reply asks for an earlier offset than is wanted.
    OffBack,
    /// An upload: for a later one.
    OffForward,
    /// An upload: for one behind the end.
    OffPast,
    /// An upload: the data are dropped, the reply asks for them again.
    OffSame,
    /// An upload: 39 seconds are spent on erasing.
    SlowErase,
    /// An upload: the flash cannot be written.
    FlashFails,
    /// An upload that ends: the reply says that the file is not what was announced.
    MatchDenied,
    /// An upload that ends: a bit of the image flips, and the reply says that the file is what was announced.
    MatchClaimed,
    /// An upload that ends: a bit of the image flips.
    Fades,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::LoseRequest,
        Self::LoseReply,
        Self::DoubleReply,
        Self::LateReply,
        Self::HangUp,
        Self::HangUpAfter,
        Self::Restart,
        Self::RestartAfter,
        Self::Busy,
        Self::Garbage,
        Self::WrongSequence,
        Self::LongLength,
        Self::OffBack,
        Self::OffForward,
        Self::OffPast,
        Self::OffSame,
        Self::SlowErase,
        Self::FlashFails,
        Self::MatchDenied,
        Self::MatchClaimed,
        Self::Fades,
    ];
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Parameters, information, slots, echo.
    Questions,
    /// The list of images.
    List,
    /// A part of an image.
    Upload,
    /// Run an image at the next start.
    Test,
    /// Restart.
    Reset,
    /// Keep an image.
    Confirm,
    /// Empty a slot.
    Erase,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Questions, Self::List, Self::Upload, Self::Test, Self::Reset, Self::Confirm, Self::Erase];

    fn of(request: &Request) -> Self {
        match request {
            Request::ReadState => Self::List,
            Request::Upload(_) => Self::Upload,
            Request::WriteState { confirm: false, .. } => Self::Test,
            Request::WriteState { confirm: true, .. } => Self::Confirm,
            Request::Reset { .. } => Self::Reset,
            Request::Erase { .. } => Self::Erase,
            _ => Self::Questions,
        }
    }
}

/// A fault that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// At which requests.
    pub step: Step,
    /// At which of them; the first is 1.
    pub nth: u32,
    /// At how many in a row.
    pub times: u32,
}

/// What an image is like that does not come from the factory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewImage {
    /// Like the old one.
    #[default]
    Good,
    /// It falls over until its watchdog restarts the watch.
    Loops,
    /// It tells another version than its header.
    WrongVersion,
    /// It has no SMP service.
    NoSmp,
    /// It has the services, and refuses whatever the watch is there for.
    Mute,
}

/// All that will go wrong.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    planned: Vec<Planned>,
    counts: BTreeMap<Step, u32>,
    rng: Rng,
    /// One request in so many; 0: none.
    one_in: u32,
    struck: u32,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self { planned: Vec::new(), counts: BTreeMap::new(), rng: Rng::with_seed(0), one_in: 0, struck: 0 }
    }

    /// From now on.
    pub(super) fn plan(&mut self, planned: impl IntoIterator<Item = Planned>) {
        self.planned = planned.into_iter().collect();
        self.counts.clear();
    }

    /// From now on, at one request in so many.
    pub(super) fn by_chance(&mut self, seed: u64, one_in: u32) {
        (self.rng, self.one_in) = (Rng::with_seed(seed), one_in);
    }

    pub(super) const fn struck(&self) -> u32 {
        self.struck
    }

    /// What goes wrong at this request.
    pub(super) fn strike(&mut self, request: &Request) -> Option<Fault> {
        let step = Step::of(request);
        let count = self.counts.entry(step).or_default();
        *count += 1;
        let count = *count;
        let due = |plan: &&Planned| plan.step == step && (plan.nth..plan.nth + plan.times).contains(&count);
        let planned = self.planned.iter().find(due).map(|plan| plan.fault);
        let by_chance = self.one_in > 0 && self.rng.u32(..self.one_in) == 0;
        let fault = planned.or_else(|| by_chance.then(|| self.rng.choice(Fault::ALL)).flatten());
        self.struck += u32::from(fault.is_some());
        fault
    }
}
