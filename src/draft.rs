//! A file that has its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};

/// A file for its owner's eyes alone, beside the place where it is to be. Dropped before it is published it is gone.
#[derive(Debug)]
pub struct Draft {
    file: File,
    place: PathBuf,
    goal: PathBuf,
    is_published: bool,
}

impl Draft {
    /// Begins a file. It is an error if something is at `path`, or if somebody else is writing it; what a killed process has left of a
    /// draft is written over.
    pub fn create(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(".part");
        let draft = path.with_file_name(draft);
        let file = ours(&draft)?;
        Ok(Self { file, place: draft, goal: path.to_owned(), is_published: false })
    }

    /// Where it is for now.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Puts it on the disk and gives it its name. It is an error if something has that name meanwhile.
    pub fn publish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(CWD, &self.place, CWD, &self.goal, RenameFlags::NOREPLACE) {
            // Not every file system can promise it.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS)
                if fs::symlink_metadata(&self.goal).is_err() =>
            {
                fs::rename(&self.place, &self.goal)?;
            }
            renamed => renamed?,
        }
        self.is_published = true;
        let folder = self.goal.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).map_or(Ok(()), |folder| folder.sync_all())
    }
}

/// Opens a draft that is nobody else's, and empties it.
fn ours(place: &Path) -> io::Result<File> {
    loop {
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_link).open(place)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "somebody else is writing it just now"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have given it its name, or thrown it away, before we had the lock.
        let is_still = fs::symlink_metadata(place).is_ok_and(|there| {
            file.metadata().is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino()))
        });
        if is_still {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = fs::remove_file(&self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_never_write_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let goal = dir.path().join("all.csv");
        fs::write(dir.path().join(".all.csv.part"), "left by somebody who was killed").unwrap();
        let mut first = Draft::create(&goal).unwrap();
        first.write_all(b"whole").unwrap();
        assert_eq!(Draft::create(&goal).unwrap_err().kind(), ErrorKind::ResourceBusy);
        first.publish().unwrap();
        assert_eq!(fs::read(&goal).unwrap(), b"whole");
        assert_eq!(Draft::create(&goal).unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::remove_file(&goal).unwrap();
        drop(Draft::create(&goal).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "what is not published is gone");
    }
}
