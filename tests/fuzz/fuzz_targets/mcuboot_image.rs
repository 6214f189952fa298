//! A file that somebody takes for firmware. Any bytes must end in a value or an error, and an image must be as long as it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::firmware::{FileKind, integrity, recognise};
use nowbridge::wire::mcuboot::{Header, Image, ImageKey, Trailer};

fuzz_target!(|file: &[u8]| {
    if let Ok(header) = Header::parse(file) {
        assert_eq!(header.encode(), file[..32]);
    }
    let parsed = Image::parse(file);
    if let Ok(image) = &parsed {
        assert!(image.length <= file.len() as u64);
        assert_eq!(image.trailer.is_some(), image.length < file.len() as u64);
        assert_eq!(Image::parse(image.without_padding(file)).map(|bare| bare.hash), Ok(image.hash));
        assert_eq!(recognise(file), FileKind::Mcuboot);
        let _ = image.verify(&ImageKey([0; 32]));
        let _ = image.security_counter();
        let _ = image.dependencies().count();
    }
    let _ = Trailer::read(file);
    let _ = integrity(file);
});
