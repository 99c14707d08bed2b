//! What does this machine build with, and how is a process started?
//!
//! Every process that Dockyard starts is started here: as an [`Invocation`] first, which is what is echoed, reported
//! and run. The engine and its builder are found ([`Engine::find`], [`Builder::find`]), asked, or, on a bare machine,
//! put there ([`private`]). Nothing here knows images, keys or plans. Called by `execute`, `publish`, `lock` and the
//! commands.

mod authorities;
pub mod bake;
pub mod build;
mod builder;
pub mod buildx;
pub mod cache;
mod caching;
pub mod check;
mod child;
mod container;
mod docker;
pub mod doctor;
mod environment;
mod failure;
mod find;
mod http;
mod image;
pub mod interrupt;
mod invocation;
pub mod layout;
mod leftovers;
mod not_found;
pub mod pixi;
pub mod private;
pub mod probe;
pub mod progress;
mod remembered;
mod size;
pub mod sources;
mod stored;
pub mod substitute;
mod untag;
mod version;

pub use build::{BuildFailure, Built, Cause, run_build};
pub use builder::{Builder, Driver, Node};
pub use caching::Caching;
pub use child::{Stopped, end, wait};
pub use container::{Container, Containers, Ended, Spec, State};
pub use docker::{DataRoot, Engine, Origin, Store};
pub use environment::Environment;
pub use failure::{Failure, Why};
pub use find::Search;
pub use image::{LocalImage, NamedImage};
pub use invocation::Invocation;
pub use leftovers::Removed;
pub use not_found::NotFound;
pub use size::Size;
pub use stored::StoredImage;
pub use version::Version;
