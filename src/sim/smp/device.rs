//! The watch's side of SMP, without a link and without a clock: messages in, messages out, and [`SmpDevice::boot`].

use std::time::Duration;

use super::boot::{Booted, Loader, Swap};
use super::faults::{Fault, Faults, NewImage, Planned};
use super::flags::{Build, Flags};
use super::flash::{Area, Flash, Trailer, Work};
use super::image::Image;
use super::info::words;
use super::state;
use super::upload::Upload;
use crate::wire::Sha256;
use crate::wire::mcuboot::ImageVersion;
use crate::wire::smp::{
    BootloaderInfo, BootloaderQuery, Header, ImageCode, Message, MgmtCode, OsCode, Request, Response,
    SmpError, UploadRequest, UploadResponse, Version,
};

/// What a late reply is late by.
const LATE: Duration = Duration::from_secs(3);
/// What a slow erase takes; hosts are told to wait 40 s.
const SLOW_ERASE: Duration = Duration::from_secs(39);

/// A watch that takes updates.
#[derive(Clone, Debug)]
pub struct SmpDevice {
    pub(super) build: Build,
    flash: Flash,
    upload: Upload,
    faults: Faults,
    new_image: NewImage,
    factory: Option<Sha256>,
    /// The highest security counter that ran for good.
    counter: u32,
    effects: Effects,
}

/// What comes of a message besides replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What the flash had to do.
    pub work: Work,
    /// Time that passed besides.
    pub delay: Duration,
    /// How the link ends, if it does.
    pub end: Option<End>,
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The watch closes it.
    HangUp,
    /// The watch was asked to restart, and does so a moment later.
    Reset,
    /// The watch restarts at once.
    Crash,
}

type Answer = Result<Response, SmpError>;

impl SmpDevice {
    /// A watch that came with this image.
    pub fn new(build: Build, factory: &[u8]) -> Self {
        let mut flash = Flash::blank(build.slot);
        let fits = factory.len().min(flash.slot_size());
        flash.program(Area::Primary, 0, &factory[..fits]);
        flash.take_work();
        let mut device = Self {
            build,
            factory: Image::read(flash.bytes(Area::Primary)).map(|image| image.hash),
            flash,
            upload: Upload::default(),
            faults: Faults::none(),
            new_image: NewImage::Good,
            counter: 0,
            effects: Effects::default(),
        };
        device.boot();
        device
    }

    /// Answers what came in at once, which may be several messages.
    pub fn handle(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        let (mut rest, mut replies) = (message, Vec::new());
        while let Ok(mut header) = Header::decode(rest) {
            if self.build.flags.has(Flags::V1_ONLY) {
                header.version = Version::V1;
            }
            let Ok(Message { body, .. }) = Message::decode(rest) else {
                replies.extend(self.encode(&header, &Err(SmpError::mgmt(MgmtCode::Corrupt))));
                break;
            };
            rest = &rest[header.message_len()..];
            match Request::decode(&Message { header, body }) {
                Ok(request) => replies.extend(self.answer(&header, &request)),
                Err(error) => replies.extend(self.encode(&header, &Err(SmpError::mgmt(error.code())))),
            }
        }
        replies
    }

    /// What came of the messages since the last call, besides replies.
    pub fn take_effects(&mut self) -> Effects {
        self.effects.work = self.flash.take_work();
        std::mem::take(&mut self.effects)
    }

    /// Starts the watch: the boot loader does its part, and what was in RAM is gone.
    pub fn boot(&mut self) -> Booted {
        self.upload.forget();
        let booted = self.loader().boot(&mut self.flash);
        if self.swap() == Swap::None
            && let Some(counter) = self.running().and_then(|image| image.counter)
        {
            self.counter = self.counter.max(counter);
        }
        booted
    }

    /// Starts the watch, and cuts its power after the flash has done so much (in bytes; an erase counts as 64); then it stays off.
    pub fn boot_and_cut(&mut self, units: usize) {
        self.flash.cut_after(units);
        self.boot();
        self.flash.restore_power();
    }

    /// Cuts the power within the next request, after the flash has done so much. The watch must be booted afterwards.
    pub fn handle_and_cut(&mut self, message: &[u8], units: usize) {
        self.flash.cut_after(units);
        self.handle(message);
        self.flash.restore_power();
    }

    /// From now on these go wrong.
    pub fn plan(&mut self, planned: impl IntoIterator<Item = Planned>) {
        self.faults.plan(planned);
    }

    /// From now on something goes wrong at one request in so many (0: none).
    pub fn by_chance(&mut self, seed: u64, one_in: u32) {
        self.faults.by_chance(seed, one_in);
    }

    /// How many faults there were.
    pub const fn struck(&self) -> u32 {
        self.faults.struck()
    }

    /// What images are like that do not come from the factory.
    pub const fn set_new_image(&mut self, new_image: NewImage) {
        self.new_image = new_image;
    }

    /// Puts bytes into a slot, past all rules; the trailer's page is erased with the rest.
    pub fn place(&mut self, slot: u32, bytes: &[u8]) {
        let (area, base) = match slot {
            0 => (Area::Primary, 0),
            _ => (Area::Secondary, self.loader().base(Swap::None)),
        };
        self.flash.erase(area);
        let fits = bytes.len().min(self.flash.slot_size() - base);
        self.flash.program(area, base, &bytes[..fits]);
        self.flash.take_work();
    }

    /// Makes what lies in the slots look as after a test: the image of slot 0 runs unconfirmed, this one would come back.
    pub fn place_on_trial(&mut self, running: &[u8], before: &[u8]) {
        self.place(0, running);
        self.flash.write_trailer(Area::Primary, Trailer { magic: true, image_ok: false, copy_done: true });
        self.flash.erase(Area::Secondary);
        self.flash.program(Area::Secondary, self.loader().base(Swap::Revert), before);
        self.flash.take_work();
    }

    /// What runs now: how it behaves.
    pub fn behaviour(&self) -> NewImage {
        if self.running_hash() == self.factory { NewImage::Good } else { self.new_image }
    }

    /// The hash of the image that runs.
    pub fn running_hash(&self) -> Option<Sha256> {
        self.running().map(|image| image.hash)
    }

    /// The version of the image that runs.
    pub fn version(&self) -> ImageVersion {
        self.running().map(|image| image.head.version).unwrap_or_default()
    }

    /// Whether what runs is taken back at the next start.
    pub fn is_on_trial(&self) -> bool {
        self.swap() == Swap::Revert
    }

    /// Whether slot 0 holds an intact image.
    pub fn is_bootable(&self) -> bool {
        let slot = self.flash.bytes(Area::Primary);
        self.running().is_some_and(|image| image.is_intact(slot))
    }

    /// Whether slot 1 holds this, byte for byte.
    pub fn holds(&self, file: &[u8]) -> bool {
        self.flash.bytes(Area::Secondary)[self.loader().base(Swap::None)..].starts_with(file)
    }

    fn running(&self) -> Option<Image> {
        Image::read(self.flash.bytes(Area::Primary))
    }

    const fn loader(&self) -> Loader {
        Loader { mode: self.build.mode, flags: self.build.flags, counter: self.counter }
    }

    fn swap(&self) -> Swap {
        self.loader().swap(&self.flash)
    }

    /// Answers a request, or does what goes wrong instead.
    fn answer(&mut self, header: &Header, request: &Request) -> Vec<Vec<u8>> {
        let fault = self.faults.strike(request);
        match fault {
            Some(Fault::LoseRequest) => return Vec::new(),
            Some(Fault::HangUp) => return self.end(End::HangUp),
            Some(Fault::Restart) => return self.end(End::Crash),
            Some(Fault::LateReply) => self.effects.delay += LATE,
            Some(Fault::SlowErase) => self.effects.delay += SLOW_ERASE,
            _ => {}
        }
        let answer = self.perform_with(request, fault);
        let mut replies: Vec<Vec<u8>> = self.encode(header, &answer).into_iter().collect();
        match fault {
            Some(Fault::LoseReply) => replies.clear(),
            Some(Fault::HangUpAfter) => return self.end(End::HangUp),
            Some(Fault::RestartAfter) => return self.end(End::Crash),
            Some(Fault::DoubleReply) => replies.extend_from_within(..),
            Some(Fault::Garbage) => replies.iter_mut().for_each(|reply| reply[Header::SIZE..].fill(0x1c)),
            Some(Fault::WrongSequence) => replies.iter_mut().for_each(|reply| reply[6] ^= 0x55),
            Some(Fault::LongLength) => replies.iter_mut().for_each(|reply| reply[3] ^= 0x40),
            _ => {}
        }
        replies
    }

    fn end(&mut self, end: End) -> Vec<Vec<u8>> {
        self.effects.end = Some(end);
        Vec::new()
    }

    fn perform_with(&mut self, request: &Request, fault: Option<Fault>) -> Answer {
        if fault == Some(Fault::Busy) {
            return Err(SmpError::mgmt(MgmtCode::Busy));
        }
        let Request::Upload(part) = request else { return self.perform(request) };
        let (wanted, size) = (self.upload.off().unwrap_or(0), self.upload.size());
        match fault {
            Some(Fault::OffSame) => return Ok(told(wanted)),
            Some(Fault::FlashFails) => {
                self.upload.forget();
                return Err(SmpError::Image(ImageCode::FlashWrite));
            }
            _ => {}
        }
        let mut response = self.take_part(part)?;
        let off = response.off as usize;
        let ended =
            self.upload.off().is_none() && off > 0 && part.data.len() + part.off.unwrap_or(0) as usize == off;
        match fault {
            Some(Fault::OffBack) => response.off /= 2,
            Some(Fault::OffForward) => response.off += 64,
            Some(Fault::OffPast) => response.off = size.unwrap_or(off) as u32 + 100,
            Some(Fault::MatchDenied) if ended => response.matched = Some(false),
            Some(Fault::MatchClaimed) if ended => {
                self.fade();
                response.matched = Some(true);
            }
            Some(Fault::Fades) if ended => self.fade(),
            _ => {}
        }
        Ok(Response::Upload(response))
    }

    /// A bit of the image's payload in slot 1 flips.
    fn fade(&mut self) {
        let at = self.loader().base(Swap::None) + super::image::HEADER + 5;
        self.flash.flip(Area::Secondary, at);
    }

    fn take_part(&mut self, part: &UploadRequest) -> Result<UploadResponse, SmpError> {
        let loader = self.loader();
        self.upload.take(&mut self.flash, loader, part).map_err(SmpError::Image)
    }

    fn perform(&mut self, request: &Request) -> Answer {
        let unsupported = |flag: Flags| {
            if self.build.flags.has(flag) { Err(SmpError::mgmt(MgmtCode::NotSupported)) } else { Ok(()) }
        };
        let loader = self.loader();
        Ok(match request {
            Request::Echo(text) => Response::Echo(text.clone()),
            Request::Reset { .. } => {
                self.effects.end = Some(End::Reset);
                Response::Reset
            }
            Request::Params => {
                unsupported(Flags::NO_PARAMS)?;
                Response::Params(self.build.buffers)
            }
            Request::Info { format } => {
                let told = words(format.as_deref().unwrap_or("s"), self.version());
                Response::Info(told.ok_or(SmpError::Os(OsCode::InvalidFormat))?)
            }
            Request::Bootloader(query) => {
                unsupported(Flags::NO_BOOTLOADER_INFO)?;
                Response::Bootloader(self.bootloader(query)?)
            }
            Request::ReadState => Response::State(state::list(&self.flash, loader)),
            Request::WriteState { hash, confirm } => {
                state::write(&mut self.flash, loader, hash.as_deref(), *confirm).map_err(SmpError::Image)?;
                Response::State(state::list(&self.flash, loader))
            }
            Request::Upload(part) => Response::Upload(self.take_part(part)?),
            Request::Erase { slot } => {
                state::erase(&mut self.flash, loader, slot.unwrap_or(1)).map_err(SmpError::Image)?;
                self.upload.forget();
                Response::Erased
            }
            Request::SlotInfo => {
                unsupported(Flags::NO_SLOT_INFO)?;
                Response::SlotInfo(state::slots(&self.flash))
            }
        })
    }

    fn bootloader(&self, query: &BootloaderQuery) -> Result<BootloaderInfo, SmpError> {
        Ok(match query {
            BootloaderQuery::Name => {
                BootloaderInfo { name: Some("MCUboot".to_owned()), ..BootloaderInfo::default() }
            }
            BootloaderQuery::Mode => BootloaderInfo {
                mode: Some(self.build.mode.told()),
                no_downgrade: Some(self.build.flags.has(Flags::NO_DOWNGRADE)),
                ..BootloaderInfo::default()
            },
            BootloaderQuery::ActiveSlot => {
                BootloaderInfo { active_slot: Some(0), ..BootloaderInfo::default() }
            }
            BootloaderQuery::Other(_) => return Err(SmpError::Os(OsCode::NoAnswer)),
        })
    }

    fn encode(&self, header: &Header, answer: &Answer) -> Option<Vec<u8>> {
        let style = self.build.style;
        let encoded = match answer {
            Ok(response) => response.encode(header, style),
            Err(SmpError::Image(code)) if header.version == Version::V1 => {
                let reason = reason(*code).map(str::to_owned);
                SmpError::Mgmt { code: code.v1(), reason }.encode(header, style)
            }
            Err(refusal) => refusal.encode(header, style),
        };
        encoded.or_else(|_| SmpError::mgmt(MgmtCode::MessageSize).encode(header, style)).ok()
    }
}

const fn told(off: usize) -> Response {
    Response::Upload(UploadResponse { off: off as u32, matched: None })
}

/// What version 1 adds in words. The first was recorded, the others are from memory of Zephyr's source.
const fn reason(code: ImageCode) -> Option<&'static str> {
    Some(match code {
        ImageCode::InvalidOffset | ImageCode::InvalidLength | ImageCode::ImageHeader => "header malformed",
        ImageCode::ImageMagic => "magic mismatch",
        ImageCode::FlashWrite => "fa_write fail",
        ImageCode::FlashErase => "fa_erase fail",
        ImageCode::CurrentIsNewer => "downgrade",
        _ => return None,
    })
}
