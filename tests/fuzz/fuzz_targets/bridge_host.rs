//! What a hostile watch can send: notifications, info, time, replies. Any bytes must end in a value or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::wire::bridge::{AnchorRecord, Assembler, Info, RawBlock, Response, TimeReading};

fuzz_target!(|notifications: Vec<Vec<u8>>| {
    let (mut assembler, mut blocks) = (Assembler::new(), Vec::new());
    for notification in &notifications {
        let _ = Info::decode(notification);
        let _ = Response::decode(notification);
        let _ = TimeReading::decode(notification);
        let _ = assembler.push(notification, &mut blocks);
        blocks.extend(RawBlock::parse(notification.clone().into()));
    }
    for block in blocks {
        if let Ok(samples) = block.samples() {
            assert_eq!(samples.len(), usize::from(block.header().n));
        }
        let _ = AnchorRecord::decode(block.payload());
    }
});
