//! Why there is no engine to build with, and what mends it.

use std::fmt;

use super::version::Version;

/// The oldest Docker Engine that is supported and tested.
pub(super) const OLDEST_ENGINE: Version = Version::new(26, 0, 0);
/// The oldest buildx that is supported and tested.
pub(super) const OLDEST_BUILDX: Version = Version::new(0, 13, 0);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    NoDocker,
    NoBuildx {
        docker: String,
        said: String,
    },
    /// `said` is docker's own last line.
    Unreachable {
        endpoint: String,
        said: String,
    },
    NotDocker {
        endpoint: String,
        name: String,
    },
    EngineTooOld {
        endpoint: String,
        found: Version,
    },
    BuildxTooOld {
        docker: String,
        found: Version,
    },
}

impl NotFound {
    /// What is wrong, without a full stop.
    pub fn what(&self) -> String {
        match self {
            Self::NoDocker => "there is no docker command on PATH".to_owned(),
            Self::NoBuildx { docker, said } => format!("`{docker} buildx` does not work: {said}"),
            Self::Unreachable { endpoint, said } => {
                format!("the Docker engine at {endpoint} cannot be reached: {said}")
            }
            Self::NotDocker { endpoint, name } => {
                format!("{endpoint} is {name}, not a Docker engine")
            }
            Self::EngineTooOld { endpoint, found } => {
                format!(
                    "the Docker engine at {endpoint} is {found}; the oldest supported is {OLDEST_ENGINE}"
                )
            }
            Self::BuildxTooOld { docker, found } => {
                format!(
                    "the buildx of {docker} is {found}; the oldest supported is {OLDEST_BUILDX}"
                )
            }
        }
    }

    /// What to do about it.
    pub fn mend(&self) -> String {
        const OWN: &str = "on Linux with apt and root, `cargo xtask engine start` (or `build --setup`) brings one up";
        match self {
            Self::NoDocker => format!("install Docker Engine or Docker Desktop; {OWN}"),
            Self::NoBuildx { .. } | Self::BuildxTooOld { .. } => format!(
                "install the docker-buildx-plugin package (Debian, Ubuntu: docker-buildx), or put the program into \
                 ~/.docker/cli-plugins; {OWN}"
            ),
            Self::Unreachable { said, .. }
                if said.to_ascii_lowercase().contains("permission denied") =>
            {
                "add yourself to the group `docker` and log in anew, or run as root".to_owned()
            }
            Self::Unreachable { .. } => {
                format!("start the engine, or correct DOCKER_HOST or `docker context use`; {OWN}")
            }
            Self::NotDocker { .. } => format!("point DOCKER_HOST to a Docker engine; {OWN}"),
            Self::EngineTooOld { .. } => format!("update Docker Engine; {OWN}"),
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  mend: {}", self.what(), self.mend())
    }
}

impl std::error::Error for NotFound {}
