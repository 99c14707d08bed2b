//! Times, sizes, paths and commands as people read them. Pure.

use std::time::Duration;

use camino::Utf8Path;

/// `0.3 s`, `94.1 s`, `3 min 12 s`, `1 h 05 min`.
pub fn seconds(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    if tenths < 1000 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let whole = (time.as_millis() + 500) / 1000;
    if whole < 3600 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    let minutes = (whole + 30) / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

/// With `/` between folders on every system, as people write paths in `image.toml`. Elsewhere than on Windows, `\\` is a
/// letter like any other.
pub fn path(path: &Utf8Path) -> String {
    if cfg!(windows) { path.as_str().replace('\\', "/") } else { path.to_string() }
}

/// Decimal units and three digits, as `docker image ls` shows sizes: `0B`, `1.09MB`, `124MB`, `5GB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut unit = 0;
    // In thousandths of a unit, so that no digit is lost to floating point.
    let mut thousandths = u128::from(count) * 1000;
    // What would round up to 1000 is one of the next unit.
    while thousandths >= 999_500 && unit + 1 < UNITS.len() {
        thousandths = (thousandths + 500) / 1000;
        unit += 1;
    }
    let step = match thousandths {
        0..9_995 => 10,
        9_995..99_950 => 100,
        _ => 1000,
    };
    let rounded = (thousandths + step / 2) / step * step;
    let mut number = format!("{}.{:03}", rounded / 1000, rounded % 1000);
    number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
    number + UNITS[unit]
}

/// A command: words that hold blanks or quotes, or nothing, are quoted.
pub fn command(words: &[String]) -> String {
    let word = |word: &String| {
        let plain = !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '"');
        if plain { word.clone() } else { format!("{word:?}") }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (millis, text) in [
            (0, "0.0 s"),
            (49, "0.0 s"),
            (50, "0.1 s"),
            (94_100, "94.1 s"),
            (99_949, "99.9 s"),
            (99_950, "1 min 40 s"),
            (192_000, "3 min 12 s"),
            (3_599_499, "59 min 59 s"),
            (3_599_500, "1 h 00 min"),
            (3_900_000, "1 h 05 min"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), text, "{millis}");
        }
    }

    #[test]
    fn sizes() {
        for (count, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1_234, "1.23kB"),
            (1_500, "1.5kB"),
            (9_996, "10kB"),
            (12_345, "12.3kB"),
            (999_499, "999kB"),
            (999_500, "1MB"),
            (1_090_000, "1.09MB"),
            (124_400_000, "124MB"),
            (5_000_000_000, "5GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
    }
}
