//! What a cache holds.

use super::table::{Align, Table};
use crate::engine::cache::Kind;
use crate::human;

/// A row a kind.
pub fn cache(kinds: &[Kind]) -> Table {
    let mut table = Table::new([
        ("type", Align::Left),
        ("records", Align::Right),
        ("size", Align::Right),
        ("reclaimable", Align::Right),
    ]);
    for Kind { kind, records, bytes, reclaimable } in kinds {
        table.row([
            kind.clone(),
            records.to_string(),
            human::bytes(*bytes),
            human::bytes(*reclaimable),
        ]);
    }
    table
}
