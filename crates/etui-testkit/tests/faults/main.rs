//! Something breaks while eight clients push, and nothing that was confirmed is lost: one run for each fault, from
//! `cargo xtask faults`. What is broken belongs to the run alone.
#![cfg(feature = "services-tests")]

mod clock;
mod database;
mod nodes;
mod objects;
mod scene;
mod witness;
