//! A host that talks to a simulated watch without a link, one request at a time.

use bytes::Bytes;
use nowbridge::sim::smp::{Build, SmpDevice, image};
use nowbridge::wire::Sha256;
use nowbridge::wire::smp::{
    ImageCode, ImageState, Message, ReplyError, Request, Response, SmpError, UploadRequest, UploadResponse,
    Version,
};

/// Asks for something.
pub fn ask(watch: &mut SmpDevice, request: &Request) -> Result<Response, SmpError> {
    let replies = watch.handle(&request.encode(Version::V2, 7).unwrap());
    assert_eq!(replies.len(), 1, "{request:?}");
    match Response::decode(&Message::decode(&replies[0]).unwrap()) {
        Ok(response) => Ok(response),
        Err(ReplyError::Refused(refusal)) => Err(refusal),
        Err(error) => panic!("{request:?}: {error}"),
    }
}

/// The list of images, one text a slot: `0 1.0.0 active confirmed`.
pub fn list(watch: &mut SmpDevice) -> Vec<String> {
    texts(&ask(watch, &Request::ReadState))
}

fn texts(answer: &Result<Response, SmpError>) -> Vec<String> {
    let Ok(Response::State(ImageState { images })) = answer else { panic!("no list: {answer:?}") };
    images
        .iter()
        .map(|slot| {
            let flags = [
                ("bootable", slot.bootable),
                ("pending", slot.pending),
                ("confirmed", slot.confirmed),
                ("active", slot.active),
                ("permanent", slot.permanent),
            ];
            let set = flags.iter().filter(|(_, set)| *set).map(|(name, _)| format!(" {name}"));
            format!("{} {}{}", slot.slot, slot.version, set.collect::<String>())
        })
        .collect()
}

/// A part, answered with an offset.
pub fn part(watch: &mut SmpDevice, part: UploadRequest) -> Result<UploadResponse, ImageCode> {
    match ask(watch, &Request::Upload(part)) {
        Ok(Response::Upload(taken)) => Ok(taken),
        Err(SmpError::Image(code)) => Err(code),
        other => panic!("{other:?}"),
    }
}

/// The first part of a file.
pub fn first(file: &[u8], data: usize) -> UploadRequest {
    UploadRequest {
        len: Some(file.len() as u32),
        off: Some(0),
        sha: Some(Bytes::copy_from_slice(&Sha256::of(file).0)),
        data: Bytes::copy_from_slice(&file[..data.min(file.len())]),
        ..UploadRequest::default()
    }
}

/// A later part.
pub fn later(file: &[u8], off: usize, data: usize) -> UploadRequest {
    UploadRequest {
        off: Some(off as u32),
        data: Bytes::copy_from_slice(&file[off..(off + data).min(file.len())]),
        ..UploadRequest::default()
    }
}

/// Brings a file over, by the watch's offsets. What it says last.
pub fn upload(watch: &mut SmpDevice, file: &[u8]) -> Result<UploadResponse, ImageCode> {
    let mut taken = part(watch, first(file, 1_000))?;
    while (taken.off as usize) < file.len() {
        taken = part(watch, later(file, taken.off as usize, 1_000))?;
    }
    Ok(taken)
}

/// Has an image tried, or kept.
pub fn write(watch: &mut SmpDevice, hash: Option<&[u8]>, confirm: bool) -> Result<Vec<String>, ImageCode> {
    let hash = hash.map(Bytes::copy_from_slice);
    match ask(watch, &Request::WriteState { hash, confirm }) {
        Err(SmpError::Image(code)) => Err(code),
        answer => Ok(texts(&answer)),
    }
}

/// Empties a slot.
pub fn erase(watch: &mut SmpDevice, slot: Option<u32>) -> Result<(), ImageCode> {
    match ask(watch, &Request::Erase { slot }) {
        Err(SmpError::Image(code)) => Err(code),
        answer => {
            assert_eq!(answer, Ok(Response::Erased));
            Ok(())
        }
    }
}

/// The hash in the TLV of an image that [`firmware`] made.
pub fn hash(image: &[u8]) -> [u8; 32] {
    image[image.len() - 32..].try_into().unwrap()
}

/// An image of so many bytes and a few more.
pub fn firmware(version: &str, bytes: usize) -> Vec<u8> {
    let salt = version.len() + usize::from(version.as_bytes()[0]);
    let payload: Vec<u8> = (0..bytes).map(|at| (at * 31 + salt) as u8).collect();
    image(version.parse().unwrap(), &payload, None)
}

/// A watch that runs 1.0.0.
pub fn watch(build: Build) -> SmpDevice {
    SmpDevice::new(build, &firmware("1.0.0", 9_000))
}
