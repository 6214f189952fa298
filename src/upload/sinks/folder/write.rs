//! Files that are there whole or not at all, also after a power cut.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::FolderError;

/// The owner writes, the group reads: how somebody was is nobody else's business.
const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o640;

/// Makes the folders of `below` in `root`, as far as they are missing.
pub fn make_folders(root: &Path, below: &str) -> Result<(), FolderError> {
    let mut at = root.to_owned();
    for name in below.split('/') {
        let parent = at.clone();
        at.push(name);
        match DirBuilder::new().mode(FOLDER_MODE).create(&at) {
            Ok(()) => sync_folder(&parent)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && at.is_dir() => {}
            Err(error) => return Err(failed("made", &at)(error)),
        }
    }
    Ok(())
}

/// Puts a file with this text in the place of the one at `path`.
pub fn replace(path: &Path, text: &str) -> Result<(), FolderError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed("written", path)(io::ErrorKind::InvalidInput.into()));
    };
    let aside = folder.join(format!(".{}.new", name.to_string_lossy()));
    let written =
        write_whole(&aside, text).and_then(|()| fs::rename(&aside, path).map_err(failed("written", path)));
    if written.is_err() {
        // It may be what fills the disk. If it cannot be removed, the next one replaces it.
        let _ = fs::remove_file(&aside);
    }
    written?;
    sync_folder(folder)
}

fn write_whole(path: &Path, text: &str) -> Result<(), FolderError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path);
    let mut file = file.map_err(failed("written", path))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(failed("written", path))
}

fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed("written", folder))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path: PathBuf = path.to_owned();
    move |source| FolderError::Disk { doing, path, source }
}
