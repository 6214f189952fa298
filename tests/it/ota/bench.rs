//! A link with a watch of a few lines at its end: it answers each request as it comes, and breaks as it is told.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nowbridge::radio::{Link, LinkClosed, NotificationSink, Notifications, RadioError, WriteMode};
use nowbridge::wire::Sha256;
use nowbridge::wire::smp::{
    CHARACTERISTIC, Header, ImageState, Message, MgmtCode, Params, Reassembler, Request, Response, SlotState,
    SmpError, Style, UploadRequest, UploadResponse, Version, fragments,
};
use tokio::sync::watch;
use uuid::Uuid;

/// What lies on the watch. It outlives its links.
#[derive(Debug, Default)]
pub struct Flash {
    pub image: Vec<u8>,
    session: Option<(usize, Bytes)>,
    pub parts: usize,
    pub state: Vec<SlotState>,
}

/// A link to it.
#[derive(Debug)]
pub struct Bench {
    pub flash: Arc<Mutex<Flash>>,
    pub params: Option<Params>,
    pub version: Version,
    pub silent: AtomicBool,
    /// Writes are swallowed that go on after the first piece of a message.
    pub no_pieces: bool,
    pub mtu: AtomicU16,
    pub reassembler: Mutex<Reassembler>,
    pub sink: Mutex<Option<NotificationSink>>,
    pub closed: watch::Sender<Option<LinkClosed>>,
    /// Writes after which the link breaks.
    pub breaks_after: AtomicUsize,
    /// Turned off again how often.
    pub unsubscribed: AtomicUsize,
}

impl Bench {
    pub fn new(mtu: u16) -> Self {
        Self {
            flash: Arc::default(),
            params: Some(Params { buf_size: 2475, buf_count: 4 }),
            version: Version::V2,
            silent: AtomicBool::new(false),
            no_pieces: false,
            mtu: AtomicU16::new(mtu),
            reassembler: Mutex::new(Reassembler::new(2475)),
            sink: Mutex::default(),
            closed: watch::Sender::new(None),
            breaks_after: AtomicUsize::new(usize::MAX),
            unsubscribed: AtomicUsize::new(0),
        }
    }

    pub fn break_now(&self) {
        self.closed.send_replace(Some(LinkClosed::Lost));
        self.sink.lock().unwrap().take();
    }

    fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    fn take(&self, piece: &[u8]) {
        let mut reassembler = self.reassembler.lock().unwrap();
        let message = match reassembler.push(piece) {
            Ok(Some(message)) => message,
            Ok(None) if self.no_pieces => return reassembler.reset(),
            Ok(None) | Err(_) => return,
        };
        drop(reassembler);
        if self.silent.load(Ordering::SeqCst) {
            return;
        }
        let reply = self.answer(&message);
        let sink = self.sink.lock().unwrap();
        let Some(sink) = sink.as_ref() else { return };
        for piece in fragments(&reply, usize::from(self.mtu()) - 3) {
            sink.push(Bytes::copy_from_slice(piece));
        }
    }

    fn answer(&self, message: &Message) -> Vec<u8> {
        let style = Style::default();
        let header = Header { version: self.version, ..message.header };
        let request = Request::decode(message).map_err(|error| SmpError::mgmt(error.code()));
        match request.and_then(|request| self.handle(request)) {
            Ok(response) => response.encode(&header, style).unwrap(),
            Err(refusal) => refusal.encode(&header, style).unwrap(),
        }
    }

    fn handle(&self, request: Request) -> Result<Response, SmpError> {
        let unsupported = SmpError::mgmt(MgmtCode::NotSupported);
        match request {
            Request::Echo(text) => Ok(Response::Echo(text)),
            Request::Params => self.params.map(Response::Params).ok_or(unsupported),
            Request::Reset { .. } => {
                self.break_now();
                Ok(Response::Reset)
            }
            Request::ReadState => {
                Ok(Response::State(ImageState { images: self.flash.lock().unwrap().state.clone() }))
            }
            Request::Upload(part) => Ok(Response::Upload(self.flash.lock().unwrap().take(part))),
            _ => Err(unsupported),
        }
    }
}

impl Flash {
    fn take(&mut self, part: UploadRequest) -> UploadResponse {
        self.parts += 1;
        let off = part.off.unwrap() as usize;
        if off == 0 {
            let sha = part.sha.unwrap();
            let known = self.session.as_ref().is_some_and(|(_, known)| *known == sha);
            if !known {
                self.image.clear();
                self.session = Some((part.len.unwrap() as usize, sha));
            }
        }
        if let Some((len, sha)) = &self.session
            && off == self.image.len()
        {
            self.image.extend_from_slice(&part.data);
            if self.image.len() == *len {
                let matched = Some(Sha256::of(&self.image).0[..] == sha[..]);
                self.session = None;
                return UploadResponse { off: self.image.len() as u32, matched };
            }
        }
        UploadResponse { off: self.image.len() as u32, matched: None }
    }
}

impl Link for Bench {
    fn characteristics(&self) -> Vec<Uuid> {
        vec![CHARACTERISTIC]
    }

    fn mtu(&self) -> u16 {
        self.mtu.load(Ordering::SeqCst)
    }

    async fn read(&self, _: Uuid) -> Result<Vec<u8>, RadioError> {
        Err(RadioError::Unsupported("read"))
    }

    async fn write(&self, characteristic: Uuid, value: Vec<u8>, mode: WriteMode) -> Result<(), RadioError> {
        assert_eq!((characteristic, mode), (CHARACTERISTIC, WriteMode::WithoutResponse));
        assert!(value.len() + 3 <= usize::from(self.mtu()), "{} bytes in one write", value.len());
        if self.breaks_after.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.break_now();
        }
        if self.is_closed() {
            return Err(LinkClosed::Lost.into());
        }
        tokio::task::yield_now().await;
        self.take(&value);
        Ok(())
    }

    async fn subscribe(&self, _: Uuid) -> Result<Notifications, RadioError> {
        if self.is_closed() {
            return Err(LinkClosed::Lost.into());
        }
        let (sink, notifications) = Notifications::channel();
        *self.sink.lock().unwrap() = Some(sink);
        Ok(notifications)
    }

    async fn unsubscribe(&self, _: Uuid) -> Result<(), RadioError> {
        self.unsubscribed.fetch_add(1, Ordering::SeqCst);
        self.reassembler.lock().unwrap().reset();
        Ok(())
    }

    async fn closed(&self) -> LinkClosed {
        self.closed.subscribe().wait_for(Option::is_some).await.unwrap().unwrap()
    }

    async fn disconnect(&self) {
        self.closed.send_replace(Some(LinkClosed::ByHost));
    }
}
