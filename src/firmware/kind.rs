//! What a file is that somebody took for firmware.

use std::io::{Cursor, Read};

use serde::Deserialize;
use thiserror::Error;

use crate::wire::mcuboot::MAGIC;

/// A package with more files than this is none for a watch.
const MOST_FILES: usize = 1_000;

/// Larger than any `manifest.json` of a package.
const LARGEST_MANIFEST: u64 = 64 * 1_024;

/// What a file looks like by its first bytes. As an error: what to give instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileKind {
    /// Begins as an `MCUboot` image does.
    #[error("this begins as an MCUboot image does")]
    Mcuboot,
    /// Nothing.
    #[error("the file is empty; fetch it again")]
    Empty,
    /// A package for Nordic's old DFU.
    #[error(
        "this is a package for Nordic's DFU (zip), which is right for InfiniTime and for nothing else; a watch with MCUboot takes the \
         signed image, a .bin"
    )]
    NordicZip,
    /// Another zip, and the images in it.
    #[error("this is a zip, not an image; {}", way_out(.0))]
    Zip(Vec<String>),
    /// A web page.
    #[error(
        "this is a web page, not an image: the link leads to a page, or to a login; fetch the file behind it"
    )]
    Html,
    /// What the linker makes.
    #[error(
        "this is an ELF file, as a debugger takes it; a watch takes the signed image, such as zephyr.signed.bin"
    )]
    Elf,
    /// A text with addresses.
    #[error(
        "this is an Intel HEX file, as a programmer takes it; a watch takes the signed image, such as zephyr.signed.bin"
    )]
    IntelHex,
    /// Compressed.
    #[error("this is compressed (gzip); unpack it with `gunzip` first")]
    Gzip,
    /// For a boot loader that shows a USB drive.
    #[error("this is a UF2 file, for a USB drive; a watch takes the signed image, such as zephyr.signed.bin")]
    Uf2,
    /// JSON: a manifest, or an answer of a server.
    #[error("this is JSON, not an image: a manifest, or a server's answer; give the file that it is about")]
    Json,
    /// Nothing that is known here.
    #[error("this is no MCUboot image; if it is a raw binary, it is yet to be signed with imgtool")]
    Unknown,
}

fn way_out(images: &[String]) -> String {
    match images {
        [] => "and there is no image in it".to_owned(),
        [one] => format!("unpack it and give {one}"),
        several => format!("unpack it and give one of {}", several.join(", ")),
    }
}

/// Looks at the first bytes, and into a zip.
pub fn recognise(file: &[u8]) -> FileKind {
    let text = file.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    match file {
        [] => FileKind::Empty,
        _ if file.starts_with(&MAGIC.to_le_bytes()) => FileKind::Mcuboot,
        _ if file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06") => zip(file),
        _ if file.starts_with(b"\x7fELF") => FileKind::Elf,
        _ if file.starts_with(b"\x1f\x8b") => FileKind::Gzip,
        _ if file.starts_with(b"UF2\n") => FileKind::Uf2,
        _ if is_intel_hex(text) => FileKind::IntelHex,
        _ if text.starts_with(b"<") => FileKind::Html,
        _ if text.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() => {
            FileKind::Json
        }
        _ => FileKind::Unknown,
    }
}

/// `:10000000…`: a colon, then hexadecimal digits up to the end of the line.
fn is_intel_hex(text: &[u8]) -> bool {
    let Some(line) = text.strip_prefix(b":") else { return false };
    let line = line.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    line.len() >= 10 && line.iter().all(u8::is_ascii_hexdigit)
}

/// The part of a Nordic package's manifest that only such a package has.
#[derive(Deserialize)]
struct Package {
    #[serde(rename = "manifest")]
    _manifest: Parts,
}

#[derive(Deserialize)]
struct Parts {
    #[serde(rename = "application")]
    _application: Part,
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "bin_file")]
    _bin: String,
    #[serde(rename = "dat_file")]
    _dat: String,
}

fn zip(file: &[u8]) -> FileKind {
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(file)) else { return FileKind::Zip(Vec::new()) };
    if archive.len() > MOST_FILES {
        return FileKind::Zip(Vec::new());
    }
    let mut manifest = Vec::new();
    if let Ok(entry) = archive.by_name("manifest.json") {
        // What cannot be read is no manifest.
        let _ = entry.take(LARGEST_MANIFEST).read_to_end(&mut manifest);
    }
    if serde_json::from_slice::<Package>(&manifest).is_ok() {
        return FileKind::NordicZip;
    }
    let images = archive.file_names().flatten().filter(|name| name.ends_with(".bin"));
    FileKind::Zip(images.take(5).map(std::borrow::Cow::into_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn what_people_take_for_firmware_is_told_apart() {
        let nordic = r#"{"manifest":{"application":{"bin_file":"a.bin","dat_file":"a.dat","init_packet_data":{}},"dfu_version":0.5}}"#;
        let nordic = zipped(&[("a.bin", "x"), ("a.dat", "y"), ("manifest.json", nordic)]);
        let sdk = zipped(&[
            ("manifest.json", r#"{"format-version":1,"files":[]}"#),
            ("app_update.bin", "x"),
            ("a.txt", ""),
        ]);
        for (bytes, kind) in [
            (&b""[..], FileKind::Empty),
            (&nordic, FileKind::NordicZip),
            (&sdk, FileKind::Zip(vec!["app_update.bin".to_owned()])),
            (&nordic[..nordic.len() - 5], FileKind::Zip(vec![])),
            (b"\n  <!doctype html><html>", FileKind::Html),
            (b"\xef\xbb\xbf<html>", FileKind::Html),
            (b"\x7fELF\x01", FileKind::Elf),
            (b":020000040000FA\r\n:10", FileKind::IntelHex),
            (b":smile", FileKind::Unknown),
            (b"\x1f\x8b\x08", FileKind::Gzip),
            (b"UF2\nWQ", FileKind::Uf2),
            (b"{\"error\": \"expired\"}", FileKind::Json),
            (b"\x3d\xb8\xf3\x96", FileKind::Mcuboot),
            (b"\x00\x04\x00\x20", FileKind::Unknown),
        ] {
            assert_eq!(recognise(bytes), kind);
        }
        assert!(recognise(&sdk).to_string().contains("give app_update.bin"));
    }
}
