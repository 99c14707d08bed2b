//! What can change what a build makes? Every input of every target and platform, and the hash over them: the key.
//!
//! Time, host, user, file dates, absolute paths and publication are no inputs. Whether a built image of a key is still
//! there is asked elsewhere (`engine`, `publish`); what to do about it is `plan`'s question. Called by `command`.

mod context;
mod files;
mod glob;
mod index;
mod inputs;
mod manifest;
mod record;
mod sources;
mod tree;
mod value;

pub use files::Contexts;
pub use inputs::{Base, Bases, Inputs, Keys, PlatformKey, Read, Sources, compute, state_folder};
pub use manifest::{Line, Manifest};
pub use record::{ReadRecord, Record, Records};
pub use value::Key;

/// The version of everything that this module does: raised when equal inputs would give another meaning.
pub const SCHEMA: u32 = 1;
