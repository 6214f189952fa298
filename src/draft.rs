//! A file that has its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A file for its owner's eyes alone, beside the place where it is to be. Dropped before it is published it is gone.
#[derive(Debug)]
pub struct Draft {
    file: File,
    place: PathBuf,
    goal: PathBuf,
    is_published: bool,
}

impl Draft {
    /// Begins a file. It is an error if something is at `path`; what a killed process has left of a draft is written over.
    pub fn create(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut draft = OsString::from(".");
        draft.push(name);
        draft.push(".part");
        let draft = path.with_file_name(draft);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
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
