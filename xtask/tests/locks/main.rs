//! Locks: pixi's, with a real pixi where there is one, and `images.lock`, with real registries on loopback.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]
#![expect(clippy::needless_raw_string_hashes, reason = "as expect-test writes them")]

mod bases;
mod build;
mod double;
#[path = "../support/engines.rs"]
mod engines;
#[path = "../support/frontend.rs"]
mod frontend;
#[path = "../support/lab.rs"]
mod lab;
mod outdated;
mod pixi;
#[path = "../support/registries.rs"]
mod registries;
#[expect(dead_code, reason = "each of the tests uses a part")]
#[path = "../support/workspace.rs"]
mod workspace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Every file below `root` but git's own and our state, with its content and date; of folders, the date.
fn tree(root: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut tree = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            if path == root.join(".git") || path == root.join("target") {
                continue;
            }
            let content = if metadata.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            tree.insert(path, (metadata.modified().unwrap(), content));
        }
    }
    tree
}
