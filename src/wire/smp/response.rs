//! What a watch answers.

use super::body::{Fields, Item, Map};
use super::request::command;
use super::{
    Header, ImageSlots, ImageState, Message, MessageError, Op, ReplyError, SmpError, Version, group,
};

/// An answer that is not a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To [`super::Request::Echo`].
    Echo(String),
    /// To a reset.
    Reset,
    /// To [`super::Request::Params`].
    Params(Params),
    /// To [`super::Request::Info`].
    Info(String),
    /// To [`super::Request::Bootloader`].
    Bootloader(BootloaderInfo),
    /// To a read or a write of the state.
    State(ImageState),
    /// To a part of an image.
    Upload(UploadResponse),
    /// To an erase.
    Erased,
    /// To [`super::Request::SlotInfo`].
    SlotInfo(Vec<ImageSlots>),
}

/// What a watch can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes of the longest message, header included.
    pub buf_size: u32,
    /// How many it has; replies need them as well.
    pub buf_count: u32,
}

/// What a bootloader is. Which field is told depends on the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootloaderInfo {
    /// `MCUboot`, mostly.
    pub name: Option<String>,
    /// How it brings a new image to run.
    pub mode: Option<BootMode>,
    /// It refuses older images.
    pub no_downgrade: Option<bool>,
    /// The slot that runs.
    pub active_slot: Option<u32>,
}

/// How MCUboot brings a new image to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootMode {
    /// 0: one slot only.
    SingleApp,
    /// 1
    SwapScratch,
    /// 2: no way back.
    OverwriteOnly,
    /// 3
    SwapMove,
    /// 4: runs from either slot, no way back.
    DirectXip,
    /// 5
    DirectXipRevert,
    /// 6
    RamLoad,
    /// 7. This and the next two are from memory, not from a source.
    FirmwareLoader,
    /// 8
    RamLoadNetwork,
    /// 9
    SwapOffset,
    /// Unknown to the watch (−1) or to us.
    Other(i32),
}

/// How an upload goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadResponse {
    /// The offset that the watch wants next.
    pub off: u32,
    /// At the end, where the watch compares: whether what it holds has the hash that was announced.
    pub matched: Option<bool>,
}

/// How a firmware writes its answers. The default is a current Zephyr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Containers end with a mark instead of being counted.
    pub indefinite: bool,
    /// Every success says `"rc": 0`, as old firmware does.
    pub legacy_rc: bool,
    /// The list of images leaves out what is false.
    pub frugal: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { indefinite: true, legacy_rc: false, frugal: false }
    }
}

impl BootMode {
    const ALL: [Self; 10] = [
        Self::SingleApp,
        Self::SwapScratch,
        Self::OverwriteOnly,
        Self::SwapMove,
        Self::DirectXip,
        Self::DirectXipRevert,
        Self::RamLoad,
        Self::FirmwareLoader,
        Self::RamLoadNetwork,
        Self::SwapOffset,
    ];

    fn number(self) -> i32 {
        match self {
            Self::Other(number) => number,
            known => Self::ALL.iter().position(|mode| *mode == known).map_or(-1, |at| at as i32),
        }
    }

    fn from_number(number: i32) -> Self {
        let known = usize::try_from(number).ok().and_then(|at| Self::ALL.get(at));
        known.copied().unwrap_or(Self::Other(number))
    }
}

impl Response {
    fn body(&self, style: Style) -> Map {
        let map = Map::new();
        match self {
            Self::Echo(text) => map.with("r", Item::Text(text.clone())),
            Self::Reset | Self::Erased => map,
            Self::Params(params) => map
                .with("buf_size", Item::Int(params.buf_size.into()))
                .with("buf_count", Item::Int(params.buf_count.into())),
            Self::Info(text) => map.with("output", Item::Text(text.clone())),
            Self::Bootloader(info) => map
                .with_some("bootloader", info.name.clone().map(Item::Text))
                .with_int("mode", info.mode.map(BootMode::number))
                .with_some("no-downgrade", info.no_downgrade.map(Item::Bool))
                .with_int("active-slot", info.active_slot),
            Self::State(state) => state.body(style.frugal),
            Self::Upload(upload) => map
                .with("off", Item::Int(upload.off.into()))
                .with_some("match", upload.matched.map(Item::Bool)),
            Self::SlotInfo(images) => {
                map.with("images", Item::List(images.iter().map(ImageSlots::body).collect()))
            }
        }
    }

    /// The reply's bytes to the request with this header. A watch that knows only version 1 sets the header's version so.
    pub fn encode(&self, request: &Header, style: Style) -> Result<Vec<u8>, MessageError> {
        let mut body = self.body(style);
        if style.legacy_rc {
            body = body.with("rc", Item::Int(0));
        }
        Ok(Message::new(request.reply(), body.encode(style.indefinite))?.encode())
    }

    /// Reads a reply, of any version.
    pub fn decode(message: &Message) -> Result<Self, ReplyError> {
        let Header { op, group, command, .. } = message.header;
        if !matches!(op, Op::ReadReply | Op::WriteReply) {
            return Err(MessageError::NotAReply { group, command }.into());
        }
        let mut fields = Fields::decode(&message.body)?;
        if let Some(refusal) = SmpError::take(&mut fields)? {
            return Err(refusal.into());
        }
        Ok(Self::of(group, command, fields)?)
    }

    fn of(group: u16, command: u8, mut fields: Fields) -> Result<Self, MessageError> {
        let missing = MessageError::Missing;
        Ok(match (group, command) {
            (group::OS, command::ECHO) => Self::Echo(fields.text("r")?.unwrap_or_default()),
            (group::OS, command::RESET) => Self::Reset,
            (group::OS, command::PARAMS) => Self::Params(Params {
                buf_size: fields.int("buf_size")?.ok_or(missing("buf_size"))?,
                buf_count: fields.int("buf_count")?.ok_or(missing("buf_count"))?,
            }),
            (group::OS, command::INFO) => Self::Info(fields.text("output")?.ok_or(missing("output"))?),
            (group::OS, command::BOOTLOADER) => Self::Bootloader(BootloaderInfo {
                name: fields.text("bootloader")?,
                mode: fields.int("mode")?.map(BootMode::from_number),
                no_downgrade: fields.maybe_flag("no-downgrade")?,
                active_slot: fields.int("active-slot")?,
            }),
            (group::IMAGE, command::STATE) => Self::State(ImageState::of(fields)?),
            (group::IMAGE, command::UPLOAD) => Self::Upload(UploadResponse {
                off: fields.int("off")?.ok_or(missing("off"))?,
                matched: fields.maybe_flag("match")?,
            }),
            (group::IMAGE, command::ERASE) => Self::Erased,
            (group::IMAGE, command::SLOT_INFO) => {
                let images = fields.maps("images")?.ok_or(missing("images"))?;
                Self::SlotInfo(images.into_iter().map(ImageSlots::of).collect::<Result<_, _>>()?)
            }
            (group, command) => return Err(MessageError::NotAReply { group, command }),
        })
    }
}

impl SmpError {
    /// The reply's bytes to the request with this header. In version 1 a group's code becomes one for every group.
    pub fn encode(&self, request: &Header, style: Style) -> Result<Vec<u8>, MessageError> {
        let reply = request.reply();
        let body = self.body(if reply.version == Version::V1 { Version::V1 } else { Version::V2 });
        Ok(Message::new(reply, body.encode(style.indefinite))?.encode())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;

    use super::super::{ImageCode, MgmtCode, OsCode, Request, Slot, SlotState, UploadRequest};
    use super::*;

    fn bytes() -> impl Strategy<Value = bytes::Bytes> {
        vec(any::<u8>(), 0..70).prop_map(bytes::Bytes::from)
    }

    fn slot_state() -> impl Strategy<Value = SlotState> {
        let words = (of(any::<u32>()), any::<u32>(), ".{0,20}", of(bytes()));
        (words, any::<[bool; 5]>()).prop_map(|((image, slot, version, hash), flags)| {
            let [bootable, pending, confirmed, active, permanent] = flags;
            SlotState { image, slot, version, hash, bootable, pending, confirmed, active, permanent }
        })
    }

    fn slots() -> impl Strategy<Value = ImageSlots> {
        let slot = (any::<u32>(), of(any::<u32>()), of(any::<u32>()))
            .prop_map(|(slot, size, upload_image_id)| Slot { slot, size, upload_image_id });
        (any::<u32>(), vec(slot, 0..3), of(any::<u32>()))
            .prop_map(|(image, slots, max_image_size)| ImageSlots { image, slots, max_image_size })
    }

    /// A request and the response to it.
    fn pair() -> impl Strategy<Value = (Request, Response)> {
        let info = (of(".{0,9}"), of(any::<i32>()), of(any::<bool>()), of(any::<u32>())).prop_map(
            |(name, mode, no_downgrade, active_slot)| {
                let mode = mode.map(|mode| BootMode::from_number(mode % 12));
                Response::Bootloader(BootloaderInfo { name, mode, no_downgrade, active_slot })
            },
        );
        let part =
            (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(bytes()), bytes(), any::<bool>())
                .prop_map(|(image, len, off, sha, data, upgrade)| {
                    Request::Upload(UploadRequest { image, len, off, sha, data, upgrade })
                });
        let taken = (any::<u32>(), of(any::<bool>()))
            .prop_map(|(off, matched)| Response::Upload(UploadResponse { off, matched }));
        let state = || vec(slot_state(), 0..3).prop_map(|images| Response::State(ImageState { images }));
        let write =
            (of(bytes()), any::<bool>()).prop_map(|(hash, confirm)| Request::WriteState { hash, confirm });
        let params = (any::<u32>(), any::<u32>())
            .prop_map(|(buf_size, buf_count)| Response::Params(Params { buf_size, buf_count }));
        prop_oneof![
            (".{0,40}".prop_map(Request::Echo), ".{0,40}".prop_map(Response::Echo)),
            (any::<bool>().prop_map(|force| Request::Reset { force }), Just(Response::Reset)),
            (Just(Request::Params), params),
            (of(".{0,3}").prop_map(|format| Request::Info { format }), ".{0,40}".prop_map(Response::Info)),
            (Just(Request::Bootloader(super::super::BootloaderQuery::Mode)), info),
            (Just(Request::ReadState), state()),
            (write, state()),
            (part, taken),
            (of(any::<u32>()).prop_map(|slot| Request::Erase { slot }), Just(Response::Erased)),
            (Just(Request::SlotInfo), vec(slots(), 0..3).prop_map(Response::SlotInfo)),
        ]
    }

    fn style() -> impl Strategy<Value = Style> {
        any::<[bool; 3]>().prop_map(|[indefinite, legacy_rc, frugal]| Style { indefinite, legacy_rc, frugal })
    }

    fn refusal() -> impl Strategy<Value = SmpError> {
        let code = || prop_oneof![1..40_i32, 256..400_i32];
        prop_oneof![
            (code(), of(".{0,20}"))
                .prop_map(|(code, reason)| SmpError::Mgmt { code: MgmtCode::from_number(code), reason }),
            code().prop_map(|code| SmpError::Os(OsCode::from_number(code))),
            code().prop_map(|code| SmpError::Image(ImageCode::from_number(code))),
            (2..80_u16, code()).prop_map(|(group, code)| SmpError::Group { group, code }),
        ]
    }

    proptest! {
        #[test]
        fn both_ends_understand_each_other((request, response) in pair(), seq: u8, v2: bool, style in style()) {
            let version = if v2 { Version::V2 } else { Version::V1 };
            let asked = request.message(version, seq).unwrap();
            prop_assert_eq!(Request::decode(&Message::decode(&asked.encode()).unwrap()), Ok(request));
            let told = Message::decode(&response.encode(&asked.header, style).unwrap()).unwrap();
            prop_assert!(told.header.answers(&asked.header));
            prop_assert_eq!(told.header.version, version);
            prop_assert_eq!(Response::decode(&told), Ok(response));
        }

        #[test]
        fn a_refusal_is_read_as_it_is_written(refusal in refusal(), style in style()) {
            let asked = Request::ReadState.message(Version::V2, 1).unwrap().header;
            let read = |bytes: Vec<u8>| Response::decode(&Message::decode(&bytes).unwrap());
            let told = read(refusal.encode(&asked, style).unwrap());
            prop_assert_eq!(told, Err(ReplyError::Refused(refusal.clone())));
            let asked = Header { version: Version::V1, ..asked };
            let Err(ReplyError::Refused(SmpError::Mgmt { .. })) = read(refusal.encode(&asked, style).unwrap())
            else {
                panic!("version 1 has codes for every group only");
            };
        }

        #[test]
        fn any_bytes_end_in_a_value_or_an_error(bytes: Vec<u8>, header: [u8; 8], group in 0..2_u8, command in 0..9_u8) {
            let mut header = Header::decode(&header).unwrap();
            (header.group, header.command) = (group.into(), command);
            let message = Message::new(header, bytes).unwrap();
            let _ = Request::decode(&message);
            let _ = Response::decode(&message);
        }
    }
}
