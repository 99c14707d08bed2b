//! Strict templates: an undefined name is an error that says why the name has no value.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};

use super::facts::Facts;
use crate::mistake::{Mistake, Place};
use crate::reference::Tag;
use crate::workspace::{Template, nearest};

/// A filled template and the facts that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub text: String,
    names: BTreeSet<String>,
}

impl Rendered {
    /// Whether the template names one of `facts`.
    pub fn uses(&self, facts: &[&str]) -> bool {
        facts.iter().any(|fact| self.names.contains(*fact))
    }
}

/// Why a template could not be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A fact that is read from the built image.
    Observed(String),
    Mistake(Mistake),
}

impl Missing {
    /// For a `template` to which an observed fact is as good as none.
    pub fn into_mistake(self, template: &Template) -> Mistake {
        match self {
            Self::Mistake(mistake) => mistake,
            Self::Observed(fact) => Mistake::new(format!(
                "the template {:?}: `{fact}` is read from the built image and can only serve tags",
                template.value
            ))
            .at(template.place.clone()),
        }
    }
}

/// Fills `template`.
///
/// # Errors
/// [`Missing::Observed`] when only an observed fact is lacking; else the mistake, at the template's place.
pub fn render(template: &Template, facts: &Facts) -> Result<Rendered, Missing> {
    let text = &template.value;
    if !text.contains(['{', '#']) {
        return Ok(Rendered { text: text.clone(), names: BTreeSet::new() });
    }
    let place = &template.place;
    let wrong = |why: String| Missing::Mistake(mistake(text, &why, place));
    let compiled = ENVIRONMENT
        .template_from_str(text)
        .map_err(|error| wrong(error.detail().map_or_else(|| error.to_string(), str::to_owned)))?;
    let names: BTreeSet<String> = compiled.undeclared_variables(false).into_iter().collect();
    match compiled.render(facts.known()) {
        Ok(text) => Ok(Rendered { text, names }),
        Err(error) => {
            let mut observed = None;
            for name in names.iter().filter(|name| facts.get(name).is_none()) {
                if facts.is_observed(name) {
                    observed = Some(name.clone());
                    continue;
                }
                if let Some(why) = facts.why_absent(name) {
                    return Err(wrong(format!("`{name}` has no value: {why}")));
                }
                return Err(Missing::Mistake(unknown(template, name, facts)));
            }
            Err(observed.map_or_else(|| wrong(error.to_string()), Missing::Observed))
        }
    }
}

/// What `template` will give, with `<name>` for each fact that is known only once the image is built.
pub fn outline(template: &Template, facts: &Facts) -> String {
    let mut outlined = facts.clone();
    for name in names_in(template).into_iter().filter(|name| facts.get(name).is_none()) {
        outlined.set(&name, &format!("<{name}>"));
    }
    render(template, &outlined).map_or_else(|_| template.value.clone(), |rendered| rendered.text)
}

/// What is wrong with `template` whatever the channel and the commit: its form, or a name that is no fact.
pub fn check(template: &Template, facts: &Facts) -> Option<Mistake> {
    let compiled = match ENVIRONMENT.template_from_str(&template.value) {
        Ok(compiled) => compiled,
        Err(error) => {
            let why = error.detail().map_or_else(|| error.to_string(), str::to_owned);
            return Some(mistake(&template.value, &why, &template.place));
        }
    };
    let names: BTreeSet<String> = compiled.undeclared_variables(false).into_iter().collect();
    let known: BTreeSet<&str> = facts.names().collect();
    let name = names.iter().find(|name| !known.contains(name.as_str()))?;
    Some(unknown(template, name, facts))
}

fn unknown(template: &Template, name: &str, facts: &Facts) -> Mistake {
    let why = format!("there is no fact `{name}`");
    let mistake = mistake(&template.value, &why, &template.place);
    match nearest(name, facts.names()) {
        Some(near) => mistake.mend(format!("did you mean `{near}`?")),
        None => {
            let known: BTreeSet<&str> = facts.names().collect();
            let known: Vec<&str> = known.into_iter().collect();
            mistake.mend(format!("known: {}; add others under [facts]", known.join(", ")))
        }
    }
}

/// Strict, with a few filters, and without the habit of dropping a last line break.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    for name in ["lower", "upper", "replace", "trim", "default"] {
        add_filter(&mut environment, name);
    }
    environment
});

/// The facts that `template` names; none when it is malformed.
pub fn names_in(template: &Template) -> BTreeSet<String> {
    ENVIRONMENT
        .template_from_str(&template.value)
        .map(|compiled| compiled.undeclared_variables(false).into_iter().collect())
        .unwrap_or_default()
}

const LATE: [&str; 3] = ["reference", "base_name", "base_digest"];

/// Whether `template` names a fact that is known only once the graph, or a parent, is.
pub fn is_late(template: &Template) -> bool {
    names_in(template).iter().any(|fact| LATE.contains(&fact.as_str()))
}

fn mistake(text: &str, why: &str, place: &Place) -> Mistake {
    Mistake::new(format!("the template {text:?}: {why}")).at(place.clone())
}

fn add_filter(environment: &mut Environment<'_>, name: &'static str) {
    use minijinja::filters;
    match name {
        "lower" => environment.add_filter(name, filters::lower),
        "upper" => environment.add_filter(name, filters::upper),
        "replace" => environment.add_filter(name, filters::replace),
        "trim" => environment.add_filter(name, filters::trim),
        _ => environment.add_filter(name, filters::default),
    }
}

/// `text` as a tag: what a tag cannot hold becomes `-`, leading `.` and `-` are dropped, 128 characters are kept.
///
/// # Errors
/// A sentence, when nothing is left.
pub fn sanitise(text: &str) -> Result<Tag, String> {
    let mut tag = String::new();
    let mut replaced = false;
    for c in text.trim().chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            tag.push(c);
            replaced = false;
        } else if !replaced {
            tag.push('-');
            replaced = true;
        }
    }
    let mut tag = tag.trim_start_matches(['.', '-']).to_owned();
    tag.truncate(128);
    tag.parse().map_err(|_| format!("nothing of {text:?} can stand in a tag"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Placed;

    fn template(text: &str) -> Template {
        Placed { value: text.to_owned(), place: Place::new("image.toml", 3, 9) }
    }

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.set("version", "0.3.0");
        facts.set("framework", "torch");
        facts.lack("sha", "this is no git repository");
        facts
    }

    #[test]
    fn templates_are_filled() {
        for (text, expected) in [
            ("latest", "latest"),
            ("{{ version }}-{{ framework }}", "0.3.0-torch"),
            ("{{ framework|upper }}", "TORCH"),
            ("{{ version|replace('.', '_') }}", "0_3_0"),
            ("{{ version }}\n\n", "0.3.0\n\n"),
        ] {
            assert_eq!(render(&template(text), &facts()).unwrap().text, expected);
        }
    }

    #[test]
    fn missing_names_say_why() {
        let message = |text: &str| match render(&template(text), &facts()) {
            Err(Missing::Mistake(mistake)) => mistake.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            message("{{ versoin }}"),
            "image.toml:3:9: the template \"{{ versoin }}\": there is no fact `versoin`\n  mend: did you mean `version`?"
        );
        assert!(message("{{ sha }}").contains("`sha` has no value: this is no git repository"));
        assert!(message("{{ version").contains("the template"));
    }

    #[test]
    fn tags_are_made_valid() {
        for (text, expected) in [
            ("2.5.1+cu118", "2.5.1-cu118"),
            ("feature/x", "feature-x"),
            ("--.x", "x"),
            ("a  b//c", "a-b-c"),
            ("2026.3.5", "2026.3.5"),
        ] {
            assert_eq!(sanitise(text).unwrap().as_str(), expected);
        }
        assert_eq!(sanitise(&"x".repeat(200)).unwrap().as_str().len(), 128);
        assert!(sanitise("///").is_err());
        assert!(sanitise("").is_err());
    }
}
