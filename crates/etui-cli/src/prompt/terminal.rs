//! A prompt for a secret turns the terminal's echo off. Whoever interrupts it gets the terminal back as it was.

use std::{
    fs::File,
    io::{Error, ErrorKind},
    sync::Once,
    thread,
};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// From now on whatever signal ends this program, the terminal is as it is now. Without a terminal nothing is done.
pub(super) fn give_back_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = watch();
    });
}

/// Ctrl-C arrives as a key while a prompt is open. By now the terminal is as it was, and the program ends as it would
/// have by the signal.
pub(super) fn end_if_interrupted(error: &Error) {
    if error.kind() == ErrorKind::Interrupted {
        let _ = emulate_default_handler(SIGINT);
    }
}

/// It watches until the program ends: a signal that has been watched once has no effect of its own any more.
fn watch() -> std::io::Result<()> {
    let terminal = File::open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}
