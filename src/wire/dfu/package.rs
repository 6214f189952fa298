//! The zip that an update comes in: a manifest, an image, and the image's init packet. Read in memory; nothing is ever unpacked.

use std::io::{Cursor, Read};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;
use zip::ZipArchive;
use zip::result::ZipError;

use super::{InitPacket, InitPacketError, ROOM, crc16};
use crate::wire::Sha256;
use crate::wire::mcuboot::{Image, ImageError, ImageVersion, MAGIC};

/// A package has three files; a few notes may lie beside them.
const MOST_FILES: usize = 32;
/// A file to be read may not grow more than so when it is unpacked: compiled code halves at best.
const HIGHEST_RATIO: u64 = 200;
/// Larger than any manifest.
const LARGEST_MANIFEST: u64 = 64 * 1_024;
/// Larger than any init packet.
const LARGEST_INIT_PACKET: u64 = 64;
const MANIFEST: &str = "manifest.json";

/// A package that was found to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The image, as it goes to the watch.
    pub image: Bytes,
    /// What the watch is told of it before.
    pub init_packet: Bytes,
    /// What the image says of itself; it is one for `MCUboot`.
    pub mcuboot: Image,
}

/// Why a file is no package for an InfiniTime watch, and what to give instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackageError {
    /// The image without its package.
    #[error(
        "this is an image without its package; give the zip that it came in, such as pinetime-mcuboot-app-dfu-1.14.0.zip"
    )]
    BareImage,
    /// Something else.
    #[error(
        "this is no zip; give the package of the release, such as pinetime-mcuboot-app-dfu-1.14.0.zip, as it was downloaded"
    )]
    NotAZip,
    /// A zip with a hole.
    #[error("the zip cannot be read ({0}); download it again")]
    Unreadable(String),
    /// A zip with a great many files.
    #[error("the zip has {0} files, where a package has three; give the package of the release instead")]
    TooManyFiles(usize),
    /// No manifest.
    #[error(
        "the zip has no manifest.json, so it is no DFU package; of the files of a release, give the one with `dfu` in its name (not the \
         resources, not the sources)"
    )]
    NoManifest,
    /// A manifest that says nothing.
    #[error(
        "the package's manifest.json is not one for an application ({0}); give the package of the release"
    )]
    Manifest(String),
    /// More than an application.
    #[error(
        "the package also brings a SoftDevice or a boot loader, which nowbridge does not send: a watch that fails there does not start \
         again; give a package with the application alone"
    )]
    MoreThanApplication,
    /// A file that the manifest names.
    #[error("the package has no {0}, which its manifest names; download it again")]
    Missing(String),
    /// A file that is too large for what it is.
    #[error("{name} in the package has more than {most} bytes, which no such file has; download it again")]
    Oversized {
        /// Which.
        name: String,
        /// What it may have.
        most: u64,
    },
    /// A file that is packed too well to be honest.
    #[error("{0} in the package is packed more tightly than code can be; download it again")]
    Ratio(String),
    /// An image that does not fit.
    #[error(
        "the image in the package has more than {ROOM} bytes, and the watch has no room for more: it is for another watch, or another \
         flash layout"
    )]
    TooLarge,
    /// The init packet.
    #[error("the package's init packet (.dat) is wrong: {0}; download it again")]
    InitPacket(#[from] InitPacketError),
    /// The init packet is for something else.
    #[error(
        "the package is for device type {0:#06x}, and InfiniTime watches are 0x0052; give the one for your watch"
    )]
    OtherDevice(u16),
    /// The image is not what its package says.
    #[error(
        "the image in the package is damaged: its CRC is {actual:#06x}, but {by} says {stated:#06x}; download it again"
    )]
    Crc {
        /// Who says so.
        by: &'static str,
        /// What.
        stated: u16,
        /// What it is.
        actual: u16,
    },
    /// The boot loader would not take it.
    #[error(
        "the watch's boot loader would not take the image in the package: {0}; give the package with `mcuboot` in its name"
    )]
    NotMcuboot(#[from] ImageError),
    /// The image is of another version than the one asked for.
    #[error(
        "the package holds version {inside}, not {wanted}; ask for {inside}, or give the package of {wanted}"
    )]
    OtherVersion {
        /// In the package.
        inside: ImageVersion,
        /// Asked for.
        wanted: String,
    },
    /// The image is not the one that was looked at when the update was asked for.
    #[error(
        "the image in the package is {0}, which is not the one that was asked for; ask for the update again"
    )]
    OtherImage(Sha256),
}

#[derive(Deserialize)]
struct File {
    manifest: Manifest,
}

#[derive(Deserialize)]
struct Manifest {
    application: Application,
    softdevice: Option<IgnoredAny>,
    bootloader: Option<IgnoredAny>,
    softdevice_bootloader: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Application {
    bin_file: String,
    dat_file: String,
    init_packet_data: Option<InitPacketData>,
}

#[derive(Deserialize)]
struct InitPacketData {
    firmware_crc16: Option<u16>,
}

impl Package {
    /// Reads a package and checks all that can be checked of it.
    pub fn parse(file: &[u8]) -> Result<Self, PackageError> {
        if file.starts_with(&MAGIC.to_le_bytes()) {
            return Err(PackageError::BareImage);
        }
        if !file.starts_with(b"PK") {
            return Err(PackageError::NotAZip);
        }
        let mut zip = ZipArchive::new(Cursor::new(file)).map_err(|error| unreadable(&error))?;
        if zip.len() > MOST_FILES {
            return Err(PackageError::TooManyFiles(zip.len()));
        }
        let application = manifest(&mut zip)?;
        let dat = part(&mut zip, &application.dat_file, LARGEST_INIT_PACKET)?;
        let init_packet = InitPacket::decode(&dat)?;
        if init_packet.device_type != InitPacket::INFINITIME {
            return Err(PackageError::OtherDevice(init_packet.device_type));
        }
        let image = match part(&mut zip, &application.bin_file, ROOM) {
            Err(PackageError::Oversized { .. }) => Err(PackageError::TooLarge),
            other => other,
        }?;
        let actual = crc16(&image);
        let in_manifest = application.init_packet_data.and_then(|data| data.firmware_crc16);
        for (by, stated) in [("its manifest", in_manifest), ("its init packet", Some(init_packet.crc))] {
            if let Some(stated) = stated.filter(|stated| *stated != actual) {
                return Err(PackageError::Crc { by, stated, actual });
            }
        }
        let mcuboot = Image::parse(&image)?;
        Ok(Self { image: image.into(), init_packet: dat.into(), mcuboot })
    }

    /// Whether it is what was asked for: the version, and the image where that is known by its hash.
    pub fn check(&self, version: &str, image: Option<Sha256>) -> Result<(), PackageError> {
        let inside = self.mcuboot.version();
        if inside.to_string() != version {
            return Err(PackageError::OtherVersion { inside, wanted: version.to_owned() });
        }
        match image {
            Some(wanted) if wanted != self.mcuboot.hash => Err(PackageError::OtherImage(self.mcuboot.hash)),
            _ => Ok(()),
        }
    }
}

fn manifest(zip: &mut ZipArchive<Cursor<&[u8]>>) -> Result<Application, PackageError> {
    let json = match part(zip, MANIFEST, LARGEST_MANIFEST) {
        Err(PackageError::Missing(_)) => Err(PackageError::NoManifest),
        other => other,
    }?;
    let file: File =
        serde_json::from_slice(&json).map_err(|error| PackageError::Manifest(error.to_string()))?;
    let Manifest { application, softdevice, bootloader, softdevice_bootloader } = file.manifest;
    if softdevice.or(bootloader).or(softdevice_bootloader).is_some() {
        return Err(PackageError::MoreThanApplication);
    }
    Ok(application)
}

/// One file of the package, whatever the zip says of its size.
fn part(zip: &mut ZipArchive<Cursor<&[u8]>>, name: &str, most: u64) -> Result<Vec<u8>, PackageError> {
    let entry = match zip.by_name(name) {
        Err(ZipError::FileNotFound) => return Err(PackageError::Missing(one_line(name))),
        other => other.map_err(|error| unreadable(&error))?,
    };
    let packed = entry.compressed_size();
    let mut content = Vec::new();
    entry
        .take(most + 1)
        .read_to_end(&mut content)
        .map_err(|error| PackageError::Unreadable(error.to_string()))?;
    let size = content.len() as u64;
    if size > most {
        return Err(PackageError::Oversized { name: one_line(name), most });
    }
    // A small file may well be all the same.
    if size > LARGEST_MANIFEST && size / HIGHEST_RATIO > packed {
        return Err(PackageError::Ratio(one_line(name)));
    }
    Ok(content)
}

/// A name out of a file, fit to be shown.
fn one_line(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

fn unreadable(error: &ZipError) -> PackageError {
    PackageError::Unreadable(error.to_string())
}
