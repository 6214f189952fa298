//! Pieces and datagrams of SMP, from either end. Any bytes must end in messages or errors, and a message must say itself again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::wire::smp::{Header, Message, Reassembler, messages};

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut reassembler = Reassembler::new(2475);
    for piece in &pieces {
        if let Ok(header) = Header::decode(piece) {
            assert_eq!(Header::decode(&header.encode()), Ok(header));
        }
        for message in messages(piece).flatten() {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
        match reassembler.push(piece) {
            Ok(Some(message)) => assert_eq!(message.body.len(), usize::from(message.header.len)),
            Ok(None) => assert!(reassembler.is_midway() || piece.is_empty()),
            Err(_) => reassembler.reset(),
        }
    }
});
