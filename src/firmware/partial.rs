//! A download under way: the bytes so far, and beside them what they are a part of.
//!
//! The note beside the file names one version of one file; bytes are only ever added to those of the same version. On a
//! new version the file is emptied first and the note written after, so that no note ever speaks for other bytes. The hash of
//! the whole is what counts in the end: a note that is lost costs a download and nothing else.
//!
//! Disk work runs on a thread of its own and takes the lock of the folder along: whoever is dropped in the middle leaves the
//! folder locked until the last write is done.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::disk::{OWNER_ONLY, off_thread, read_up_to, remove, replace};
use super::store::{FirmwareStore, Label, Papers, StoreError, StoreLock};
use crate::cloud::FirmwareOffer;
use crate::wire::Sha256;

const LARGEST_NOTE_BYTES: u64 = 16 << 10;

/// Which version of which file the bytes are from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Where from, without the query: that holds what expires, and secrets.
    pub url: String,
    /// The strong entity tag; without one, nothing can be added later.
    pub etag: Option<String>,
    /// Bytes of the whole.
    pub total: Option<u64>,
    /// The hash of the whole, as it was offered.
    pub sha256: Option<Sha256>,
}

/// The file and the right to write it.
#[derive(Debug)]
pub(super) struct Part {
    /// `None` only while a thread works on it, or if that thread was cut short.
    inner: Option<Inner>,
    note: Note,
    len: u64,
    /// Some of its bytes are from an earlier connection.
    patched: bool,
}

#[derive(Debug)]
struct Inner {
    file: File,
    path: PathBuf,
    store: FirmwareStore,
    keep_free: u64,
    _lock: StoreLock,
}

/// The address without what changes from one offer to the next.
pub(super) fn plain(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// What the part of this offer is called.
fn key(offer: &FirmwareOffer) -> String {
    match offer.sha256 {
        Some(sha256) => sha256.to_string(),
        None => format!("url-{}", Sha256::of(plain(&offer.url).as_bytes())),
    }
}

fn note_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

impl Part {
    /// Takes the folder's lock and what is there already of this offer. Leaves the disk `keep_free` bytes.
    pub async fn open(
        store: &FirmwareStore,
        offer: &FirmwareOffer,
        keep_free: u64,
    ) -> Result<Self, StoreError> {
        let (store, offer) = (store.clone(), offer.clone());
        off_thread(move || {
            let lock = store.lock()?;
            let path = store.dir().join(format!("{}.part", key(&offer)));
            let wrong = || StoreError::at(&path);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY);
            let mut file = options.open(&path).map_err(wrong())?;
            let note = read_up_to(&note_of(&path), LARGEST_NOTE_BYTES)?;
            let note: Option<Note> = note.and_then(|text| serde_json::from_slice(&text).ok());
            let known = note.filter(|note| match offer.sha256 {
                Some(_) => note.sha256 == offer.sha256,
                None => note.url == plain(&offer.url),
            });
            let len =
                if known.is_some() { file.seek(std::io::SeekFrom::End(0)).map_err(wrong())? } else { 0 };
            let note = known.unwrap_or_default();
            let inner = Inner { file, path, store, keep_free, _lock: lock };
            Ok(Self { inner: Some(inner), note, len, patched: len > 0 })
        })
        .await
    }

    /// Bytes so far.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// The version that the bytes are from.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Whether some of the bytes are from an earlier connection.
    pub const fn is_patched(&self) -> bool {
        self.patched
    }

    /// Another connection goes on where this one ended.
    pub const fn patch(&mut self) {
        self.patched = self.len > 0;
    }

    /// Forgets the bytes so far; what comes next is from the beginning of this version.
    pub async fn restart(&mut self, note: Note) -> Result<(), StoreError> {
        (self.len, self.patched, self.note) = (0, false, Note::default());
        let new = note.clone();
        self.work(move |inner| {
            if let Some(total) = new.total {
                inner.store.check_room(total, inner.keep_free)?;
            }
            let wrong = || StoreError::at(&inner.path);
            let mut options = OpenOptions::new();
            inner.file = options.read(true).write(true).truncate(true).open(&inner.path).map_err(wrong())?;
            let text = serde_json::to_vec(&new).map_err(std::io::Error::from).map_err(wrong())?;
            replace(&note_of(&inner.path), &text)
        })
        .await?;
        self.note = note;
        Ok(())
    }

    /// Adds bytes.
    pub async fn append(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        let added = bytes.len() as u64;
        self.work(move |inner| inner.file.write_all(&bytes).map_err(StoreError::at(&inner.path))).await?;
        self.len += added;
        Ok(())
    }

    /// Brings the bytes to the disk, reads them back, and has them judged.
    pub async fn judged<T: Send + 'static>(
        &mut self,
        most: u64,
        judge: impl FnOnce(Vec<u8>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.work(move |inner| {
            inner.file.sync_all().map_err(StoreError::at(&inner.path))?;
            Ok(judge(read_up_to(&inner.path, most)?.unwrap_or_default()))
        })
        .await
    }

    /// Makes it a file of the store, with what belongs to it. The caller has just hashed it.
    pub async fn adopt(
        mut self,
        sha256: Sha256,
        papers: Papers,
        label: Label,
    ) -> Result<PathBuf, StoreError> {
        self.work(move |inner| {
            inner.store.annotate(&sha256, &papers, &label)?;
            let path = inner.store.adopt(&inner.path, &sha256)?;
            remove(&note_of(&inner.path))?;
            Ok(path)
        })
        .await
    }

    /// Throws it away.
    pub async fn discard(mut self) -> Result<(), StoreError> {
        self.work(|inner| {
            remove(&inner.path)?;
            remove(&note_of(&inner.path))
        })
        .await
    }

    async fn work<T, F>(&mut self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Inner) -> Result<T, StoreError> + Send + 'static,
    {
        let mut inner = self.inner.take().ok_or(StoreError::CutShort)?;
        let (inner, done) = off_thread(move || {
            let done = work(&mut inner);
            Ok((inner, done))
        })
        .await?;
        self.inner = Some(inner);
        done
    }
}
