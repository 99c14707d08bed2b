//! Tables and text in GitHub's Markdown, for text that nobody vouches for. Pure.

use std::fmt::Write as _;

/// `text` in one line, of which nothing is Markdown or HTML: what could be is written as a numeric character reference,
/// which cannot stand in place of structure (`CommonMark` 0.31, «Entity and numeric character references»).
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => plain.push(' '),
            '&' | '<' | '>' | '"' | '\'' | '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')'
            | '{' | '}' | '~' | '#' | '!' | '@' | '$' | ':' => {
                let _infallible = write!(plain, "&#{};", u32::from(c));
            }
            c => plain.push(c),
        }
    }
    plain
}

/// A table whose cells are made [`plain`], of at most `most` rows.
pub fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]], most: usize) -> String {
    let mut text = format!("| {} |\n|{}\n", titles.join(" | "), " --- |".repeat(N));
    for row in rows.iter().take(most) {
        let cells: Vec<String> = row.iter().map(|cell| plain(cell)).collect();
        let _infallible = writeln!(text, "| {} |", cells.join(" | "));
    }
    if let Some(more) = rows.len().checked_sub(most).filter(|&more| more > 0) {
        let _infallible = writeln!(text, "\nand {more} more.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{plain, table};

    #[test]
    fn nothing_of_a_text_is_structure() {
        for (text, expected) in [
            ("notebook-processor 0.3.0", "notebook-processor 0.3.0"),
            ("a|b\nc", "a&#124;b c"),
            ("<img src=x>", "&#60;img src=x&#62;"),
            ("[x](http://a)", "&#91;x&#93;&#40;http&#58;//a&#41;"),
            ("`$(id)` ${{ x }}", "&#96;&#36;&#40;id&#41;&#96; &#36;&#123;&#123; x &#125;&#125;"),
            ("&amp;", "&#38;amp;"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn tables_are_cut_where_they_are_too_long() {
        let rows = ["a", "b|", "c"].map(|text| [text.to_owned(), String::new()]);
        let expected = "| x | y |\n| --- | --- |\n| a |  |\n| b&#124; |  |\n\nand 1 more.\n";
        assert_eq!(table(["x", "y"], &rows, 2), expected);
        assert!(!table(["x", "y"], &rows, 3).contains("more"));
    }
}
