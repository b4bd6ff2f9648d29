//! What the server sent and was refused, for a person to look at.

use std::{io::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::Device;
use crate::{
    ClientError,
    new_file::{IfThere, NewFile},
};

/// An answer of the server that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAside {
    /// Its number on this device.
    pub id: u64,
    /// When it came first, in ms since 1970.
    pub first_ms: u64,
    /// When it came last, in ms since 1970.
    pub last_ms: u64,
    /// How often it came, byte for byte.
    pub times: u64,
    /// The name of the refusal.
    pub refusal: String,
    /// What was found.
    pub found: String,
    /// The request that it answered.
    pub asked: String,
    /// How long the answer was, as far as it was read.
    pub length_bytes: u64,
    /// How much of it, from its beginning, is kept.
    pub kept_bytes: u64,
}

impl Device {
    /// What was refused, oldest first. The bytes are kept in the local store and are never used or sent.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn refused(&self) -> Result<Vec<PutAside>, ClientError> {
        self.inner.borrow().store.all_put_aside()
    }

    /// Writes all of it to a file, a JSON object on each line with the bytes as base64url; how many there are.
    ///
    /// # Errors
    /// [`ClientError::File`], [`ClientError::Store`].
    pub fn export_refused(&self, to: &Path) -> Result<usize, ClientError> {
        let inner = self.inner.borrow();
        let all = inner.store.all_put_aside()?;
        let mut file = NewFile::create(to, IfThere::Replace)?;
        for aside in &all {
            let bytes = inner.store.put_aside_bytes(aside.id)?;
            let line = json!({
                "first_ms": aside.first_ms,
                "last_ms": aside.last_ms,
                "times": aside.times,
                "refusal": aside.refusal,
                "found": aside.found,
                "asked": aside.asked,
                "length_bytes": aside.length_bytes,
                "bytes": URL_SAFE_NO_PAD.encode(&bytes),
            });
            file.write(|out| writeln!(out, "{line}"))?;
        }
        file.written()?;
        file.name()?;
        Ok(all.len())
    }

    /// Forgets all of it.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub fn clear_refused(&self) -> Result<(), ClientError> {
        self.inner.borrow().store.clear_put_aside()
    }
}
