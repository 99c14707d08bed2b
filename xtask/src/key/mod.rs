//! What can change what a build makes? Every input of every target and platform, and the hash over them: the key.
//!
//! Time, host, user, file dates, absolute paths and publication are no inputs. Whether a built image of a key is still
//! there is asked elsewhere (`engine`, `publish`); what to do about it is `plan`'s question. Called by `command`.

mod files;
mod index;
mod inputs;
mod record;
mod sources;
mod tree;

pub use files::{Contexts, Line, Manifest};
pub use inputs::{Base, Bases, Inputs, Key, Keys, PlatformKey, Sources, compute, state_folder};
pub use record::{Record, Records};

/// The version of everything that this module does: raised when equal inputs would give another meaning.
pub const SCHEMA: u32 = 1;
