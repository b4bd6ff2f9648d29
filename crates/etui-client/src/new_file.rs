//! A file for a person that has its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use etui_chain::ObjectId;
use etui_crypto::random_id;

use crate::{ClientError, OsRandom, home::sync_folder_of};

/// A file while it is written: beside its place, under another name, for its owner alone. Unless it is named at the
/// end, nothing of it stays.
pub(crate) struct NewFile {
    to: PathBuf,
    unfinished: PathBuf,
    out: BufWriter<File>,
    named: bool,
}

impl NewFile {
    /// Begins a file that will be at `to`.
    ///
    /// # Errors
    /// [`ClientError::NotAFile`] if there is something at `to` that is not a file; [`ClientError::File`].
    pub(crate) fn create(to: &Path) -> Result<Self, ClientError> {
        let not_a_file = || ClientError::NotAFile(to.to_owned());
        let mut name = to.file_name().ok_or_else(not_a_file)?.to_owned();
        refuse_all_but_files(to)?;
        // Nobody can have put anything there before, and nothing of a person's has that name.
        name.push(format!(".unfinished-{}", random_id::<ObjectId>(&mut OsRandom)?));
        let unfinished = to.with_file_name(name);
        let created = for_owner_alone(File::options().write(true).create_new(true)).open(&unfinished);
        let out = created.map_err(failed("making", &unfinished))?;
        Ok(Self { to: to.to_owned(), unfinished, out: BufWriter::new(out), named: false })
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

    /// Gives the file its name, in place of an older file of that name.
    pub(crate) fn name(mut self) -> Result<(), ClientError> {
        // Writing takes a while, in which something else may have come there.
        refuse_all_but_files(&self.to)?;
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
fn refuse_all_but_files(to: &Path) -> Result<(), ClientError> {
    match fs::symlink_metadata(to) {
        Ok(there) if !there.is_file() => Err(ClientError::NotAFile(to.to_owned())),
        _ => Ok(()),
    }
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

        let mut file = NewFile::create(&to).unwrap();
        file.write(|out| out.write_all(b"half")).unwrap();
        drop(file);
        assert_eq!(fs::read(&to).unwrap(), b"an older one");
        let mut file = NewFile::create(&to).unwrap();
        file.write(|out| out.write_all(b"whole")).unwrap();
        file.written().unwrap();
        file.name().unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"whole");
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&own).unwrap(), b"not to be touched");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
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
            let refused = NewFile::create(&at(name)).err();
            assert!(matches!(refused, Some(ClientError::NotAFile(_))), "{name}: {refused:?}");
        }

        // It came while the file was written.
        let late = NewFile::create(&at("late")).unwrap();
        symlink(at("file"), at("late")).unwrap();
        assert!(matches!(late.name(), Err(ClientError::NotAFile(_))));
        assert_eq!(fs::read(at("late")).unwrap(), b"somebody's");
        assert!(fs::symlink_metadata(at("late")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6, "nothing is left over");
    }
}
