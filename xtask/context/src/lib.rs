//! The files of build contexts: which of them does an instruction read, and what is the hash over these?
//!
//! Folders are listed at most once a run, filtered as `.dockerignore` says, and each file is hashed once for as long as
//! it does not change ([`Index`]). Knows nothing of workspaces, Dockerfiles and keys: those are `dockyard`'s, which
//! calls this from its module `key`. A crate of its own because everything that runs once a file is here, and only this
//! is worth the time that an optimising compiler takes.

mod context;
mod glob;
pub mod ignore;
mod index;
mod manifest;
mod selection;
mod tree;

pub use context::Context;
pub use index::{Hash, Index, hex, stamp};
pub use manifest::{Line, Manifest};
pub use selection::Selection;
pub use tree::Folder;
