//! SMP messages, as a real Zephyr wrote and read them.

use std::collections::BTreeMap;

use nowbridge::wire::Sha256;
use nowbridge::wire::smp::{
    Header, ImageCode, ImageSlots, Message, MessageError, MgmtCode, Op, OsCode, Params, ReplyError, Request,
    RequestError, Response, Slot, SmpError, Style, UploadRequest, UploadResponse, Version, messages,
};

fn vectors() -> BTreeMap<&'static str, Vec<u8>> {
    super::vectors(include_str!("../../golden/v1/smp.txt"))
}

fn reply(name: &str) -> Result<Response, ReplyError> {
    Response::decode(&Message::decode(&vectors()[format!("{name} reply").as_str()]).unwrap())
}

fn refused(name: &str) -> SmpError {
    match reply(name) {
        Err(ReplyError::Refused(refusal)) => refusal,
        other => panic!("{name}: {other:?}"),
    }
}

/// What a watch answers to that it cannot follow.
fn code_for(name: &str) -> MgmtCode {
    let bytes = &vectors()[format!("{name} request").as_str()];
    let request = Message::decode(bytes).map_err(RequestError::from);
    request.and_then(|message| Request::decode(&message)).unwrap_err().code()
}

#[test]
fn requests_are_written_byte_for_byte() {
    let active = Sha256::try_from(&ACTIVE[..]).unwrap();
    let hash = |hash: &[u8]| Some(hash.to_vec().into());
    for (name, seq, request) in [
        ("os echo v2 write", 0x42, Request::Echo("hello".to_owned())),
        ("os params v2", 0x47, Request::Params),
        ("os os info a", 0x4a, Request::Info { format: Some("a".to_owned()) }),
        ("os reset empty", 0x5c, Request::Reset { force: false }),
        ("image bootloader mode", 0x13, Request::Bootloader(nowbridge::wire::smp::BootloaderQuery::Mode)),
        ("image state", 0x15, Request::ReadState),
        ("image slot info", 0x16, Request::SlotInfo),
        ("image test without hash", 0x17, Request::WriteState { hash: None, confirm: false }),
        ("image erase slot 0", 0x43, Request::Erase { slot: Some(0) }),
        ("pending test on active slot", 0x2c, Request::WriteState { hash: hash(&active.0), confirm: false }),
        ("pending erase while pending", 0x33, Request::Erase { slot: None }),
        ("swap confirm no hash", 0x16, Request::WriteState { hash: None, confirm: true }),
    ] {
        let vector = &vectors()[format!("{name} request").as_str()];
        assert_eq!(&request.encode(Version::V2, seq).unwrap(), vector, "{name}");
    }
    let v1 = Request::Echo("hello".to_owned()).encode(Version::V1, 0x43).unwrap();
    assert_eq!(v1, vectors()["os echo v1 write request"]);
}

#[test]
fn an_upload_is_written_byte_for_byte() {
    let (first, second) =
        (vectors().remove("upload of 136 first").unwrap(), vectors().remove("upload of 136 second").unwrap());
    let image: Vec<u8> = [&first[first.len() - 64..], &second[second.len() - 72..]].concat();
    let part = UploadRequest {
        len: Some(136),
        off: Some(0),
        sha: Some(Sha256::of(&image).0.to_vec().into()),
        data: image[..64].to_vec().into(),
        ..UploadRequest::default()
    };
    assert_eq!(Request::Upload(part).encode(Version::V2, 1).unwrap(), first);
    let part = UploadRequest { off: Some(64), data: image[64..].to_vec().into(), ..UploadRequest::default() };
    assert_eq!(Request::Upload(part).encode(Version::V2, 2).unwrap(), second);
}

#[test]
fn what_was_recorded_says_itself_again() {
    let mut unknown = Vec::new();
    for (name, bytes) in vectors() {
        let Ok(message) = Message::decode(&bytes) else { continue };
        let Header { version, op, seq, .. } = message.header;
        let asked = Header { op: if op == Op::ReadReply { Op::Read } else { Op::Write }, ..message.header };
        let is_reply = asked.reply().op == op;
        let written = match (is_reply, Response::decode(&message), Request::decode(&message)) {
            (true, Ok(response), _) => response.encode(&asked, Style::default()),
            (true, Err(ReplyError::Refused(refusal)), _) => refusal.encode(&asked, Style::default()),
            (false, _, Ok(request)) => {
                let again = request.message(version, seq).unwrap();
                assert_eq!(Request::decode(&again), Ok(request), "{name}");
                continue;
            }
            _ => {
                unknown.push(name);
                continue;
            }
        };
        assert_eq!(written.map(hex::encode), Ok(hex::encode(&bytes)), "{name}");
    }
    let expected = [
        "os datetime get request",
        "os echo wrong type request",
        "os enum count reply",
        "os enum count request",
        "os enum list reply",
        "os enum list request",
        "os malformed cbor request",
        "os unknown cmd in os request",
        "os version 2 reserved request",
        "os version 3 request",
    ];
    assert_eq!(unknown, expected);
}

#[test]
fn a_watch_refuses_as_zephyr_does() {
    assert_eq!(code_for("os echo wrong type"), MgmtCode::Invalid);
    assert_eq!(code_for("os malformed cbor"), MgmtCode::Invalid);
    assert_eq!(code_for("os len mismatch longer"), MgmtCode::Corrupt);
    assert_eq!(code_for("os unknown cmd in os"), MgmtCode::NotSupported);
    assert_eq!(code_for("os version 3"), MgmtCode::TooNew);
    let both = vectors().remove("os two packets in one datagram request").unwrap();
    assert_eq!(messages(&both).filter_map(Result::ok).count(), 2);
}

#[test]
fn refusals_are_told_apart() {
    for name in ["image bootloader", "os image list unsupported group", "os image list unsupported group v1"]
    {
        assert!(refused(name).is_not_supported(), "{name}");
    }
    assert_eq!(refused("os version 2 reserved").mgmt_code(), Some(MgmtCode::TooNew));
    assert_eq!(refused("os os info bad"), SmpError::Os(OsCode::InvalidFormat));
    assert_eq!(refused("os os info bad v1"), SmpError::mgmt(OsCode::InvalidFormat.v1()));
    for (name, code) in [
        ("image test without hash", ImageCode::InvalidHash),
        ("image test unknown hash", ImageCode::HashNotFound),
        ("image upload no off", ImageCode::InvalidOffset),
        ("image upload off0 no len", ImageCode::InvalidLength),
        ("image upload off0 data 32", ImageCode::ImageHeader),
        ("image upload off0 bad magic", ImageCode::ImageMagic),
        ("image upload too large", ImageCode::TooLarge),
        ("image upload upgrade only with same version", ImageCode::CurrentIsNewer),
        ("image erase slot 0", ImageCode::NoFreeSlot),
        ("pending test on active slot", ImageCode::TestActiveDenied),
        ("pending confirm active while test pending", ImageCode::AlreadyPending),
    ] {
        assert_eq!(refused(name), SmpError::Image(code), "{name}");
    }
    let said = SmpError::Mgmt { code: MgmtCode::Invalid, reason: Some("header malformed".to_owned()) };
    assert_eq!(refused("image upload no off v1"), said);
    assert_eq!(refused("image test without hash v1"), SmpError::mgmt(ImageCode::InvalidHash.v1()));
}

#[test]
fn answers_are_read() {
    assert_eq!(reply("image params"), Ok(Response::Params(Params { buf_size: 384, buf_count: 4 })));
    let off = |off| Ok(Response::Upload(UploadResponse { off, matched: None }));
    assert_eq!(reply("image upload mid without session off 64"), off(0));
    assert_eq!(reply("image chunk"), off(308));
    let slot = |slot, upload_image_id| Slot { slot, size: Some(106_496), upload_image_id };
    let slots = ImageSlots { image: 0, slots: vec![slot(0, None), slot(1, Some(0))], max_image_size: None };
    assert_eq!(reply("image slot info"), Ok(Response::SlotInfo(vec![slots])));
    let Ok(Response::State(state)) = reply("swap state raw") else { panic!("a state") };
    let active = state.active().unwrap();
    assert_eq!((active.slot, active.confirmed, active.bootable), (0, false, true));
    assert_eq!(active.image_version(), "1.2.3+45".parse().ok());
    let old = state.with_hash(Sha256::try_from(&ACTIVE[..]).unwrap()).unwrap();
    assert_eq!((old.slot, old.active, old.confirmed, old.pending), (1, false, true, false));
}

#[test]
fn a_wrong_body_is_named() {
    let body = |hex: &str| {
        let header = Header { version: Version::V2, op: Op::Write, len: 0, group: 1, seq: 0, command: 1 };
        Message::new(header, hex::decode(hex).unwrap()).unwrap()
    };
    let error = |hex: &str| match Request::decode(&body(hex)) {
        Err(RequestError::Body(error)) => error,
        other => panic!("{hex}: {other:?}"),
    };
    assert_eq!(error("a2636f666600636f666601"), MessageError::Duplicate("off"));
    assert_eq!(error("bf636f666600636f666600ff"), MessageError::Duplicate("off"));
    assert_eq!(error("a1636f666620"), MessageError::WrongType("off"));
    assert_eq!(error("a1636f66661b0000000100000000"), MessageError::WrongType("off"));
    assert_eq!(error("a100636f6666"), MessageError::NotAMap);
    assert_eq!(error("80"), MessageError::NotAMap);
    assert_eq!(error("a1636f66660000"), MessageError::Trailing(1));
    assert_eq!(error("a1636f6666"), MessageError::NotCbor);
    assert_eq!(error("bf636f666600"), MessageError::NotCbor);
    let nested = |depth: usize| format!("a1617a{}00", "81".repeat(depth));
    assert_eq!(error(&nested(8)), MessageError::NotCbor);
    assert!(Request::decode(&body(&nested(7))).is_ok());
    for wide in ["a1636f666605", "a1636f66661805", "a1636f6666190005", "a1636f66661b0000000000000005"] {
        let Ok(Request::Upload(part)) = Request::decode(&body(wide)) else { panic!("{wide}") };
        assert_eq!(part.off, Some(5), "{wide}");
    }
}

/// The hash of the firmware that the recorded watch came with.
const ACTIVE: [u8; 32] = [
    0x1b, 0xaa, 0x22, 0x20, 0x74, 0xcc, 0x80, 0x5f, 0xaf, 0x4e, 0x09, 0x84, 0x6d, 0x23, 0x77, 0x88, 0x6b,
    0x1e, 0x5e, 0xf7, 0xcf, 0xcc, 0xd9, 0xea, 0xc1, 0x55, 0x4d, 0x82, 0xd9, 0xaa, 0x9d, 0x5a,
];
