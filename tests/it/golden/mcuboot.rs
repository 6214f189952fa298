//! Images that the signing tool made, byte by byte.

use std::collections::BTreeMap;

use nowbridge::wire::Sha256;
use nowbridge::wire::mcuboot::{Image, ImageBuilder, ImageKey, TlvKind};

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    super::vectors(include_str!("../../golden/v1/mcuboot.txt"))
}

fn builder<'a>() -> ImageBuilder<'a> {
    ImageBuilder::new("1.2.3+45".parse().unwrap(), (0..0x40).collect::<Vec<u8>>())
}

#[test]
fn an_unsigned_image() {
    let file = &vectors()["unsigned"];
    let image = Image::parse(file).unwrap();
    assert_eq!(image.hash.to_string(), "2024b9316d47889308ea5f3f3f4bbec9c67aadaef915167650b973c2ba5203b2");
    assert_eq!((image.version().to_string().as_str(), image.length), ("1.2.3+45", 136));
    assert_eq!((image.security_counter(), image.signatures().count()), (None, 0));
    assert_eq!(&builder().build().unwrap(), file);
    assert_eq!(
        Sha256::of(file).to_string(),
        "1a39c8e705c795002ff034c47185ba95f067a444f91c2ab377252275b1422f3b"
    );
}

#[test]
fn an_image_with_a_security_counter() {
    let file = &vectors()["security counter 7"];
    let image = Image::parse(file).unwrap();
    assert_eq!(image.hash.to_string(), "b36c47c33f85143f0b36279fd925d1f6a84ba50ae621fb79c941d148d9fc342a");
    assert_eq!(image.security_counter(), Some(7));
    assert_eq!(&builder().security_counter(7).build().unwrap(), file);
}

#[test]
fn a_signed_image() {
    let vectors = vectors();
    let file = &vectors["signed with Ed25519"];
    let image = Image::parse(file).unwrap();
    let der = &vectors["public key of the signed one"];
    let key = ImageKey(der[12..].try_into().unwrap());
    assert_eq!(image.verify(&key), Ok(()));
    assert_eq!(key.hash(), Sha256::of(der));
    assert_eq!(image.signatures().collect::<Vec<_>>(), [TlvKind::ED25519]);
    // Its secret key is not known, so the two entries are taken over.
    let [_, owner, signature] = &image.plain[..] else { panic!("{:?}", image.plain) };
    let again = builder().entry(owner.kind, owner.value.clone());
    assert_eq!(&again.entry(signature.kind, signature.value.clone()).build().unwrap(), file);
}
