//! What a server sends along with firmware: a manifest and a signature. Any bytes must end in a value or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::firmware::Manifest;
use nowbridge::wire::minisign::{Signature, SigningKey};

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert!(manifest.created < manifest.expires && manifest.rollout_percent <= 100);
        let _ = manifest.includes(bytes);
    }
    let key: SigningKey = KEY.parse().expect("a key that was published");
    if let Ok(signature) = Signature::decode(bytes) {
        assert!(signature.verify(&[key], b"something that it never signed").is_err());
    }
});
