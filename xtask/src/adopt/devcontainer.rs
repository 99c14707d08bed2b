//! `devcontainer.json`: an image that an editor builds, and nobody publishes.

use camino::Utf8Path;

use super::found::{Build, Found, Kind};
use super::text::Text;
use crate::mistake::Place;

/// What the file says of a build.
pub(super) fn read(file: &Utf8Path, text: &str) -> Found {
    let mut found = Found::default();
    let place = Place::new(file, 1, 1);
    let json: serde_json::Value = match serde_json::from_str(&without_comments(text)) {
        Ok(json) => json,
        Err(why) => {
            found.note(place, format!("this is no JSON that can be read: {why}"));
            return found;
        }
    };
    let section = json.get("build").unwrap_or(&json);
    let text = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|name| section.get(*name).or_else(|| json.get(*name))?.as_str())
            .map(Text::known)
    };
    let Some(dockerfile) = text(["dockerfile", "dockerFile"]) else { return found };
    let mut build = Build::new(place, Kind::Devcontainer);
    build.label = Some("devcontainer".to_owned());
    build.folders = vec![file.parent().unwrap_or(Utf8Path::new("")).to_owned()];
    build.dockerfile = Some(dockerfile);
    build.context = text(["context", "context"]).unwrap_or_else(|| Text::known("."));
    build.stage = section.get("target").and_then(serde_json::Value::as_str).map(Text::known);
    for (name, value) in
        section.get("args").and_then(serde_json::Value::as_object).into_iter().flatten()
    {
        match value.as_str() {
            Some(value) if value.contains("${") => {
                build.args.insert(name.clone(), Text::unknown(value));
            }
            Some(value) => {
                build.args.insert(name.clone(), Text::known(value));
            }
            None => {}
        }
    }
    found.builds.push(build);
    found
}

/// JSON without the comments and last commas that editors allow.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                out.push(c);
                while let Some(c) = chars.next() {
                    out.push(c);
                    match c {
                        '"' => break,
                        '\\' => out.extend(chars.next()),
                        _ => {}
                    }
                }
            }
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                chars.next();
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '}' | ']' => {
                let kept = out.trim_end().trim_end_matches(',').len();
                if out.trim_end().ends_with(',') {
                    out.truncate(kept);
                }
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_json() {
        let text = "{ // c\n \"a\": \"//x\", /* y */ \"b\": [1, 2,],\n}";
        let json: serde_json::Value = serde_json::from_str(&without_comments(text)).unwrap();
        assert_eq!(json, serde_json::json!({"a": "//x", "b": [1, 2]}));
    }
}
