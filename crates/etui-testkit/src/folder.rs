//! A folder set aside and put back: how a test plays a restored backup or a copied device.

use std::fs;
use std::path::Path;

/// Copies the files of `from` and its folders into `to`, which is made if it is not there.
///
/// What is neither a file nor a folder, such as a running agent's socket, stays behind.
///
/// # Panics
/// If a folder can't be read or a file can't be written.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for item in fs::read_dir(from).expect("a folder") {
        let path = item.expect("an item").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else if path.is_file() {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}
