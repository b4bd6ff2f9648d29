//! Sending the person to a page.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::secret::Secret;

/// Says where to go, and goes there in a browser where that is on this computer.
pub(crate) fn guide(url: &Secret, user_code: Option<&str>, device_id: &str) {
    let url = url.expose();
    let mut stderr = std::io::stderr().lock();
    let said = match user_code {
        Some(code) => writeln!(
            stderr,
            "In a browser, on any computer, open\n\n  {url}\n\nand type the code\n\n  {code}\n\n\
             The page names this device {device_id}."
        ),
        None => writeln!(stderr, "Go on in your browser:\n\n  {url}\n"),
    };
    // Nobody sees it: then nobody goes there, and the time for it runs out.
    drop(said);
    if user_code.is_none() && has_screen() {
        open(url);
    }
}

/// Without one the system's opener may take the terminal for a browser of its own.
fn has_screen() -> bool {
    cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some())
}

/// The address holds nothing that lets anybody in. If it does not open, the person has read it.
fn open(url: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(opener);
    drop(command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn());
}
