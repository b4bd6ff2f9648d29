//! A file for a person that has its name only once it is whole.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use etui_chain::ObjectId;
use etui_crypto::random_id;

use crate::{ClientError, OsRandom, home::sync_folder_of};

/// Stands between the name of a file and an id while it is written.
const UNFINISHED: &str = ".unfinished-";

/// What becomes of an older file of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfThere {
    /// The new one takes its place, once it is whole.
    Replace,
    /// There must be none.
    Refuse,
}

/// A file while it is written: beside its place, under another name, for its owner alone. Unless it is named at the
/// end, nothing of it stays; what a killed process left is removed by the next one that writes the same file.
pub(crate) struct NewFile {
    to: PathBuf,
    if_there: IfThere,
    unfinished: PathBuf,
    out: BufWriter<File>,
    named: bool,
}

impl NewFile {
    /// Begins a file that will be at `to`.
    ///
    /// # Errors
    /// [`ClientError::NotAFile`] if there is something at `to` that is not a file; [`ClientError::FileExists`];
    /// [`ClientError::NoFolder`]; [`ClientError::File`].
    pub(crate) fn create(to: &Path, if_there: IfThere) -> Result<Self, ClientError> {
        let not_a_file = || ClientError::NotAFile(to.to_owned());
        let mut name = to.file_name().ok_or_else(not_a_file)?.to_owned();
        refuse_what_is_there(to, if_there)?;
        name.push(UNFINISHED);
        remove_left_over(to, &name);
        // Nobody can have put anything there before, and nothing of a person's has that name.
        name.push(random_id::<ObjectId>(&mut OsRandom)?.to_string());
        let unfinished = to.with_file_name(name);
        let created = for_owner_alone(File::options().write(true).create_new(true)).open(&unfinished);
        let out = match created {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ClientError::NoFolder(folder_of(to).to_owned()));
            }
            created => created.map_err(failed("making", &unfinished))?,
        };
        // As long as somebody writes it, nobody takes it for left over. Where there are no locks, nothing is.
        let _ = out.try_lock();
        Ok(Self { to: to.to_owned(), if_there, unfinished, out: BufWriter::new(out), named: false })
    }

    /// Writes on.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), ClientError> {
        write(&mut self.out).map_err(failed("writing", &self.unfinished))
    }

    /// Everything is on the disk; where it can be read back.
    pub(crate) fn written(&mut self) -> Result<&Path, ClientError> {
        let flushed = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        flushed.map_err(failed("writing", &self.unfinished))?;
        Ok(&self.unfinished)
    }

    /// Gives the file its name; in place of an older file of that name, where that is to be.
    pub(crate) fn name(mut self) -> Result<(), ClientError> {
        // Writing takes a while, in which something else may have come there.
        refuse_what_is_there(&self.to, self.if_there)?;
        let renamed = fs::rename(&self.unfinished, &self.to).and_then(|()| sync_folder_of(&self.to));
        renamed.map_err(failed("naming", &self.to))?;
        self.named = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.named {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Renaming would put the file in place of a device, a socket or a link as well.
fn refuse_what_is_there(to: &Path, if_there: IfThere) -> Result<(), ClientError> {
    match fs::symlink_metadata(to) {
        Ok(there) if !there.is_file() => Err(ClientError::NotAFile(to.to_owned())),
        Ok(_) if if_there == IfThere::Refuse => Err(ClientError::FileExists(to.to_owned())),
        _ => Ok(()),
    }
}

/// Removes what processes left that were killed while they wrote this file. It only takes room: if it cannot go, it stays.
fn remove_left_over(to: &Path, beginning: &OsStr) {
    for item in fs::read_dir(folder_of(to)).into_iter().flatten().flatten() {
        let name = item.file_name();
        let id = name.as_encoded_bytes().strip_prefix(beginning.as_encoded_bytes());
        let is_ours =
            id.and_then(|id| str::from_utf8(id).ok()).is_some_and(|id| id.parse::<ObjectId>().is_ok());
        // What is opened must be a file: a pipe would wait for its other end.
        if is_ours
            && item.file_type().is_ok_and(|kind| kind.is_file())
            && File::open(item.path()).is_ok_and(|file| file.try_lock().is_ok())
        {
            let _ = fs::remove_file(item.path());
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ClientError {
    let doing = format!("{doing} {}", path.display());
    move |source| ClientError::File { doing, source }
}

#[cfg(unix)]
fn for_owner_alone(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn for_owner_alone(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::{
        fs::{MetadataExt as _, symlink},
        net::UnixListener,
    };

    use super::*;

    #[test]
    fn a_file_is_new_the_owners_alone_and_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let (to, own) = (folder.path().join("backup.etui"), folder.path().join("backup.etui.unfinished"));
        fs::write(&to, "an older one").unwrap();
        fs::write(&own, "not to be touched").unwrap();

        let mut file = NewFile::create(&to, IfThere::Replace).unwrap();
        file.write(|out| out.write_all(b"half")).unwrap();
        drop(file);
        assert_eq!(fs::read(&to).unwrap(), b"an older one");
        let mut file = NewFile::create(&to, IfThere::Replace).unwrap();
        file.write(|out| out.write_all(b"whole")).unwrap();
        file.written().unwrap();
        file.name().unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"whole");
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&own).unwrap(), b"not to be touched");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }

    #[test]
    fn where_none_may_be_an_older_file_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("everything.jsonl");
        let file = NewFile::create(&to, IfThere::Refuse).unwrap();
        fs::write(&to, "came meanwhile").unwrap();
        assert!(matches!(file.name(), Err(ClientError::FileExists(_))));
        assert!(matches!(NewFile::create(&to, IfThere::Refuse).err(), Some(ClientError::FileExists(_))));
        assert_eq!(fs::read(&to).unwrap(), b"came meanwhile");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let id = "ab".repeat(16);
        let others = [
            format!("b.etui.unfinished-{id}"),
            "a.etui.unfinished-".to_owned(),
            "a.etui.unfinished-mine".to_owned(),
        ];
        for name in others.iter().chain([&format!("a.etui.unfinished-{id}")]) {
            fs::write(at(name), "half").unwrap();
        }
        let writing = NewFile::create(&at("a.etui"), IfThere::Replace).unwrap();
        let beside = NewFile::create(&at("a.etui"), IfThere::Replace).unwrap();
        assert!(writing.unfinished.exists() && beside.unfinished.exists());
        assert!(!at(&format!("a.etui.unfinished-{id}")).exists());
        assert!(others.iter().all(|name| at(name).exists()), "what has another name is somebody's");
    }

    #[test]
    fn what_is_not_a_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "somebody's").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for name in ["link", "dangling", "socket", "folder", ".."] {
            let refused = NewFile::create(&at(name), IfThere::Replace).err();
            assert!(matches!(refused, Some(ClientError::NotAFile(_))), "{name}: {refused:?}");
        }

        // It came while the file was written.
        let late = NewFile::create(&at("late"), IfThere::Replace).unwrap();
        symlink(at("file"), at("late")).unwrap();
        assert!(matches!(late.name(), Err(ClientError::NotAFile(_))));
        assert_eq!(fs::read(at("late")).unwrap(), b"somebody's");
        assert!(fs::symlink_metadata(at("late")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6, "nothing is left over");
    }
}
