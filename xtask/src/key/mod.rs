//! What can change what a build makes? Every input of every target and platform, and the hash over them: the key.
//!
//! Time, host, user, file dates, absolute paths and publication are no inputs. Whether a built image of a key is still
//! there is asked elsewhere (`engine`, `publish`); what to do about it is `plan`'s question. Called by `command`.

use camino::{Utf8Path, Utf8PathBuf};

mod again;
mod files;
mod identity;
mod inputs;
mod keys;
mod reads;
mod record;
mod value;

pub use again::is_untouched;
pub use dockyard_context::{Index, Line, Manifest};
pub use files::Contexts;
use files::Request;
pub use identity::{Identity, KEY_LABEL, PARENTS_LABEL};
pub use inputs::{Sources, compute};
pub use keys::{Base, Bases, Inputs, Keys, PlatformKey, Read};
pub use record::{ReadRecord, Record, Records};
pub use value::Key;

/// The version of everything that this module does: raised when equal inputs would give another meaning.
pub const SCHEMA: u32 = 1;

/// Where Dockyard keeps what it knows between runs, below the workspace root.
pub fn state_folder(root: &Utf8Path) -> Utf8PathBuf {
    root.join("target").join("dockyard")
}
