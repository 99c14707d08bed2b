//! One publication at a time on a machine: a lock that the system takes from a process that dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

/// How often a wait looks again.
const LOOK: Duration = Duration::from_millis(200);

/// Held until it is dropped, or until the process ends, however it ends.
#[derive(Debug)]
pub struct Turn {
    _file: File,
}

/// Waits until nobody else on this machine publishes. `waiting` is told once, with what the holder wrote of itself.
/// Nothing when `stop` says so first.
///
/// # Errors
/// When the file in `folder` cannot be opened.
pub fn take_turn(
    folder: &Utf8Path,
    myself: &str,
    waiting: &dyn Fn(&str),
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<Option<Turn>> {
    let path: Utf8PathBuf = folder.join("publish.lock");
    let open = || -> std::io::Result<File> {
        fs::create_dir_all(folder)?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
    };
    let mut file = open().with_context(|| format!("failed to open {path}"))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {path}"));
            }
        }
        if stop() {
            return Ok(None);
        }
        if !told {
            let mut holder = String::new();
            // On Windows a locked file cannot be read: then the holder has no name.
            let _unknown = file.read_to_string(&mut holder);
            waiting(holder.trim());
            told = true;
        }
        std::thread::sleep(LOOK);
    }
    let note = |file: &mut File| -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{myself}")
    };
    note(&mut file).with_context(|| format!("failed to write {path}"))?;
    Ok(Some(Turn { _file: file }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_second_one_waits_for_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let never = || false;
        let first = take_turn(folder, "the first", &|_| panic!("nobody is before it"), &never);
        let first = first.unwrap().unwrap();
        let heard = AtomicBool::new(false);
        let waiting = |holder: &str| {
            heard.store(cfg!(windows) || holder == "the first", Ordering::Relaxed);
        };
        let stopped = take_turn(folder, "the second", &waiting, &|| true).unwrap();
        assert!(stopped.is_none());
        std::thread::scope(|threads| {
            let second = threads.spawn(|| take_turn(folder, "the second", &waiting, &never));
            while !heard.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            drop(first);
            assert!(second.join().unwrap().unwrap().is_some());
        });
        assert!(heard.into_inner());
    }
}
