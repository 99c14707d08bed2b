//! The regular expressions that patternmatcher makes of patterns: the few forms of Go's `regexp` that occur in them.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug)]
pub(super) struct Expression {
    atoms: Vec<(Atom, bool)>,
    /// What every match ends with: most paths are told by this alone.
    end: String,
}

/// What one place of an expression matches; the flag beside it: any number of times.
#[derive(Clone, Debug)]
enum Atom {
    Literal(char),
    /// `.`: all but a line's end.
    Any,
    Class(Class),
    /// `(.*/)?`
    Folders,
    /// `^`
    Start,
}

#[derive(Clone, Debug, Default)]
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    fn holds(&self, c: char) -> bool {
        self.ranges.iter().any(|&(low, high)| low <= c && c <= high) != self.negated
    }
}

type In<'a> = Peekable<Chars<'a>>;

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut atoms = Vec::new();
        let mut rest = text;
        loop {
            if let Some(after) = rest.strip_prefix("(.*/)?") {
                atoms.push((Atom::Folders, false));
                rest = after;
                continue;
            }
            let mut chars = rest.chars().peekable();
            let Some(c) = chars.next() else { return Ok(Self::new(atoms)) };
            let atom = match c {
                '.' => Atom::Any,
                '^' => Atom::Start,
                '[' => Atom::Class(class(&mut chars)?),
                '\\' => escape(&mut chars)?,
                literal => Atom::Literal(literal),
            };
            let many = chars.next_if_eq(&'*').is_some();
            atoms.push((atom, many));
            rest = &rest[rest.len() - chars.map(char::len_utf8).sum::<usize>()..];
        }
    }

    fn new(atoms: Vec<(Atom, bool)>) -> Self {
        let literals = atoms.iter().rev().map_while(|atom| match atom {
            (Atom::Literal(literal), false) => Some(*literal),
            _ => None,
        });
        let mut end: Vec<char> = literals.collect();
        end.reverse();
        Self { end: end.into_iter().collect(), atoms }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        path.ends_with(&self.end) && self.step(path, 0, 0, &mut BTreeSet::new())
    }

    /// Whether the atoms from `atom` match `path` from byte `at` to its end.
    fn step(
        &self,
        path: &str,
        atom: usize,
        at: usize,
        failed: &mut BTreeSet<(usize, usize)>,
    ) -> bool {
        let (mut atom, mut at) = (atom, at);
        loop {
            let Some((first, many)) = self.atoms.get(atom) else { return at == path.len() };
            if matches!(first, Atom::Folders) {
                let tail = &path[at..];
                let end = tail.find('\n').unwrap_or(tail.len());
                let after = tail[..end].match_indices('/').map(|(slash, _)| at + slash + 1);
                return std::iter::once(at)
                    .chain(after)
                    .any(|at| self.tried(path, atom + 1, at, failed));
            }
            if matches!(first, Atom::Start) {
                if at > 0 && !many {
                    return false;
                }
                atom += 1;
                continue;
            }
            let fits = |c: char| match first {
                Atom::Literal(literal) => c == *literal,
                Atom::Any => c != '\n',
                Atom::Class(class) => class.holds(c),
                Atom::Folders | Atom::Start => false,
            };
            if *many {
                let mut ends = path[at..].char_indices();
                let run = std::iter::from_fn(|| {
                    ends.next().filter(|&(_, c)| fits(c)).map(|(byte, c)| at + byte + c.len_utf8())
                });
                return std::iter::once(at)
                    .chain(run)
                    .any(|at| self.tried(path, atom + 1, at, failed));
            }
            match path[at..].chars().next() {
                Some(c) if fits(c) => at += c.len_utf8(),
                _ => return false,
            }
            atom += 1;
        }
    }

    fn tried(
        &self,
        path: &str,
        atom: usize,
        at: usize,
        failed: &mut BTreeSet<(usize, usize)>,
    ) -> bool {
        if failed.contains(&(atom, at)) {
            return false;
        }
        let matches = self.step(path, atom, at, failed);
        if !matches {
            failed.insert((atom, at));
        }
        matches
    }
}

/// What follows a `\`.
fn escape(chars: &mut In<'_>) -> Result<Atom, String> {
    let c = chars.next().ok_or("nothing follows the `\\`")?;
    Ok(match perl_class(c) {
        Some(class) => Atom::Class(class),
        None => Atom::Literal(escaped(c)?),
    })
}

/// A letter behind `\` means what it means in a regular expression; `\` before anything else only takes away its
/// meaning.
fn escaped(c: char) -> Result<char, String> {
    match c {
        'a' => Ok('\x07'),
        'f' => Ok('\x0c'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        't' => Ok('\t'),
        'v' => Ok('\x0b'),
        _ if c.is_ascii_alphanumeric() || !c.is_ascii() => Err(format!("`\\{c}` is no escape")),
        _ => Ok(c),
    }
}

fn perl_class(c: char) -> Option<Class> {
    let ranges = match c.to_ascii_lowercase() {
        'd' => vec![('0', '9')],
        's' => vec![('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        'w' => vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    Some(Class { negated: c.is_ascii_uppercase(), ranges })
}

/// What follows a `[`, up to its `]`.
fn class(chars: &mut In<'_>) -> Result<Class, String> {
    let mut class = Class { negated: chars.next_if_eq(&'^').is_some(), ranges: Vec::new() };
    let mut first = true;
    loop {
        let c = chars.next().ok_or("the `[` is not closed")?;
        if c == ']' && !first {
            return Ok(class);
        }
        first = false;
        if c == '[' && chars.peek() == Some(&':') {
            class.ranges.extend(posix(chars)?);
            continue;
        }
        let low = if c == '\\' {
            let escape_of = chars.next().ok_or("the `[` is not closed")?;
            if let Some(perl) = perl_class(escape_of) {
                class.ranges.extend(complete(&perl));
                continue;
            }
            escaped(escape_of)?
        } else {
            c
        };
        let mut ahead = chars.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|high| high != ']');
        let high = if is_range {
            chars.next();
            match chars.next() {
                Some('\\') => escaped(chars.next().ok_or("the `[` is not closed")?)?,
                Some(high) => high,
                None => return Err("the `[` is not closed".to_owned()),
            }
        } else {
            low
        };
        if low > high {
            return Err(format!("the range {low}-{high} is the wrong way round"));
        }
        class.ranges.push((low, high));
    }
}

/// The ranges of a class, of a negated one those between.
fn complete(class: &Class) -> Vec<(char, char)> {
    if !class.negated {
        return class.ranges.clone();
    }
    let next = |c: char| char::from_u32(u32::from(c) + 1).unwrap_or(char::MAX);
    let before = |c: char| char::from_u32(u32::from(c).saturating_sub(1)).unwrap_or('\0');
    let mut from = '\0';
    let mut ranges = Vec::new();
    for &(low, high) in &class.ranges {
        ranges.push((from, before(low)));
        from = next(high);
    }
    ranges.push((from, char::MAX));
    ranges
}

/// `[:name:]`, the `[` already read.
fn posix(chars: &mut In<'_>) -> Result<Vec<(char, char)>, String> {
    let name: String = chars.by_ref().skip(1).take_while(|&c| c != ':').collect();
    let ranges: &[(char, char)] = match name.as_str() {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => &[('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return Err(format!("[:{name}:] is no class")),
    };
    match chars.next() {
        Some(']') => Ok(ranges.to_vec()),
        _ => Err(format!("[:{name} is not closed")),
    }
}
