//! What differs between operating systems. The rest of the program knows none of it.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use unix::*;
