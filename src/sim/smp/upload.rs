//! How a watch takes an image in (reference on firmware, 3.2): by offsets, in RAM only, forgotten at a restart but not at the end of
//! a link.

use bytes::Bytes;

use super::boot::{Loader, Swap};
use super::flags::Flags;
use super::flash::{Area, Flash, PAGE};
use super::image::{HEADER, Head, has_magic};
use crate::wire::Sha256;
use crate::wire::mcuboot::ImageVersion;
use crate::wire::smp::{ImageCode, UploadRequest, UploadResponse};

/// What a watch remembers of an upload.
#[derive(Clone, Debug, Default)]
pub(super) struct Upload {
    session: Option<Session>,
}

#[derive(Clone, Debug)]
struct Session {
    off: usize,
    size: usize,
    sha: Bytes,
    /// Bytes of slot 1 that were erased for it.
    erased: usize,
}

impl Upload {
    /// The offset that is wanted next; `None` without an upload.
    pub(super) fn off(&self) -> Option<usize> {
        self.session.as_ref().map(|session| session.off)
    }

    /// Bytes of the file; `None` without an upload.
    pub(super) fn size(&self) -> Option<usize> {
        self.session.as_ref().map(|session| session.size)
    }

    pub(super) fn forget(&mut self) {
        self.session = None;
    }

    /// Takes a part.
    pub(super) fn take(
        &mut self,
        flash: &mut Flash,
        loader: Loader,
        part: &UploadRequest,
    ) -> Result<UploadResponse, ImageCode> {
        let off = part.off.ok_or(ImageCode::InvalidOffset)? as usize;
        if off == 0 {
            if let Some(answer) = self.begin(flash, loader, part)? {
                return Ok(answer);
            }
        } else if self.off() != Some(off) {
            return Ok(told(self.off().unwrap_or(0)));
        }
        let Some(session) = &mut self.session else { return Ok(told(0)) };
        let end = session.off + part.data.len();
        if end > session.size {
            return Err(ImageCode::Overrun);
        }
        let base = loader.base(Swap::None);
        while session.erased < base + end {
            flash.erase_page(Area::Secondary, session.erased / PAGE);
            session.erased += PAGE;
        }
        flash.program(Area::Secondary, base + session.off, &part.data);
        session.off = end;
        if end < session.size {
            return Ok(told(end));
        }
        let sha = std::mem::take(&mut session.sha);
        self.session = None;
        let matched = loader.flags.has(Flags::IMAGE_CHECK) && sha.len() == 32;
        Ok(UploadResponse { matched: matched.then(|| holds(flash, base, end, &sha)), ..told(end) })
    }

    /// Looks at a first part. An answer, if there is one already.
    fn begin(
        &mut self,
        flash: &mut Flash,
        loader: Loader,
        part: &UploadRequest,
    ) -> Result<Option<UploadResponse>, ImageCode> {
        if part.data.len() < HEADER {
            return Err(ImageCode::ImageHeader);
        }
        let size = part.len.ok_or(ImageCode::InvalidLength)? as usize;
        if !has_magic(&part.data) {
            return Err(ImageCode::ImageMagic);
        }
        let sha = part.sha.clone().unwrap_or_default();
        if sha.len() > 32 {
            return Err(ImageCode::InvalidHash);
        }
        if let Some(session) = self.session.as_ref().filter(|session| !sha.is_empty() && sha == session.sha) {
            return Ok(Some(told(session.off)));
        }
        let base = loader.base(Swap::None);
        if loader.swap(flash) == Swap::Revert || part.image.unwrap_or(0) != 0 {
            return Err(ImageCode::NoFreeSlot);
        }
        if size > loader.room(flash) {
            return Err(ImageCode::TooLarge);
        }
        if part.upgrade && !is_newer(flash, loader, &part.data) {
            return Err(ImageCode::CurrentIsNewer);
        }
        if loader.flags.has(Flags::IMAGE_CHECK) && sha.len() == 32 && holds(flash, base, size, &sha) {
            return Ok(Some(UploadResponse { matched: Some(true), ..told(size) }));
        }
        // A request to run what was there goes with it.
        flash.erase_trailer(Area::Secondary);
        let erased = if loader.flags.has(Flags::PROGRESSIVE_ERASE) {
            0
        } else {
            flash.erase(Area::Secondary);
            flash.slot_size()
        };
        self.session = Some(Session { off: 0, size, sha, erased });
        Ok(None)
    }
}

const fn told(off: usize) -> UploadResponse {
    UploadResponse { off: off as u32, matched: None }
}

/// Whether slot 1 holds the file with this hash.
fn holds(flash: &Flash, base: usize, size: usize, sha: &[u8]) -> bool {
    let file = flash.bytes(Area::Secondary).get(base..base + size);
    file.is_some_and(|file| Sha256::of(file).0 == *sha)
}

fn is_newer(flash: &Flash, loader: Loader, data: &[u8]) -> bool {
    let version = |bytes: &[u8]| {
        let version = Head::read(bytes).map(|head| head.version).unwrap_or_default();
        let build = if loader.flags.has(Flags::BUILDS_COUNT) { version.build } else { 0 };
        ImageVersion { build, ..version }
    };
    version(data) > version(flash.bytes(Area::Primary))
}
