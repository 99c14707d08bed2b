//! Where images lie, what their files may look like, how a person names them, and what `list`, `graph` and `tags` show.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]
#![expect(clippy::needless_raw_string_hashes, reason = "as expect-test writes them")]

mod found;
mod read;
mod schemes;
mod shown;
#[cfg_attr(unix, expect(dead_code, reason = "each of the tests uses a part"))]
#[path = "../support/workspace.rs"]
mod support;

const SCRATCH: &str = "FROM scratch\n";
