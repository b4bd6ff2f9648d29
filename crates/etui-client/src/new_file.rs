//! A file for a person that has its name only once it is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{ClientError, home::sync_folder_of};

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
    pub(crate) fn create(to: &Path) -> Result<Self, ClientError> {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".unfinished");
        let unfinished = to.with_file_name(name);
        // What a kill has left over. Then it must be new: whatever else lies there is not followed.
        let _ = fs::remove_file(&unfinished);
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
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_new_the_owners_alone_and_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let (to, elsewhere) = (folder.path().join("backup.etui"), folder.path().join("elsewhere"));
        fs::write(&to, "an older one").unwrap();
        fs::write(&elsewhere, "not to be touched").unwrap();
        symlink(&elsewhere, folder.path().join("backup.etui.unfinished")).unwrap();

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
        assert_eq!(fs::read(&elsewhere).unwrap(), b"not to be touched");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }
}
