//! From a device to a browser.

pub(super) mod create;
