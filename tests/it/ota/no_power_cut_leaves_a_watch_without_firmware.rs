//! Whatever is done to a watch, and wherever its power fails: there is an image that it can start.

use nowbridge::sim::smp::{Build, Flags, Mode, PAGE, SmpDevice};
use nowbridge::wire::smp::{Request, Version};
use proptest::collection::vec;
use proptest::prelude::*;

use super::host::{erase, firmware, hash, later, upload, watch, write};

#[derive(Clone, Copy, Debug)]
enum Deed {
    Upload {
        whole: bool,
        intact: bool,
    },
    Test,
    Permanent,
    Confirm,
    Erase,
    Boot,
    /// The power fails in a start, and in the next one as well.
    CutInBoot(usize, usize),
    /// The power fails while a request is carried out.
    CutInRequest(u8, usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let units = || 0..60_000_usize;
    prop_oneof![
        3 => any::<[bool; 2]>().prop_map(|[whole, intact]| Deed::Upload { whole, intact }),
        3 => Just(Deed::Test),
        1 => Just(Deed::Permanent),
        2 => Just(Deed::Confirm),
        1 => Just(Deed::Erase),
        2 => Just(Deed::Boot),
        3 => (units(), units()).prop_map(|(first, second)| Deed::CutInBoot(first, second)),
        1 => (0..4_u8, 0..200_usize).prop_map(|(request, units)| Deed::CutInRequest(request, units)),
    ]
}

/// Another image each time, longer or shorter than the one before.
fn image(round: usize, intact: bool) -> Vec<u8> {
    let mut image = firmware(&format!("{}.0.0", 2 + round % 200), 500 + round * 7_777 % 14_000);
    if !intact {
        image[200] ^= 8;
    }
    image
}

fn cut_in_request(watch: &mut SmpDevice, request: u8, units: usize, newest: &[u8]) {
    let hash = Some(hash(newest).to_vec().into());
    let request = match request {
        0 => Request::WriteState { hash, confirm: false },
        1 => Request::WriteState { hash: None, confirm: true },
        2 => Request::Erase { slot: None },
        _ => Request::Upload(super::host::first(newest, 300)),
    };
    watch.handle_and_cut(&request.encode(Version::V2, 1).unwrap(), units);
    watch.boot();
}

fn perform(watch: &mut SmpDevice, deed: Deed, round: usize, newest: &mut Vec<u8>) {
    match deed {
        Deed::Upload { whole, intact } => {
            let file = image(round, intact);
            if whole {
                let _ = upload(watch, &file);
            } else {
                let _ = super::host::part(watch, super::host::first(&file, 100));
                let _ = super::host::part(watch, later(&file, 100, 200));
            }
            *newest = file;
        }
        Deed::Test => drop(write(watch, Some(&hash(newest)), false)),
        Deed::Permanent => drop(write(watch, Some(&hash(newest)), true)),
        Deed::Confirm => drop(write(watch, None, true)),
        Deed::Erase => drop(erase(watch, None)),
        Deed::Boot => drop(watch.boot()),
        Deed::CutInBoot(first, second) => {
            watch.boot_and_cut(first);
            watch.boot_and_cut(second);
            watch.boot();
        }
        Deed::CutInRequest(request, units) => cut_in_request(watch, request, units, newest),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn there_is_always_an_image_to_start(mode in 0..3_usize, deeds in vec(deed(), 1..25)) {
        let mode = [Mode::SwapOffset, Mode::SwapScratch, Mode::OverwriteOnly][mode];
        let mut watch = watch(Build { mode, slot: 8 * PAGE, ..Build::default() });
        let mut newest = image(0, true);
        for (round, deed) in deeds.into_iter().enumerate() {
            perform(&mut watch, deed, round, &mut newest);
            prop_assert!(watch.is_bootable(), "{deed:?}");
        }
        watch.boot();
        prop_assert!(watch.is_bootable());
    }

    #[test]
    fn any_bytes_are_answered_within_bounds(messages in vec(message(), 1..12), flags: u16, one_in in 0..4_u32) {
        let build = Build { flags: Flags(flags), ..Build::default() };
        let mut watch = SmpDevice::new(build, &firmware("1.0.0", 500));
        watch.by_chance(7, one_in);
        for message in messages {
            let replies = watch.handle(&message);
            // Each message has a header, and a fault doubles its reply at the most.
            prop_assert!(replies.len() <= 2 * (message.len() / 8));
            for reply in &replies {
                prop_assert!(reply.len() <= message.len() + 1_000);
            }
            prop_assert!(watch.is_bootable());
        }
    }
}

/// Noise, with a true header or without, and true requests.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let body = || vec(any::<u8>(), 0..80);
    let headed = (0..4_u8, 0..3_u16, 0..10_u8, body()).prop_map(|(op, group, command, body)| {
        let [high, low] = (body.len() as u16).to_be_bytes();
        let [group_high, group_low] = group.to_be_bytes();
        [vec![8 | op, 0, high, low, group_high, group_low, 1, command], body].concat()
    });
    let file = firmware("2.0.0", 700);
    let part = (0..900_usize, 0..300_usize).prop_map(move |(off, data)| {
        let part =
            if off < 300 { super::host::first(&file, data) } else { later(&file, off.min(file.len()), data) };
        Request::Upload(part).encode(Version::V1, 2).unwrap()
    });
    let state = any::<bool>().prop_map(|confirm| {
        let hash = Some(hash(&firmware("2.0.0", 700)).to_vec().into());
        Request::WriteState { hash, confirm }.encode(Version::V2, 3).unwrap()
    });
    prop_oneof![body(), headed, part, state]
}
