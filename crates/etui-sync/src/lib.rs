//! The sync engine without input or output: verify, merge, refuse, converge.
