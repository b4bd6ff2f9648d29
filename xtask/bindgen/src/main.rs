//! `xtask-bindgen MODULE.wasm FOLDER`: writes `FOLDER/node` and `FOLDER/web`, the module with its JavaScript.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (module, folder) = (arguments.next(), arguments.next());
    let (module, folder) = module.zip(folder).context("usage: xtask-bindgen MODULE.wasm FOLDER")?;
    bindings(&module)
        .nodejs(true)?
        .generate(folder.join("node"))
        .context("writing the bindings for Node")?;
    bindings(&module)
        .web(true)?
        .omit_default_module_path(false)
        .generate(folder.join("web"))
        .context("writing the bindings for the web")
}

fn bindings(module: &Path) -> Bindgen {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).typescript(true);
    bindgen
}
