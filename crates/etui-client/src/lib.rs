//! Unlock, lock and sync against a server.
