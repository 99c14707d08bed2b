//! Do locks agree with what they lock, and what changed in them? pixi's locks, and `images.lock` for external bases.
//!
//! It solves nothing: pixi does, and registries say where tags point. Which images become stale by a change is asked of
//! `key`, by the commands that call this: `lock-update` and `outdated`.

pub mod bases;
pub mod changes;
pub mod kept;
pub mod manifest;
pub mod newer;
pub mod patch;
pub mod pixi;
pub mod versions;

pub use changes::{Change, Changed, Kind, Locked};
