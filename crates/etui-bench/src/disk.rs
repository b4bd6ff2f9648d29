//! What the disk itself can do: how often a second it makes a small write durable.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

const FOR: Duration = Duration::from_secs(2);
const BYTES: usize = 4096;

/// Appends of 4 KiB, each followed by `fdatasync`, a second.
pub(crate) fn syncs_per_s(folder: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("syncs"))?;
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < FOR {
        file.write_all(&[0; BYTES])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
