//! How many columns of a terminal a text takes.

/// The columns of `text`, which holds no escape codes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

/// `text`, or its beginning and `…` in `limit` columns.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let mut width = 0;
    let fits = |c: &char| {
        width += of_char(*c);
        width < limit
    };
    text.chars().take_while(fits).chain((limit > 0).then_some('…')).collect()
}

/// The blocks of Unicode's `EastAsianWidth` and combining characters that turn up in names and logs; exact enough to
/// align a table.
fn of_char(c: char) -> usize {
    match u32::from(c) {
        0..0x20
        | 0x7F..0xA0
        | 0x300..=0x36F
        | 0x200B..=0x200F
        | 0x20D0..=0x20FF
        | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x2_0000..=0x3_FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_and_shortens() {
        for (text, width) in
            [("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("🐳", 2), ("✓ …", 3)]
        {
            assert_eq!(columns(text), width, "{text}");
        }
        for (text, limit, short) in [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("abcdef", 1, "…"),
            ("abcdef", 0, ""),
            ("日本語", 4, "日…"),
            ("日本語", 5, "日本…"),
        ] {
            assert_eq!(shortened(text, limit), short, "{text} {limit}");
        }
    }
}
