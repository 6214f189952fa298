//! Bodies of SMP messages, read by either end. Any bytes must end in a value or an error, and a value must say itself again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::wire::smp::{Header, Message, ReplyError, Request, Response, Style, Version};

fuzz_target!(|input: (u8, u8, u8, &[u8])| {
    let (first, group, command, body) = input;
    let header = Header::decode(&[first, 0, 0, 0, 0, group % 3, 7, command % 9]).expect("eight bytes");
    let Ok(message) = Message::new(header, body.to_vec()) else { return };
    if let Ok(request) = Request::decode(&message) {
        if let Ok(again) = request.message(Version::V2, 7) {
            assert_eq!(Request::decode(&again), Ok(request));
        }
    }
    let asked = |message: &Message| Header { op: nowbridge::wire::smp::Op::Read, ..message.header };
    match Response::decode(&message) {
        Ok(response) => {
            if let Ok(bytes) = response.encode(&asked(&message), Style::default()) {
                let again = Message::decode(&bytes).expect("a message of ours");
                assert_eq!(Response::decode(&again), Ok(response));
            }
        }
        Err(ReplyError::Refused(refusal)) => drop(refusal.encode(&asked(&message), Style::default())),
        Err(ReplyError::Unreadable(_)) => {}
    }
});
