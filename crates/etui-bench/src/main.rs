//! Measures what the targets name, with the programs as they are shipped, and prints one table.
//!
//! Nothing here passes or fails: a target is met or missed, on this machine, under this load. The programs are found
//! beside this one; `cargo xtask bench` builds them, the server alone.

mod access;
mod account;
mod client;
mod disk;
mod entries;
mod http;
mod nodes;
mod process;
mod server;
mod table;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Parser;

use crate::table::Table;

#[derive(Parser)]
#[command(name = "cargo xtask bench", about = "Measure server and clients against their targets")]
struct Arguments {
    /// Entries in the measured vault
    #[arg(long, default_value_t = 10_000)]
    entries: usize,
    /// Requests behind each figure of a single request
    #[arg(long, default_value_t = 2_000)]
    requests: u32,
    /// Folder on the disk to measure [default: the system's folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    on: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Only figures whose group has this name: server, nodes (on PostgreSQL and S3) or client
    #[arg(long, value_name = "GROUP")]
    only: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let folder = match &arguments.on {
        Some(on) => tempfile::tempdir_in(on)?,
        None => tempfile::tempdir()?,
    };
    let mut table = Table::new(arguments.entries);
    let wanted = |group| arguments.only.as_deref().is_none_or(|only| only == group);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if wanted("server") {
        runtime.block_on(server::measure(folder.path(), &arguments, &mut table))?;
    }
    if wanted("nodes") {
        runtime.block_on(nodes::measure(folder.path(), &arguments, &mut table))?;
    }
    if wanted("client") {
        runtime.block_on(client::measure(folder.path(), &arguments, &mut table))?;
    }
    let text = if arguments.json { table.to_json() } else { table.to_text() };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// Says what is being measured: a run takes minutes.
fn progress(what: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(io::stderr(), "… {what}");
}
