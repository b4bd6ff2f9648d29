//! Giving a server back what it lost.

pub(super) mod upload;
