//! The holder's own account: what it may use, and the ways to sign in to it.
//!
//! Whoever changes a way has signed in a moment ago, and all other sessions end.

pub(super) mod device_approval;
pub(super) mod email;
pub(super) mod entitlements;
pub(super) mod links;
pub(super) mod login_password;
pub(super) mod passkeys;
pub(super) mod recovery_codes;
pub(super) mod totp;
pub(super) mod ways;
