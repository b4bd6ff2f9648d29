//! `cargo xtask manifests`: do the files in `deploy/` say something that Compose, Kubernetes and Prometheus understand? Nothing is
//! run for it, and once its tools are in the cache folder it needs no network.

mod kubectl;
mod monitoring;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use etui_services::python::PythonTool;

use crate::process::{output, repository, run as run_command, say};

const COMPOSE_SCHEMA: PythonTool = PythonTool { name: "check-jsonschema", version: "0.39.0" };
const KUBERNETES_SCHEMAS: PythonTool = PythonTool { name: "kubernetes-validate", version: "1.37.0" };

/// The oldest that still has all kinds that are used, one that many run, the newest.
const KUBERNETES_VERSIONS: [&str; 3] = ["1.29", "1.33", "1.37"];

/// What a folder of manifests is described by; Kubernetes itself never sees it.
const KUSTOMIZATION: &str = "kustomization.yaml";

pub(crate) fn run() -> anyhow::Result<()> {
    let deploy = repository().join("deploy");
    check_versions(&deploy)?;
    check_compose(&deploy.join("compose.yaml"))?;
    let base = deploy.join("kubernetes/base");
    check_listed(&base)?;
    check_schemas("the base", &manifests_in(&base)?)?;
    for overlay in folders_in(&deploy.join("kubernetes/overlays"))? {
        check_listed(&overlay)?;
        check_rendered(&overlay)?;
    }
    monitoring::check(&deploy.join("monitoring"))
}

/// Whoever follows the files gets the version that they come with.
fn check_versions(deploy: &Path) -> anyhow::Result<()> {
    const TAG: &str = concat!("etui-server:", env!("CARGO_PKG_VERSION"));
    const NEW_TAG: &str = concat!("newTag: ", env!("CARGO_PKG_VERSION"));
    let guide = repository().join("docs/guide/containers.md");
    let example = deploy.join("kubernetes/overlays/example").join(KUSTOMIZATION);
    let files = [(deploy.join("compose.yaml"), TAG), (guide, TAG), (example, NEW_TAG)];
    for (file, version) in files {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        ensure!(text.contains(version), "{} does not say {version}", file.display());
    }
    Ok(())
}

fn check_compose(file: &Path) -> anyhow::Result<()> {
    let mut check = COMPOSE_SCHEMA.command()?;
    run_command(check.args(["--builtin-schema", "vendor.compose-spec"]).arg(file))
        .context("compose.yaml is not what Compose understands")
}

/// As the cluster would get it. Kustomize itself refuses a patch of something that is not there.
fn check_rendered(overlay: &Path) -> anyhow::Result<()> {
    let rendered = output(Command::new(kubectl::program()?).arg("kustomize").arg(overlay))
        .with_context(|| format!("rendering {}", overlay.display()))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rendered.yaml");
    fs::write(&file, rendered)?;
    check_schemas(&overlay.display().to_string(), &[file])
}

/// Against the schemas of Kubernetes, which know every field.
fn check_schemas(what: &str, files: &[PathBuf]) -> anyhow::Result<()> {
    for version in KUBERNETES_VERSIONS {
        let mut check = KUBERNETES_SCHEMAS.command()?;
        run_command(check.args(["--kubernetes-version", version, "--strict", "--quiet"]).args(files))
            .with_context(|| format!("{what} is not what Kubernetes {version} understands"))?;
    }
    say(&format!("{what}: right for Kubernetes {}", KUBERNETES_VERSIONS.join(", ")))
}

/// A file that no list names is applied by nobody, and looks as if it were.
fn check_listed(folder: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(folder.join(KUSTOMIZATION))?;
    let there: BTreeSet<_> = manifests_in(folder)?.iter().filter_map(|path| name(path)).collect();
    let listed = listed(&text);
    ensure!(
        listed == there,
        "{} lists {listed:?}, and there are {there:?}",
        folder.join(KUSTOMIZATION).display()
    );
    Ok(())
}

/// The files that a list names, as a resource or as a patch; other folders are no matter of this one.
fn listed(kustomization: &str) -> BTreeSet<String> {
    let items = kustomization.lines().filter_map(|line| line.trim().strip_prefix("- "));
    let names = items.map(|item| item.strip_prefix("path: ").unwrap_or(item).trim());
    let is_file = |name: &&str| Path::new(name).extension().is_some_and(|extension| extension == "yaml");
    names.filter(is_file).map(str::to_owned).collect()
}

fn manifests_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = entries(folder)?;
    files.retain(|path| path.is_file() && name(path).is_some_and(|name| name != KUSTOMIZATION));
    Ok(files)
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = entries(folder)?;
    folders.retain(|path| path.is_dir());
    ensure!(!folders.is_empty(), "{} has no folders: this check sees nothing", folder.display());
    Ok(folders)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_resources_and_patches() {
        let text = "namespace: etui\nresources:\n  - ../../base\n  - ingress.yaml\nimages:\n  - name: etui-server\n\
            patches:\n  - path: settings.yaml\n";
        let names = listed(text);
        assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["ingress.yaml", "settings.yaml"]);
    }

    #[test]
    fn a_file_that_is_not_listed_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KUSTOMIZATION), "resources:\n  - service.yaml\n").unwrap();
        fs::write(folder.path().join("service.yaml"), "").unwrap();
        check_listed(folder.path()).unwrap();
        fs::write(folder.path().join("forgotten.yaml"), "").unwrap();
        assert!(check_listed(folder.path()).unwrap_err().to_string().contains("forgotten.yaml"));
        fs::remove_file(folder.path().join("service.yaml")).unwrap();
        assert!(check_listed(folder.path()).is_err(), "one that is listed and not there");
    }
}
