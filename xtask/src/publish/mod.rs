//! How does an image get its public names? Content first, under its key; then every immutable tag; then the others; and
//! nothing of that before everything before it has succeeded for every image.
//!
//! It builds nothing and tests nothing: `command` does, in between. Called by `command`.

mod destinations;
mod holding;
mod journal;
mod moves;
mod parts;
mod policy;
mod serial;
mod upload;
mod write;

pub use destinations::{Destinations, Narrowing, destinations};
pub use holding::{Found, HeldImage, Holding, Holdings, head};
pub use journal::{Entry, Journal, Note};
pub use moves::{Change, Pushed, There, WantedName, around_version, decide};
pub use parts::{Asked, Parts, checked_tag, part_tag};
pub use policy::violations;
pub use serial::{Turn, take_turn};
pub use upload::{Way, upload};
pub use write::{
    Decided, NotWritten, Publication, all, compare, copy, ordered, parallel, taken, waits, write,
};
