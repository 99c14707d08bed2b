//! GitHub's expressions, as far as generated workflows use them («Evaluate expressions in workflows and actions»). What
//! is not known is a panic: an evaluator that guesses would test nothing.

use serde_json::Value;

/// What an expression sees.
pub(crate) trait Scope {
    /// A context by its name: `github`, `needs`, …
    fn context(&self, name: &str) -> Value;
    /// `success`, `failure`, `cancelled`, `always`.
    fn status(&self, function: &str) -> bool;
}

/// Whether an `if` holds. One without a status function holds only after success.
pub(crate) fn condition(text: Option<&str>, scope: &dyn Scope) -> bool {
    let text = text.unwrap_or("success()").trim();
    let inner = text.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text);
    let asks =
        ["success(", "failure(", "cancelled(", "always("].iter().any(|it| inner.contains(it));
    (asks || scope.status("success")) && truthy(&evaluate(inner, scope))
}

/// `text` with every `${{ … }}` replaced by what it says, as GitHub does before anything reads it.
pub(crate) fn substituted(text: &str, scope: &dyn Scope) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inner, after) = after.split_once("}}").expect("an expression ends");
        out.push_str(before);
        out.push_str(&shown(&evaluate(inner, scope)));
        rest = after;
    }
    out + rest
}

pub(crate) fn evaluate(text: &str, scope: &dyn Scope) -> Value {
    let mut parser = Parser { tokens: tokens(text), at: 0, skipped: 0, scope, text };
    let value = parser.or();
    assert_eq!(parser.at, parser.tokens.len(), "what follows in {text:?}?");
    value
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(it) => it.clone(),
        other => other.to_string(),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: [&str; 13] = ["&&", "||", "==", "!=", "!", "(", ")", "[", "]", ",", ".", "<", ">"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end;
        if first == '\'' {
            // A quote within is written twice.
            let mut inner = String::new();
            let mut chars = rest.char_indices().skip(1).peekable();
            end = loop {
                match chars.next() {
                    Some((_, '\'')) if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                        inner.push('\'');
                        chars.next();
                    }
                    Some((at, '\'')) => break at + 1,
                    Some((_, c)) => inner.push(c),
                    None => panic!("a text does not end in {text:?}"),
                }
            };
            tokens.push(Token::Text(inner));
        } else if first.is_ascii_alphabetic() || first == '_' {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
        } else if first.is_ascii_digit() {
            end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..end].to_owned()));
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(*sign));
            let sign = sign.unwrap_or_else(|| panic!("{rest:?} in {text:?}"));
            end = sign.len();
            tokens.push(Token::Sign(sign));
        }
        rest = rest[end..].trim_start();
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    /// Above zero in what does not count any more: it is read, and not evaluated.
    skipped: usize,
    scope: &'a dyn Scope,
    text: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, sign: &str) -> bool {
        let is = self
            .tokens
            .get(self.at)
            .is_some_and(|it| matches!(it, Token::Sign(own) if *own == sign));
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) {
        assert!(self.take(sign), "{sign:?} is missing in {:?}", self.text);
    }

    fn or(&mut self) -> Value {
        let mut value = self.and();
        while self.take("||") {
            let decided = usize::from(truthy(&value));
            self.skipped += decided;
            let right = self.and();
            self.skipped -= decided;
            value = if decided > 0 { value } else { right };
        }
        value
    }

    fn and(&mut self) -> Value {
        let mut value = self.equality();
        while self.take("&&") {
            let decided = usize::from(!truthy(&value));
            self.skipped += decided;
            let right = self.equality();
            self.skipped -= decided;
            value = if decided > 0 { value } else { right };
        }
        value
    }

    fn equality(&mut self) -> Value {
        let left = self.unary();
        for sign in ["==", "!="] {
            if self.take(sign) {
                let right = self.unary();
                return Value::Bool(equal(&left, &right) == (sign == "=="));
            }
        }
        left
    }

    fn unary(&mut self) -> Value {
        if self.take("!") {
            return Value::Bool(!truthy(&self.unary()));
        }
        let mut value = self.primary();
        loop {
            if self.take(".") {
                let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else {
                    panic!("a name is missing in {:?}", self.text);
                };
                self.at += 1;
                value = member(&value, &name);
            } else if self.take("[") {
                let index = self.or();
                self.expect("]");
                value = member(&value, &shown(&index));
            } else {
                return value;
            }
        }
    }

    fn primary(&mut self) -> Value {
        if self.take("(") {
            let value = self.or();
            self.expect(")");
            return value;
        }
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        match token {
            Some(Token::Text(text)) => Value::String(text),
            Some(Token::Number(text)) => serde_json::from_str(&text).expect("digits"),
            Some(Token::Name(name)) if name == "true" || name == "false" => {
                Value::Bool(name == "true")
            }
            Some(Token::Name(name)) if name == "null" => Value::Null,
            Some(Token::Name(name)) if self.take("(") => {
                let mut arguments = Vec::new();
                while !self.take(")") {
                    if !arguments.is_empty() {
                        self.expect(",");
                    }
                    arguments.push(self.or());
                }
                if self.skipped > 0 { Value::Null } else { self.call(&name, &arguments) }
            }
            Some(Token::Name(_)) if self.skipped > 0 => Value::Null,
            Some(Token::Name(name)) => self.scope.context(&name),
            other => panic!("{other:?} in {:?}", self.text),
        }
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Value {
        match (name, arguments) {
            ("success" | "failure" | "cancelled" | "always", []) => {
                Value::Bool(self.scope.status(name))
            }
            ("contains", [Value::Array(all), one]) => {
                Value::Bool(all.iter().any(|it| equal(it, one)))
            }
            ("contains", [text, part]) => {
                Value::Bool(shown(text).to_lowercase().contains(&shown(part).to_lowercase()))
            }
            ("startsWith", [text, start]) => {
                Value::Bool(shown(text).to_lowercase().starts_with(&shown(start).to_lowercase()))
            }
            ("fromJSON", [text]) => {
                let text = shown(text);
                serde_json::from_str(&text).unwrap_or_else(|_| panic!("fromJSON({text:?})"))
            }
            ("toJSON", [value]) => Value::String(value.to_string()),
            ("format", [format, arguments @ ..]) => {
                let numbered = arguments.iter().enumerate();
                let text = numbered.fold(shown(format), |text, (number, argument)| {
                    text.replace(&format!("{{{number}}}"), &shown(argument))
                });
                Value::String(text)
            }
            // Of no file that a runner's cache would be found by.
            ("hashFiles", [..]) => Value::String("0".repeat(64)),
            _ => panic!("{name}({arguments:?}) in {:?}", self.text),
        }
    }
}

fn member(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map_or(Value::Null, |(_, value)| value.clone()),
        Value::Array(items) => {
            name.parse::<usize>().ok().and_then(|at| items.get(at).cloned()).unwrap_or_default()
        }
        _ => Value::Null,
    }
}

/// Texts are compared without regard to case; values of different types as numbers, of which nothing else is used here
/// than that nothing and an empty text are equal.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.to_lowercase() == right.to_lowercase(),
        (Value::Null, Value::String(text)) | (Value::String(text), Value::Null) => text.is_empty(),
        (left, right) => left == right,
    }
}

#[test]
fn expressions_say_what_github_says() {
    struct Given;
    impl Scope for Given {
        fn context(&self, name: &str) -> Value {
            match name {
                "github" => {
                    serde_json::json!({ "event_name": "push", "event": { "title": "$(id)" } })
                }
                "needs" => {
                    serde_json::json!({ "plan": { "outputs": { "jobs": "[\"build-a\"]" } } })
                }
                other => panic!("{other}"),
            }
        }
        fn status(&self, function: &str) -> bool {
            matches!(function, "failure" | "always")
        }
    }
    for (text, expected) in [
        ("github.event_name == 'PUSH'", true),
        ("github.event_name != 'push' || !cancelled()", true),
        ("contains(fromJSON(needs.plan.outputs.jobs), 'build-a')", true),
        ("contains(fromJSON(needs.plan.outputs.jobs), 'build')", false),
        ("!failure() && !cancelled()", false),
        ("github.nothing.at.all == ''", true),
        ("failure() || fromJSON('')", true),
        ("!failure() && fromJSON('') && nothing.there", false),
        ("(github['event_name'] == 'x' && 'a' || 'b') == 'b'", true),
    ] {
        assert_eq!(evaluate(text, &Given), Value::Bool(expected), "{text}");
    }
    assert!(!condition(None, &Given));
    assert!(!condition(Some("github.event_name == 'push'"), &Given));
    assert!(condition(Some("${{ always() && github.event_name == 'push' }}"), &Given));
    assert_eq!(
        substituted("echo ${{ github.event.title }}; ${{ 'it''s' }}", &Given),
        "echo $(id); it's"
    );
}
