//! The names of images that builds have replaced: when do they go?
//!
//! Together, when the run ends: each removal makes the engine clean its whole store, which holds up other builds. But not
//! so late that large images fill the disk. Children go before their parents, which the engine would keep without a name
//! otherwise. Called by `target`.

use std::collections::BTreeMap;

use crate::workspace::TargetName;

/// So many bytes of replaced images may wait for the end of the run.
const MOST_BYTES: u64 = 2_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Replaced {
    waiting: Vec<Names>,
    bytes: u64,
}

/// The names of one target's replaced images.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) target: TargetName,
    pub(super) parents: Vec<TargetName>,
    pub(super) names: Vec<String>,
    pub(super) bytes: u64,
}

impl Replaced {
    /// Takes `names` in, parents before children; gives what should go now, one group after the other.
    pub(super) fn add(&mut self, names: Names) -> Vec<Vec<String>> {
        self.bytes += names.bytes;
        self.waiting.push(names);
        if self.bytes > MOST_BYTES { self.rest() } else { Vec::new() }
    }

    /// What is left to go, one group after the other.
    pub(super) fn rest(&mut self) -> Vec<Vec<String>> {
        self.bytes = 0;
        let mut depths: BTreeMap<TargetName, usize> = BTreeMap::new();
        let mut groups: Vec<Vec<String>> = Vec::new();
        for Names { target, parents, names, .. } in self.waiting.drain(..) {
            let above = parents.iter().filter_map(|parent| depths.get(parent)).max();
            let depth = above.map_or(0, |above| above + 1);
            depths.insert(target, depth);
            if groups.len() <= depth {
                groups.resize_with(depth + 1, Vec::new);
            }
            groups[depth].extend(names);
        }
        groups.reverse();
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(target: &str, parents: &[&str], bytes: u64) -> Names {
        let name = |id: &str| TargetName { id: id.parse().unwrap(), variant: None };
        let parents = parents.iter().map(|id| name(id)).collect();
        Names { target: name(target), parents, names: vec![format!("{target}:old")], bytes }
    }

    #[test]
    fn children_go_first_and_nothing_large_waits() {
        let mut replaced = Replaced::default();
        for (target, parents) in
            [("base", &[][..]), ("a", &["base"]), ("b", &["not-built", "base"]), ("c", &["a", "b"])]
        {
            assert!(replaced.add(names(target, parents, 1)).is_empty());
        }
        assert_eq!(replaced.rest(), [vec!["c:old"], vec!["a:old", "b:old"], vec!["base:old"]]);
        assert!(replaced.rest().is_empty());
        assert!(replaced.add(names("x", &[], MOST_BYTES)).is_empty());
        assert_eq!(replaced.add(names("y", &["x"], 1)), [vec!["y:old"], vec!["x:old"]]);
        assert!(replaced.add(names("z", &[], MOST_BYTES)).is_empty(), "counted anew");
    }
}
