//! Heart-beat frames and upload tables of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nowbridge::measurement::{HeartBeatFrame, Kind, csv};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = HeartBeatFrame::from_bytes(bytes) {
        assert_eq!(frame.to_bytes(), bytes);
    }
    for kind in Kind::ALL {
        if let Ok(rows) = csv::read(kind, bytes) {
            let mut written = Vec::new();
            csv::write(kind, &rows, &mut written).expect("rows that were read can be written");
        }
    }
});
