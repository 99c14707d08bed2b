//! A file as it was, to be put back.

use std::fs::{self, File, FileTimes};
use std::io::{ErrorKind, Write as _};
use std::time::SystemTime;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};

/// The content and date of a file, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    file: Utf8PathBuf,
    was: Option<(Vec<u8>, SystemTime)>,
    /// The date of its folder, which changes when the file comes, goes, or is replaced.
    folder: Option<SystemTime>,
}

impl Kept {
    pub fn of(file: &Utf8Path) -> anyhow::Result<Self> {
        let read = || -> std::io::Result<Option<(Vec<u8>, SystemTime)>> {
            match fs::metadata(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
                Ok(metadata) => Ok(Some((fs::read(file)?, metadata.modified()?))),
            }
        };
        let was = read().with_context(|| format!("failed to read {file}"))?;
        let folder = file.parent().and_then(|folder| fs::metadata(folder).ok()?.modified().ok());
        Ok(Self { file: file.to_owned(), was, folder })
    }

    /// Whether the content is another one now.
    pub fn is_changed(&self) -> anyhow::Result<bool> {
        let now = Self::of(&self.file)?;
        let content = |kept: &Self| kept.was.as_ref().map(|(bytes, _)| bytes.clone());
        Ok(content(&now) != content(self))
    }

    /// Puts content and dates back, where any is another one. The file is replaced in one go.
    pub fn put_back(&self) -> anyhow::Result<()> {
        // A folder that others changed is theirs.
        if Self::of(&self.file)?.was == self.was {
            return Ok(());
        }
        let write = || -> anyhow::Result<()> {
            let Some((bytes, modified)) = &self.was else {
                fs::remove_file(&self.file)?;
                self.put_folder_back();
                return Ok(());
            };
            if self.is_changed()? {
                replace(&self.file, bytes)?;
            }
            let file = File::options().write(true).open(&self.file)?;
            file.set_times(FileTimes::new().set_modified(*modified))?;
            self.put_folder_back();
            Ok(())
        };
        write().with_context(|| format!("failed to put {} back", self.file))
    }

    /// A folder's date is a courtesy: not every system lets it be set.
    fn put_folder_back(&self) {
        let folder = self.file.parent().and_then(|folder| File::open(folder).ok());
        if let (Some(folder), Some(modified)) = (folder, self.folder) {
            let _kept = folder.set_times(FileTimes::new().set_modified(modified));
        }
    }
}

/// Replaces `file`, or what it links to, by `bytes` in one go, and keeps its permissions.
pub fn replace(file: &Utf8Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let file = file.canonicalize_utf8().unwrap_or_else(|_| file.to_owned());
        let folder = file.parent().context("it has no folder")?;
        let mut temporary = tempfile::Builder::new();
        temporary.prefix(".lock-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As an editor would make it; what is there already keeps its own.
            temporary.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut temporary = temporary.tempfile_in(folder)?;
        temporary.write_all(bytes)?;
        if let Ok(metadata) = fs::metadata(&file) {
            fs::set_permissions(temporary.path(), metadata.permissions())?;
        }
        temporary.persist(&file)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_date_are_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(folder.path()).unwrap().join("pixi.lock");
        let absent = Kept::of(&file).unwrap();
        fs::write(&file, "old").unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let date = |to| File::options().write(true).open(&file).unwrap().set_modified(to).unwrap();
        date(long_ago);

        let kept = Kept::of(&file).unwrap();
        fs::write(&file, "half a new o").unwrap();
        assert!(kept.is_changed().unwrap());
        kept.put_back().unwrap();
        let back = Kept::of(&file).unwrap();
        assert_eq!(back.was, kept.was);
        // Windows does not let the date of a folder be set by the means that std has.
        assert!(cfg!(windows) || back.folder == kept.folder);
        date(SystemTime::now());
        assert!(!kept.is_changed().unwrap(), "a date is no content");
        kept.put_back().unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), long_ago);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies about");

        absent.put_back().unwrap();
        assert!(!file.exists());
    }
}
