//! What does the folder of a new image hold? Templates that are part of this program. Pure; `command/new.rs` writes.

use crate::reference::ImageId;

/// What kind of image to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Template {
    /// A service with a health check
    Service,
    /// An environment of pixi's
    Pixi,
    /// A Python program with packages from PyPI
    Python,
    /// A base for other images
    Base,
}

/// The files of `$folder`, each with its text. `image.toml` has another name there, by which it is no image of the
/// workspace that holds this program.
macro_rules! files {
    ($folder:literal: $($file:literal),+) => {
        &[
            ("image.toml", include_str!(concat!("new/templates/", $folder, "/image.toml.template"))),
            $(($file, include_str!(concat!("new/templates/", $folder, "/", $file)))),+
        ]
    };
}

const SERVICE: &[(&str, &str)] = files!("service":
    "Dockerfile", ".dockerignore", "README.md", "app/__init__.py", "app/__main__.py", "tests/test_app.py");
const PYTHON: &[(&str, &str)] = files!("python":
    "Dockerfile", ".dockerignore", "README.md", "requirements.txt", "app/__init__.py", "app/__main__.py",
    "tests/test_app.py");
const PIXI: &[(&str, &str)] = files!("pixi":
    "Dockerfile", ".dockerignore", "README.md", "pixi.toml", "app/__main__.py", "tests/test_app.py");
const BASE: &[(&str, &str)] = files!("base":
    "Dockerfile", ".dockerignore", "README.md", "tests/smoke.sh");

impl Template {
    /// The files of an image `id`: path and text.
    pub fn files(self, id: &ImageId) -> Vec<(&'static str, String)> {
        let files = match self {
            Self::Service => SERVICE,
            Self::Pixi => PIXI,
            Self::Python => PYTHON,
            Self::Base => BASE,
        };
        files.iter().map(|(path, text)| (*path, text.replace("@ID@", id.as_str()))).collect()
    }

    /// What a person runs next.
    pub fn next(self, id: &ImageId) -> Vec<String> {
        let lock = format!("cargo xtask lock-update {id} --only pixi");
        let build = format!("cargo xtask build {id}");
        if self == Self::Pixi { vec![lock, build] } else { vec![build] }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_template_has_what_an_image_needs() {
        let id: ImageId = "new-one".parse().unwrap();
        for template in Template::value_variants() {
            let files = template.files(&id);
            for needed in ["Dockerfile", ".dockerignore", "README.md"] {
                assert!(files.iter().any(|(path, _)| *path == needed), "{template:?}: {needed}");
            }
            assert!(files.iter().any(|(path, _)| path.starts_with("tests/")), "{template:?}");
            assert!(files.iter().all(|(_, text)| !text.contains('@') || text.contains("\"$@\"")));
        }
    }
}
