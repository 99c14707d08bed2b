//! Heredocs: `<<WORD` on the line of a `RUN`, `COPY` or `ADD`, and the lines up to that word.

use super::lex::{Lex, Nothing};
use super::words::{self, Split};

/// A heredoc as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it, without quotes; for `COPY` and `ADD` also the file's name.
    pub word: String,
    /// Whether variables in the body of a `COPY` or `ADD` are expanded: no part of the word was quoted.
    pub expands: bool,
    /// `<<-`: tabs at the start of the lines are dropped.
    pub strips_tabs: bool,
    /// The lines between, with their ends.
    pub body: String,
}

/// Whether an instruction can have heredocs: `RUN`, `COPY` or `ADD`, or `ONBUILD` of one, and not the JSON form.
pub(super) fn may_follow(split: &Split, escape: char) -> bool {
    let inner;
    let split = if split.keyword.eq_ignore_ascii_case("onbuild") {
        inner = words::split(&split.rest, escape);
        &inner
    } else {
        split
    };
    ["run", "copy", "add"].iter().any(|keyword| split.keyword.eq_ignore_ascii_case(keyword))
        && !matches!(words::json(&split.rest), Ok(Some(_)))
}

/// The heredocs that `line` announces, bodies still empty.
pub(super) fn find(line: &str) -> Result<Vec<Heredoc>, String> {
    if !line.contains("<<") {
        return Ok(Vec::new());
    }
    let lex = Lex { raw_quotes: true, raw_escapes: true, keeps_unset: true, ..Lex::new('\\') };
    // A line that cannot be split (`it's <<EOF`) has none, as in BuildKit.
    let Ok(expansion) = lex.expand(line, &Nothing) else { return Ok(Vec::new()) };
    expansion.words.iter().filter_map(|word| parse(word).transpose()).collect()
}

/// The heredoc that one word is: `[digits]<<[-]WORD`.
pub(super) fn parse(word: &str) -> Result<Option<Heredoc>, String> {
    let Some(after) = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")
    else {
        return Ok(None);
    };
    let (strips_tabs, after) = match after.strip_prefix('-') {
        Some(after) => (true, after),
        None => (false, after),
    };
    let name = after.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
    if name.is_empty() || name.contains('<') {
        return Ok(None);
    }
    let lex = Lex { keeps_unset: true, ..Lex::new('\\') };
    let bare = lex.expand(name, &Nothing)?.words;
    let [word] = bare.as_slice() else { return Ok(None) };
    let raw = Lex { raw_quotes: true, ..lex }.expand(name, &Nothing)?.words;
    let [raw] = raw.as_slice() else {
        return Err(format!("cannot read the heredoc word {name:?}"));
    };
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let expands = quotes(word) == quotes(raw);
    Ok(Some(Heredoc { word: word.clone(), expands, strips_tabs, body: String::new() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heredocs_stand_anywhere_on_the_line() {
        for (line, expected) in [
            ("RUN <<EOF", "EOF"),
            ("RUN <<-EOF", "-EOF"),
            ("RUN <<'EOF'", "'EOF'"),
            ("RUN <<\"E\"OF", "'EOF'"),
            ("RUN python3 <<A && cat <<-'B' > /x", "A -'B'"),
            ("RUN 3<<EOF cat", "EOF"),
            ("RUN << EOF cat", "EOF"),
            ("RUN cat <<< word", ""),
            ("RUN cat a<<EOF", ""),
            ("RUN echo '<<EOF'", ""),
            ("RUN echo it's <<EOF", ""),
            ("RUN echo \\<<EOF", ""),
            ("RUN echo $((1<<2))", ""),
            ("RUN <<$X", "$X"),
            ("COPY <<a <<b /x", "a b"),
        ] {
            let found: Vec<String> = find(line)
                .unwrap()
                .iter()
                .map(|h| {
                    let quote = if h.expands { "" } else { "'" };
                    format!("{}{quote}{}{quote}", if h.strips_tabs { "-" } else { "" }, h.word)
                })
                .collect();
            assert_eq!(found.join(" "), expected, "{line}");
        }
    }
}
