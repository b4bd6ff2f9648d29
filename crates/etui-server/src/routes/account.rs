//! The holder's own account: what it may use, the ways to sign in to it, what is held about it, its end.
//!
//! Whoever changes a way, or deletes the account, has signed in a moment ago, and all other sessions end.

pub(super) mod delete;
pub(super) mod device_approval;
pub(super) mod email;
pub(super) mod entitlements;
pub(super) mod events;
pub(super) mod exports;
pub(super) mod keep;
pub(super) mod links;
pub(super) mod login_password;
pub(super) mod passkeys;
pub(super) mod recovery_codes;
pub(super) mod totp;
pub(super) mod ways;
