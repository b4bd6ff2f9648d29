//! Commands of the project: `cargo xtask COMMAND`. One file each; this one only dispatches.

mod vectors;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a folder of known answers, spec/vectors or any other in its formats
    Vectors(vectors::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Vectors(arguments) => vectors::run(&arguments),
    }
}
