//! Wire types, error codes and limits, shared by server and clients.
