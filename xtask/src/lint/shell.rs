//! A shell script as simple commands, as far as `lint` needs it: which programs run, with which words.
//!
//! No shell: nothing is expanded, and substitutions count as commands of their own.

/// A word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes.
    pub text: String,
    /// The same, where what was quoted, or is a variable, is `\u{1}`.
    bare: String,
}

impl Word {
    /// A word that no shell sees.
    pub(super) fn quoted(text: &str) -> Self {
        Self { text: text.to_owned(), bare: String::new() }
    }

    /// Whether bash would make several words of it: `{a,b}` or `{1..3}`, not quoted.
    pub(super) fn is_brace_expansion(&self) -> bool {
        let mut rest = self.bare.as_str();
        while let Some(open) = rest.find('{') {
            let inner = &rest[open + 1..];
            let Some(close) = inner.find('}') else { return false };
            if expands(&inner[..close]) {
                return true;
            }
            rest = inner;
        }
        false
    }
}

fn expands(inner: &str) -> bool {
    let end = |text: &str| {
        text.parse::<i64>().is_ok()
            || (text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    inner.contains(',')
        || inner.split_once("..").is_some_and(|(from, to)| {
            end(from) && end(to.split_once("..").map_or(to, |(to, _)| to))
        })
}

/// Words that stand before the program that runs.
const BEFORE: [&str; 16] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "command",
    "sudo", "env", "nice", "eval",
];

/// The simple commands of `script`, each with its program first; assignments before it are left out.
pub(super) fn commands(script: &str) -> Vec<Vec<Word>> {
    let mut reader = Reader::default();
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                reader.quoted();
                for c in chars.by_ref().take_while(|&c| c != '\'') {
                    reader.word().text.push(c);
                }
            }
            '"' => {
                reader.quoted();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => reader.word().text.extend(chars.next()),
                        c => reader.word().text.push(c),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(c) => {
                    reader.quoted();
                    reader.word().text.push(c);
                }
            },
            '$' if chars.peek() == Some(&'{') => {
                reader.quoted();
                reader.word().text.push('$');
                for c in chars.by_ref() {
                    reader.word().text.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            '$' if chars.peek() == Some(&'(') => reader.quoted(),
            '#' if reader.word.is_none() => while chars.next_if(|&c| c != '\n').is_some() {},
            '>' | '<' => {
                reader.end_redirected();
                while chars.next_if(|c| matches!(c, '>' | '<' | '&' | '-')).is_some() {}
                reader.is_target = true;
            }
            '&' if chars.peek() == Some(&'>') => {}
            ';' | '&' | '|' | '\n' | '(' | ')' | '`' => reader.end_command(),
            c if c.is_whitespace() => reader.end_word(),
            c => {
                let word = reader.word();
                word.text.push(c);
                word.bare.push(c);
            }
        }
    }
    reader.end_command();
    reader.commands
}

#[derive(Default)]
struct Reader {
    commands: Vec<Vec<Word>>,
    words: Vec<Word>,
    word: Option<Word>,
    /// Whether the next word is the file of a redirection.
    is_target: bool,
}

impl Reader {
    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn quoted(&mut self) {
        self.word().bare.push('\u{1}');
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if std::mem::take(&mut self.is_target) {
            return;
        }
        let first = self.words.is_empty();
        if first && (BEFORE.contains(&word.text.as_str()) || is_assignment(&word.text)) {
            return;
        }
        self.words.push(word);
    }

    /// `2` in `2>file` is no word.
    fn end_redirected(&mut self) {
        self.word = self.word.take().filter(|word| word.text.parse::<u8>().is_err());
        self.end_word();
    }

    fn end_command(&mut self) {
        self.end_word();
        self.is_target = false;
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_cut_into_commands() {
        for (script, expected) in [
            ("a b && c 'd e' || f; g|h", "a b/c d e/f/g/h"),
            (
                "set -e\n# no\nX=1 pip install -r \"r.txt\" >/dev/null 2>&1",
                "set -e/pip install -r r.txt",
            ),
            ("if [ -f x ]; then sudo apt-get install y; fi", "[ -f x ]/apt-get install y/fi"),
            ("x $(y z) ${A:-b c}", "x /y z/${A:-b c}"),
            ("a \\\n b", "a b"),
            ("(cd x && make)", "cd x/make"),
        ] {
            let found: Vec<String> = commands(script)
                .iter()
                .map(|words| {
                    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
                })
                .collect();
            assert_eq!(found.join("/"), expected, "{script}");
        }
    }

    #[test]
    fn brace_expansions_are_seen_where_a_shell_would_see_them() {
        for (script, expected) in [
            ("mkdir -p /x/{a,b}", true),
            ("echo {1..9}", true),
            ("echo a{b,c{d,e}}", true),
            ("echo '{a,b}' \"{a,b}\" \\{a,b} ${X:-{a,b}}", false),
            ("find . -exec rm {} +", false),
            ("{ a; b, c; }", false),
            ("awk '{print $1, $2}'", false),
            ("echo {..} {a}", false),
        ] {
            let found = commands(script).iter().flatten().any(Word::is_brace_expansion);
            assert_eq!(found, expected, "{script}");
        }
    }
}
