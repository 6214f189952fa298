//! How much of an image fits into a message.

use super::{Header, UploadRequest};

/// The shortest message in which an upload can begin: the first part takes up to 85 bytes besides the 32 bytes of image header
/// that a watch wants in it.
pub const MIN_MESSAGE: usize = 128;

impl UploadRequest {
    /// The most bytes of data with which this request is a message of at most `message` bytes. The data that it holds already
    /// does not count.
    pub fn room(&self, message: usize) -> usize {
        let empty = Self { data: bytes::Bytes::new(), ..self.clone() };
        // The head of an empty byte string is one byte, which the head of the real one replaces.
        let others = Header::SIZE + empty.body().encode(false).len() - 1;
        let space = message.saturating_sub(others);
        let fits = |head: usize, most: usize| space.saturating_sub(head).min(most);
        fits(1, 0x17).max(fits(2, 0xff)).max(fits(3, 0xffff))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Request, Version};
    use super::*;

    fn later(off: u32) -> UploadRequest {
        UploadRequest { off: Some(off), ..UploadRequest::default() }
    }

    #[test]
    fn the_reference_figures_hold() {
        for (message, data) in [(244, 219), (384, 358), (1024, 998), (1220, 1194), (2475, 2449)] {
            assert_eq!(later(0x1_0000).room(message), data, "{message}");
        }
        let first = UploadRequest {
            len: Some(0x1_0000),
            off: Some(0),
            sha: Some(vec![0; 32].into()),
            ..UploadRequest::default()
        };
        assert_eq!(first.room(2475), 2475 - 69);
        assert_eq!(first.room(244), 244 - 68);
        let named = UploadRequest { image: Some(0), ..first.clone() };
        assert_eq!(named.room(2475), 2475 - 69 - 7);
        let newer = UploadRequest { upgrade: true, ..first };
        assert_eq!(newer.room(2475), 2475 - 69 - 9);
    }

    proptest! {
        #[test]
        fn a_message_is_filled_and_never_overfilled(message in MIN_MESSAGE..4096, off: u32) {
            let len = |data: usize| {
                let part = UploadRequest { data: vec![0; data].into(), ..later(off) };
                Request::Upload(part).encode(Version::V2, 0).unwrap().len()
            };
            let room = later(off).room(message);
            prop_assert!(len(room) <= message);
            prop_assert!(len(room + 1) > message);
        }
    }
}
