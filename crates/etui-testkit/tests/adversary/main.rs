//! What a malicious server tries on the real program, and what comes of it.
//!
//! Each test is named after what the server does, and asserts five things: exactly the named error; everything on the
//! device as it was; what was not sent still waits and can be exported; nothing secret left the device; and once the
//! server is honest again everything converges without loss.

mod absence;
mod canaries;
mod insider;
mod joining;
mod keys;
mod scene;
mod signing_in;
mod syncing;
