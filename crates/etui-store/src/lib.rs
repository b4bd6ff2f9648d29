//! Server persistence: rows in SQL, sealed bytes in an object store.
