//! Commands of the project: `cargo xtask COMMAND`. One file each; this one only dispatches.

mod arrows;
mod attacks;
mod bench;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod controls;
mod deny;
mod faults;
mod fuzz;
mod image;
mod kill;
mod manifests;
mod process;
mod schemathesis;
mod server_binary;
mod services;
mod start;
mod test;
mod tool;
mod vectors;
mod wasm;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and run a server on this machine
    Start(start::Arguments),
    /// Check everything, cheap things first, up to the first failure
    Test,
    /// Measure server and clients and print one table, each figure beside its target
    Bench(bench::Arguments),
    /// Check that no crate reaches what it must not know
    Arrows,
    /// Try every published attack and print one table
    Attacks(attacks::Arguments),
    /// Check licences, sources and known weaknesses of dependencies
    Deny,
    /// Give every decoder of untrusted bytes whatever a fuzzer makes up
    Fuzz(fuzz::Arguments),
    /// Build the container image and run the whole stack of deploy/compose.yaml with it
    Image,
    /// Kill client and server at random moments of a save, and lose nothing
    Kill(kill::Arguments),
    /// Check the files for Compose and Kubernetes in deploy/, without running anything
    Manifests,
    /// Break one thing after the other while clients push, and lose nothing that was confirmed
    Faults(faults::Arguments),
    /// Send a server whatever can be made up from the description of its API
    Schemathesis(schemathesis::Arguments),
    /// Build the server as it is shipped; check its size and that it has no SQLCipher
    ServerBinary,
    /// Run the real components that tests need: PostgreSQL and an S3-compatible store
    Services(services::Arguments),
    /// Check a folder of known answers, spec/vectors or any other in its formats
    Vectors(vectors::Arguments),
    /// Build the core for WebAssembly and check it in Node
    Wasm(wasm::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Start(arguments) => start::run(&arguments),
        Command::Test => test::run(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Arrows => arrows::run(),
        Command::Attacks(arguments) => attacks::run(&arguments),
        Command::Deny => deny::run(),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Image => image::run(),
        Command::Kill(arguments) => kill::run(&arguments),
        Command::Manifests => manifests::run(),
        Command::Faults(arguments) => faults::run(&arguments),
        Command::Schemathesis(arguments) => schemathesis::run(&arguments),
        Command::ServerBinary => server_binary::run(),
        Command::Services(arguments) => services::run(&arguments),
        Command::Vectors(arguments) => vectors::run(&arguments),
        Command::Wasm(arguments) => wasm::run(&arguments),
    }
}
