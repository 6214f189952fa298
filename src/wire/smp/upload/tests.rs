//! The loop against a watch of a few lines, and against one that answers anything.

use std::time::Duration;

use proptest::prelude::*;

use super::super::{
    ImageCode, Message, MgmtCode, Request, Response, SmpError, Style, UploadRequest, UploadResponse, Version,
};
use super::*;

const PIECE: usize = 244;

fn image(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 % 251) as u8).collect::<Vec<_>>().into()
}

fn plan(len: usize) -> Plan {
    let image = image(len);
    Plan { sha: Sha256::of(&image), image, number: None, upgrade: false, version: Version::V2 }
}

/// A watch that follows section 3.2 of the reference page.
#[derive(Default)]
struct Watch {
    held: Vec<u8>,
    session: Option<(usize, Bytes)>,
    busy: u32,
}

impl Watch {
    fn handle(&mut self, message: &Message) -> Vec<u8> {
        let Ok(Request::Upload(part)) = Request::decode(message) else { panic!("an upload") };
        if self.busy > 0 {
            self.busy -= 1;
            return SmpError::mgmt(MgmtCode::Busy).encode(&message.header, Style::default()).unwrap();
        }
        let off = self.take(part);
        let answer = UploadResponse { off: off as u32, matched: None };
        Response::Upload(answer).encode(&message.header, Style::default()).unwrap()
    }

    fn take(&mut self, part: UploadRequest) -> usize {
        let off = part.off.unwrap() as usize;
        if off == 0 {
            let sha = part.sha.unwrap();
            if self.session.as_ref().is_some_and(|(_, known)| *known == sha) {
                return self.held.len();
            }
            self.held.clear();
            self.session = Some((part.len.unwrap() as usize, sha));
        }
        let Some((len, _)) = self.session else { return 0 };
        if off == self.held.len() {
            self.held.extend_from_slice(&part.data);
        }
        let off = self.held.len();
        if off == len {
            self.session = None;
        }
        off
    }
}

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Fine,
    RequestLost,
    ReplyLost,
}

/// Drives an upload; each message is answered 10 ms after it was sent, if its fate allows it.
struct Drive {
    upload: Upload,
    watch: Watch,
    now: Duration,
    /// (when, reply), in order.
    replies: Vec<(Duration, Message)>,
    offsets: Vec<u32>,
    lengths: Vec<usize>,
    resubscribed: u32,
    reconnected: u32,
}

impl Drive {
    fn new(len: usize, path: Path) -> Self {
        Self {
            upload: Upload::new(plan(len), path).unwrap(),
            watch: Watch::default(),
            now: Duration::from_secs(1000),
            replies: Vec::new(),
            offsets: Vec::new(),
            lengths: Vec::new(),
            resubscribed: 0,
            reconnected: 0,
        }
    }

    /// Until the end; `fate` is asked for each message by its number and its length.
    fn run(&mut self, mut fate: impl FnMut(usize, usize) -> Fate) -> Result<(), UploadFailure> {
        for _ in 0..10_000 {
            match self.upload.poll(self.now) {
                Action::Done => return Ok(()),
                Action::Failed(failure) => return Err(failure),
                Action::Resubscribe => self.resubscribed += 1,
                Action::Reconnect => {
                    self.reconnected += 1;
                    self.replies.clear();
                    self.upload.reopened(Path { message: 2475, window: 4, piece: PIECE });
                }
                Action::Send(bytes) => self.sent(&bytes, &mut fate),
                Action::WaitUntil(at) => self.wait(at),
            }
        }
        panic!("it never ends");
    }

    fn sent(&mut self, bytes: &[u8], fate: &mut impl FnMut(usize, usize) -> Fate) {
        let message = Message::decode(bytes).unwrap();
        let Ok(Request::Upload(part)) = Request::decode(&message) else { panic!("an upload") };
        let fate = fate(self.lengths.len(), bytes.len());
        self.lengths.push(bytes.len());
        self.offsets.push(part.off.unwrap());
        if fate == Fate::RequestLost {
            return;
        }
        let reply = Message::decode(&self.watch.handle(&message)).unwrap();
        if fate == Fate::Fine {
            self.replies.push((self.now + Duration::from_millis(10), reply));
        }
    }

    fn wait(&mut self, until: Duration) {
        assert!(until > self.now, "it waits for what is past");
        if self.replies.first().is_some_and(|(at, _)| *at <= until) {
            let (at, reply) = self.replies.remove(0);
            self.now = self.now.max(at);
            self.upload.reply(&reply, self.now);
        } else {
            self.now = until;
        }
    }
}

const BIG: Path = Path { message: 2475, window: 4, piece: PIECE };

#[test]
fn an_image_comes_over_whole_and_once() {
    for len in [1, 31, 136, 176, 177, 5_000, 70_001] {
        let mut drive = Drive::new(len, BIG);
        assert_eq!(drive.run(|_, _| Fate::Fine), Ok(()));
        assert_eq!(drive.watch.held, image(len));
        let progress = drive.upload.progress();
        assert_eq!((progress.acked, progress.sent, progress.resent), (len as u32, len as u64, 0));
        assert!(drive.lengths.iter().all(|len| *len <= 2475));
        assert!(drive.lengths[0] <= PIECE, "the first goes over in one piece");
    }
}

#[test]
fn the_first_part_goes_alone_and_then_the_window_is_filled() {
    let mut upload = Upload::new(plan(50_000), BIG).unwrap();
    let now = Duration::ZERO;
    let Action::Send(first) = upload.poll(now) else { panic!("the first part") };
    assert_eq!(upload.poll(now), Action::WaitUntil(FIRST_PATIENCE));
    let first = Message::decode(&first).unwrap();
    upload.reply(&Message::decode(&Watch::default().handle(&first)).unwrap(), now);
    for _ in 0..4 {
        assert!(matches!(upload.poll(now), Action::Send(_)));
    }
    assert_eq!(upload.poll(now), Action::WaitUntil(PATIENCE));
}

#[test]
fn a_lost_reply_is_forgiven() {
    let mut drive = Drive::new(50_000, BIG);
    let lose = |number, _| if number % 3 == 1 { Fate::ReplyLost } else { Fate::Fine };
    assert_eq!(drive.run(lose), Ok(()));
    let progress = drive.upload.progress();
    assert_eq!((progress.resent, progress.timeouts), (0, 0));
}

#[test]
fn a_hole_is_filled_from_where_the_watch_stands() {
    let mut drive = Drive::new(50_000, BIG);
    assert_eq!(drive.run(|number, _| if number == 3 { Fate::RequestLost } else { Fate::Fine }), Ok(()));
    assert_eq!(drive.watch.held, image(50_000));
    let progress = drive.upload.progress();
    assert_eq!(progress.timeouts, 0);
    assert!(progress.resent <= 4 * 2475, "{} bytes were sent again", progress.resent);
}

#[test]
fn silence_asks_again_at_the_same_offset() {
    let mut drive = Drive::new(50_000, BIG);
    // Every reply of a whole window is lost: the watch has it all, and says so when it is asked again.
    let lose = |number, _| if (2..6).contains(&number) { Fate::ReplyLost } else { Fate::Fine };
    assert_eq!(drive.run(lose), Ok(()));
    assert_eq!(drive.offsets[6], drive.offsets[2]);
    assert!(drive.offsets[7] > drive.offsets[5], "no more than one part is sent again");
    assert_eq!(drive.upload.progress().timeouts, 1);
}

#[test]
fn a_watch_that_puts_no_pieces_together_is_fed_piece_by_piece() {
    let mut drive = Drive::new(20_000, BIG);
    assert_eq!(drive.run(|_, len| if len > PIECE { Fate::RequestLost } else { Fate::Fine }), Ok(()));
    assert_eq!(drive.watch.held, image(20_000));
    assert_eq!((drive.resubscribed, drive.reconnected), (1, 0));
    assert_eq!(drive.upload.progress().message, PIECE);
}

#[test]
fn a_longer_silence_halves_and_then_makes_the_link_again() {
    let mut drive = Drive::new(50_000, BIG);
    let lose = |number, _| if (9..17).contains(&number) { Fate::RequestLost } else { Fate::Fine };
    assert_eq!(drive.run(lose), Ok(()));
    assert_eq!(drive.watch.held, image(50_000));
    assert_eq!(drive.reconnected, 1);
    let progress = drive.upload.progress();
    assert!(progress.resent < 8 * 2475, "{} bytes were sent again", progress.resent);
}

#[test]
fn a_link_that_breaks_costs_a_window_at_most() {
    for broken_at in 1..20 {
        let mut drive = Drive::new(50_000, BIG);
        let mut sent = 0;
        while sent < broken_at {
            match drive.upload.poll(drive.now) {
                Action::Send(bytes) => {
                    sent += 1;
                    drive.sent(&bytes, &mut |_, _| Fate::Fine);
                }
                Action::WaitUntil(at) => drive.wait(at),
                other => panic!("{other:?}"),
            }
        }
        drive.upload.closed();
        assert_eq!(drive.run(|_, _| Fate::Fine), Ok(()));
        assert_eq!(drive.watch.held, image(50_000));
        assert!(drive.upload.progress().resent <= 4 * 2449, "{broken_at}");
    }
}

#[test]
fn a_watch_that_restarted_gets_the_first_part_again() {
    let mut drive = Drive::new(50_000, BIG);
    let mut lost = false;
    let result = loop {
        if !lost && drive.upload.progress().acked > 20_000 {
            lost = true;
            drive.watch = Watch::default();
        }
        match drive.upload.poll(drive.now) {
            Action::Done => break Ok(()),
            Action::Failed(failure) => break Err(failure),
            Action::Send(bytes) => drive.sent(&bytes, &mut |_, _| Fate::Fine),
            Action::WaitUntil(at) => drive.wait(at),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(result, Ok(()));
    assert_eq!(drive.watch.held, image(50_000));
    assert_eq!(drive.offsets.iter().filter(|off| **off == 0).count(), 2);
}

#[test]
fn an_upload_that_was_begun_goes_on() {
    let mut drive = Drive::new(50_000, BIG);
    drive.watch.held = image(50_000)[..30_000].to_vec();
    drive.watch.session = Some((50_000, plan(50_000).sha.0.to_vec().into()));
    assert_eq!(drive.run(|_, _| Fate::Fine), Ok(()));
    assert_eq!(drive.watch.held, image(50_000));
    let progress = drive.upload.progress();
    assert_eq!(progress.resumed_at, 30_000);
    assert!(progress.sent < 20_300);
}

#[test]
fn a_busy_watch_is_waited_for_but_not_for_ever() {
    let mut drive = Drive::new(5_000, BIG);
    drive.watch.busy = 20;
    assert_eq!(drive.run(|_, _| Fate::Fine), Ok(()));
    let mut drive = Drive::new(5_000, BIG);
    drive.watch.busy = u32::MAX;
    assert_eq!(drive.run(|_, _| Fate::Fine), Err(UploadFailure::Busy(BUSY_PATIENCE)));
    assert!(drive.offsets.len() < 140, "{} messages", drive.offsets.len());
}

#[test]
fn silence_for_good_is_given_up() {
    let mut drive = Drive::new(50_000, BIG);
    let lose = |number, _| if number > 8 { Fate::RequestLost } else { Fate::Fine };
    let Err(UploadFailure::Silent { acked, .. }) = drive.run(lose) else { panic!("silent") };
    assert!(acked > 10_000);
    assert!(drive.now < Duration::from_mins(20), "{:?}", drive.now);
}

/// Answers every part with what `answer` makes of it.
fn answered(
    len: usize,
    mut answer: impl FnMut(UploadRequest) -> Result<UploadResponse, SmpError>,
) -> (Result<(), UploadFailure>, u32) {
    let mut upload = Upload::new(plan(len), BIG).unwrap();
    let mut now = Duration::ZERO;
    loop {
        match upload.poll(now) {
            Action::Done => return (Ok(()), upload.progress().messages),
            Action::Failed(failure) => return (Err(failure), upload.progress().messages),
            Action::WaitUntil(at) => now = at,
            Action::Resubscribe => {}
            Action::Reconnect => upload.reopened(BIG),
            Action::Send(bytes) => {
                let message = Message::decode(&bytes).unwrap();
                let Ok(Request::Upload(part)) = Request::decode(&message) else { panic!("an upload") };
                let reply = match answer(part) {
                    Ok(taken) => Response::Upload(taken).encode(&message.header, Style::default()),
                    Err(refusal) => refusal.encode(&message.header, Style::default()),
                };
                upload.reply(&Message::decode(&reply.unwrap()).unwrap(), now);
            }
        }
    }
}

#[test]
fn a_watch_that_makes_no_sense_is_given_up() {
    let told = |off, matched| Ok(UploadResponse { off, matched });
    let (stuck, messages) = answered(50_000, |_| told(64, None));
    assert_eq!(stuck, Err(UploadFailure::NoProgress { acked: 64, len: 50_000 }));
    assert!(messages <= 1 + IDLE_REPLIES, "{messages} messages");
    let (past, _) = answered(50_000, |_| told(50_001, None));
    assert_eq!(past, Err(UploadFailure::PastEnd { off: 50_001, len: 50_000 }));
    let (lie, _) = answered(50_000, |_| told(50_000, Some(false)));
    assert_eq!(lie, Err(UploadFailure::HashMismatch));
    for code in [ImageCode::TooLarge, ImageCode::CurrentIsNewer, ImageCode::NoFreeSlot, ImageCode::FlashWrite]
    {
        let (refused, messages) = answered(50_000, |_| Err(SmpError::Image(code)));
        assert_eq!((refused, messages), (Err(UploadFailure::Refused(SmpError::Image(code))), 1));
    }
    let (invalid, messages) = answered(50_000, |_| Err(SmpError::mgmt(MgmtCode::Invalid)));
    assert_eq!((invalid.is_err(), messages), (true, 3));
    // It swallows every part but one byte of it.
    let (budget, _) = answered(50_000, |part| told(part.off.unwrap() + 1, None));
    assert!(matches!(budget, Err(UploadFailure::Budget { .. })), "{budget:?}");
}

#[test]
fn a_jump_ahead_is_not_believed() {
    let mut jumped = false;
    let (mut held, mut asked_again) = (0, 0);
    let (result, _) = answered(50_000, |part| {
        let off = part.off.unwrap();
        if off == 0 && jumped {
            asked_again += 1;
        } else if off == held {
            held += part.data.len() as u32;
        }
        let off = if held > 10_000 && !jumped { 40_000 } else { held };
        jumped |= off == 40_000;
        Ok(UploadResponse { off, matched: None })
    });
    assert_eq!((result, asked_again), (Ok(()), 1));
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    let small = Path { message: MIN_MESSAGE - 1, ..BIG };
    assert_eq!(Upload::new(plan(100), small).unwrap_err(), UploadFailure::SmallMessages(127));
    assert_eq!(Upload::new(plan(0), BIG).unwrap_err(), UploadFailure::Size(0));
}

/// What a hostile watch or link may do.
#[derive(Clone, Copy, Debug)]
enum Move {
    Off(u32),
    Next,
    Back(u32),
    Matched(u32, bool),
    Refuse(i32),
    RefuseImage(i32),
    Garbage,
    Stranger,
    Silence,
    Close,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => Just(Move::Next),
        2 => any::<u32>().prop_map(|off| Move::Off(off % 20_002)),
        2 => (0..3000_u32).prop_map(Move::Back),
        1 => (0..20_002_u32, any::<bool>()).prop_map(|(off, matched)| Move::Matched(off, matched)),
        1 => (1..14_i32).prop_map(Move::Refuse),
        1 => (1..35_i32).prop_map(Move::RefuseImage),
        1 => Just(Move::Garbage),
        1 => Just(Move::Stranger),
        2 => Just(Move::Silence),
        1 => Just(Move::Close),
    ]
}

proptest! {
    #[test]
    fn any_watch_ends_the_loop(len in 1_usize..20_000, moves in proptest::collection::vec(moves(), 1..40)) {
        let mut upload = Upload::new(plan(len), BIG).unwrap();
        let mut moves = moves.into_iter().cycle();
        let (mut now, mut messages, mut polls, mut told) = (Duration::ZERO, 0, 0, 0);
        loop {
            polls += 1;
            prop_assert!(polls < 20_000, "it never ends, at {:?}", upload.progress());
            match upload.poll(now) {
                Action::Done => {
                    prop_assert_eq!(told, len as u32, "done, and the watch did not say so");
                    break;
                }
                Action::Failed(_) => break,
                Action::Resubscribe => {}
                Action::Reconnect => upload.reopened(BIG),
                Action::WaitUntil(at) => {
                    prop_assert!(at > now);
                    now = at;
                }
                Action::Send(bytes) => {
                    messages += 1;
                    prop_assert!(messages < 2_000, "{} messages", messages);
                    let message = Message::decode(&bytes).unwrap();
                    let Ok(Request::Upload(part)) = Request::decode(&message) else { panic!("an upload") };
                    let end = part.off.unwrap() + part.data.len() as u32;
                    let mut header = message.header;
                    let taken = |off, matched| Response::Upload(UploadResponse { off, matched });
                    let (style, step) = (Style::default(), moves.next().unwrap());
                    let reply = match step {
                        Move::Silence => continue,
                        Move::Close => {
                            upload.closed();
                            continue;
                        }
                        Move::Off(off) => taken(off, None).encode(&header, style),
                        Move::Next => taken(end, None).encode(&header, style),
                        Move::Back(by) => taken(end.saturating_sub(by), None).encode(&header, style),
                        Move::Matched(off, matched) => taken(off, Some(matched)).encode(&header, style),
                        Move::Refuse(code) => {
                            SmpError::mgmt(MgmtCode::from_number(code)).encode(&header, style)
                        }
                        Move::RefuseImage(code) => {
                            SmpError::Image(ImageCode::from_number(code)).encode(&header, style)
                        }
                        Move::Garbage => {
                            Message::new(header.reply(), vec![0xbf, 0x00]).map(|message| message.encode())
                        }
                        Move::Stranger => {
                            header.seq = header.seq.wrapping_add(100);
                            taken(len as u32, None).encode(&header, style)
                        }
                    };
                    let reply = Message::decode(&reply.unwrap()).unwrap();
                    if !matches!(step, Move::Stranger)
                        && let Ok(Response::Upload(taken)) = Response::decode(&reply)
                    {
                        told = told.max(taken.off);
                    }
                    upload.reply(&reply, now);
                }
            }
        }
    }
}
