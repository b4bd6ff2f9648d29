//! Devices without a browser.

pub(super) mod create;
