//! Bindings of the core for WebAssembly.
