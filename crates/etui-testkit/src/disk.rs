//! A small disk that can be filled and made read-only: a tmpfs in a mount namespace of its own.
//!
//! Works for root, and for anybody where user namespaces are allowed. Where neither is possible it panics and says so:
//! a test that cannot be made must not pass.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A mounted disk; it is gone when dropped and the last process on it has ended.
pub struct SmallDisk {
    /// Keeps the namespace; ends when its standard input is closed.
    keeper: Child,
    path: PathBuf,
    in_user_namespace: bool,
}

/// A file that takes whatever room a disk has.
const FILLER: &str = "filler";

impl SmallDisk {
    pub(crate) fn mount(path: &Path, kib: u32) -> Self {
        fs::create_dir(path).expect("a folder to mount on");
        let mut reasons = Vec::new();
        for in_user_namespace in [false, true] {
            match keeper(path, kib, in_user_namespace) {
                Ok(keeper) => return Self { keeper, path: path.to_owned(), in_user_namespace },
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        panic!(
            "no small disk can be made here, so nothing is known about full disks: run as root, or allow user \
             namespaces ({})",
            reasons.join("; ")
        );
    }

    /// Where it is mounted, for the processes on it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A program that sees the disk.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.keeper.id().to_string()).arg("--mount");
        if self.in_user_namespace {
            command.args(["--user", "--preserve-credentials"]);
        }
        // Entering a namespace leads to its root folder.
        let stage = self.path.parent().expect("it is mounted in the stage's folder");
        command.arg(format!("--wdns={}", stage.display()));
        command.arg("--").arg(program);
        command
    }

    /// Takes every byte that is left.
    pub fn fill(&self) {
        let mut filler =
            File::options().append(true).create(true).open(self.outside(FILLER)).expect("a file");
        // Ever smaller pieces, so that not even one block is left.
        for piece in [64 * 1024, 4096, 1] {
            let error = loop {
                if let Err(error) = filler.write_all(&vec![0; piece]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub fn free(&self) {
        fs::remove_file(self.outside(FILLER)).expect("the filler goes");
    }

    /// Lets nothing be written any more. No process may have a file open for writing.
    pub fn make_read_only(&self) {
        self.remount("ro");
    }

    /// Lets everything be written again.
    pub fn make_writable(&self) {
        self.remount("rw");
    }

    /// A file on the disk, as this process sees it; relative paths begin at the disk.
    pub fn outside(&self, file: impl AsRef<Path>) -> PathBuf {
        let file = self.path.join(file);
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(file.strip_prefix("/").expect("an absolute path"))
    }

    fn remount(&self, mode: &str) {
        let mut mount = self.command("mount");
        let status = mount.args(["-o", &format!("remount,bind,{mode}")]).arg(&self.path).status();
        assert!(status.expect("mount runs").success(), "remounting {mode}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A process in namespaces of its own that mounts the disk, says so, and waits.
fn keeper(path: &Path, kib: u32, in_user_namespace: bool) -> io::Result<Child> {
    const SCRIPT: &str = r#"mount -t tmpfs -o "size=$2k,mode=700" tmpfs "$1" && echo mounted && read -r _"#;
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if in_user_namespace {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", SCRIPT, "sh"]).arg(path).arg(kib.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut keeper = command.spawn()?;
    let mut said = String::new();
    BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut said)?;
    if said.trim() == "mounted" {
        return Ok(keeper);
    }
    keeper.wait()?;
    Err(io::Error::other(format!("unshare, user namespace: {in_user_namespace}")))
}
