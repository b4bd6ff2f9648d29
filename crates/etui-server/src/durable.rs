//! Small private files that are there after a power cut, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Writes a new file that only its owner can read. It appears under its name whole and on disk, and takes the place of
/// none that is there: of several processes that write at once, one succeeds.
///
/// # Errors
/// The file system's; `AlreadyExists`.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path)?;
    let written = write(&unfinished, bytes).and_then(|()| match fs::hard_link(&unfinished, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => write(path, bytes),
        linked => linked,
    });
    let removed = fs::remove_file(&unfinished);
    written?;
    removed?;
    sync_folder_of(path)
}

/// Writes a file that only its owner can read in the place of one that may be there: whoever reads it gets the one or the other,
/// whole.
///
/// # Errors
/// The file system's.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path)?;
    let replaced = write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path));
    if replaced.is_err() {
        // There may be nothing to remove.
        let _ = fs::remove_file(&unfinished);
    }
    replaced?;
    sync_folder_of(path)
}

/// A name beside the file that nobody else uses.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(path.with_extension(data_encoding::HEXLOWER.encode(&random)))
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Where a file system knows no links, that has to do: then a power cut may leave less than the whole.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
