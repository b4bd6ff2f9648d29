//! What has to be on the machine before anything can be built, and gets there by itself where that is possible.

use std::process::Command;

use anyhow::bail;

use crate::process::{run, say, succeeds};

/// A package of Debian, and how to find out whether what it brings is there, on any system.
struct Package {
    name: &'static str,
    probe: &'static [&'static str],
}

/// To build: the local store is SQLCipher, which takes its cryptography from OpenSSL.
const BUILD: &[Package] = &[
    Package { name: "build-essential", probe: &["cc", "--version"] },
    Package { name: "pkg-config", probe: &["pkg-config", "--version"] },
    Package { name: "libssl-dev", probe: &["pkg-config", "--exists", "libcrypto"] },
];

/// To test: a keyring on a D-Bus of its own is used, the server's binary is looked into, small disks are mounted.
const TEST: &[Package] = &[
    Package { name: "dbus", probe: &["dbus-daemon", "--version"] },
    Package { name: "gnome-keyring", probe: &["gnome-keyring-daemon", "--version"] },
    Package { name: "binutils", probe: &["strip", "--version"] },
    Package { name: "util-linux", probe: &["nsenter", "--version"] },
    Package { name: "mount", probe: &["mount", "--version"] },
];

/// To test with an S3-compatible store.
const CEPH: &[Package] = &[
    Package { name: "radosgw", probe: &["radosgw", "--version"] },
    Package { name: "ceph-mon", probe: &["ceph-mon", "--version"] },
    Package { name: "ceph-osd", probe: &["ceph-osd", "--version"] },
    Package { name: "curl", probe: &["curl", "--version"] },
];

/// To put several nodes behind one address.
const HAPROXY: &[Package] = &[Package { name: "haproxy", probe: &["haproxy", "-v"] }];

/// To set the clock of one process.
const FAKETIME: &[Package] = &[Package { name: "faketime", probe: &["faketime", "--version"] }];

/// To check rules and alerts.
const PROMETHEUS: &[Package] = &[Package { name: "prometheus", probe: &["promtool", "--version"] }];

/// To fetch components from the npm registry.
const NPM: &[Package] = &[Package { name: "npm", probe: &["npm", "--version"] }];

/// To fetch programs from the Python package index.
const PYTHON: &[Package] = &[
    Package { name: "python3", probe: &["python3", "--version"] },
    Package { name: "python3-venv", probe: &["python3", "-c", "import ensurepip, venv"] },
];

/// To look at pages as people do, with passkeys.
const BROWSER: &[Package] = &[Package { name: "chromium", probe: &["chromium", "--version"] }];

/// To make certificates.
const OPENSSL: &[Package] = &[Package { name: "openssl", probe: &["openssl", "version"] }];

/// To build images and run containers, on a Debian made here.
const CONTAINERS: &[Package] = &[
    Package { name: "buildah", probe: &["buildah", "--version"] },
    Package { name: "podman", probe: &["podman", "--version"] },
    Package { name: "runc", probe: &["runc", "--version"] },
    Package { name: "netavark", probe: &["test", "-x", "/usr/lib/podman/netavark"] },
    Package { name: "aardvark-dns", probe: &["test", "-x", "/usr/lib/podman/aardvark-dns"] },
    Package { name: "iptables", probe: &["iptables", "--version"] },
    Package { name: "iproute2", probe: &["ip", "-V"] },
    Package { name: "mmdebstrap", probe: &["mmdebstrap", "--version"] },
    Package { name: "openssl", probe: &["openssl", "version"] },
    Package { name: "binutils", probe: &["nm", "--version"] },
];

/// To check the WebAssembly build.
const NODE: &[Package] = &[Package { name: "nodejs", probe: &["node", "--version"] }];

/// To build for WebAssembly where rustup's servers cannot be reached.
const DEBIAN_WASM: &[Package] = &[
    Package { name: "rustc-web", probe: &["/usr/bin/rustc", "--version"] },
    Package { name: "cargo-web", probe: &["/usr/bin/cargo", "--version"] },
    Package { name: "rust-web-src", probe: &["test", "-d", "/usr/lib/rustlib/src/rust/library"] },
    Package { name: "lld", probe: &["wasm-ld", "--version"] },
];

/// Makes sure of everything that a build needs.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_building() -> anyhow::Result<()> {
    ensure(BUILD)
}

/// Makes sure of everything that building and the tests need.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_testing() -> anyhow::Result<()> {
    ensure(BUILD)?;
    ensure(TEST)
}

/// Makes sure of an S3-compatible store.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_ceph() -> anyhow::Result<()> {
    ensure(CEPH)
}

/// Makes sure of a load balancer.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_haproxy() -> anyhow::Result<()> {
    ensure(HAPROXY)
}

/// Makes sure of what sets the clock of one process.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_faketime() -> anyhow::Result<()> {
    ensure(FAKETIME)
}

/// Makes sure of what checks rules and alerts.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_prometheus() -> anyhow::Result<()> {
    ensure(PROMETHEUS)
}

/// Makes sure of what fetches components from the npm registry, and runs what they bring.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_npm() -> anyhow::Result<()> {
    ensure(NODE)?;
    ensure(NPM)
}

/// Makes sure of what fetches programs from the Python package index, and runs them.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_python() -> anyhow::Result<()> {
    ensure(PYTHON)
}

/// Makes sure of a browser.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_browser() -> anyhow::Result<()> {
    ensure(BROWSER)
}

/// Makes sure of what makes certificates.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_openssl() -> anyhow::Result<()> {
    ensure(OPENSSL)
}

/// Makes sure of what builds and runs containers, and of what the server and the command line are built with.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_containers() -> anyhow::Result<()> {
    ensure(BUILD)?;
    ensure(CONTAINERS)
}

/// Makes sure of what runs the WebAssembly build.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_node() -> anyhow::Result<()> {
    ensure(NODE)
}

/// Makes sure of Debian's compiler, with what it needs for WebAssembly.
///
/// # Errors
/// Something is missing and cannot be installed here.
pub fn ensure_for_debian_wasm() -> anyhow::Result<()> {
    ensure(DEBIAN_WASM)
}

fn ensure(packages: &[Package]) -> anyhow::Result<()> {
    let missing: Vec<_> =
        packages.iter().filter(|package| !is_there(package)).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !can_install() {
        bail!("missing: {0}. On Debian or Ubuntu: sudo apt-get install {0}", missing.join(" "));
    }
    say(&format!("Installing {}", missing.join(" ")))?;
    run(apt_get().arg("update"))?;
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(missing))
}

fn is_there(package: &Package) -> bool {
    package
        .probe
        .split_first()
        .is_some_and(|(program, arguments)| succeeds(Command::new(program).args(arguments)))
}

fn can_install() -> bool {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    root && succeeds(Command::new("apt-get").arg("--version"))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another installation may hold the lock: wait for it rather than fail.
    command.args(["--quiet", "-o", "DPkg::Lock::Timeout=400"]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
