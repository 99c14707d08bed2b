//! The functions that bake files use. (`docker/buildx`, `bake/hclparser/stdlib.go`)

use hcl::Value;
use hcl::eval::{Context, FuncArgs, FuncDef, ParamType};

type Answer = Result<Value, String>;
type Function = fn(FuncArgs) -> Answer;

/// A context that knows the functions, and no variable.
#[expect(clippy::too_many_lines, reason = "a table, a line a function")]
pub(super) fn context() -> Context<'static> {
    let mut context = Context::new();
    let functions: [(&str, Function); 24] = [
        ("and", |args| Ok(Value::from(args.iter().all(is_true)))),
        ("or", |args| Ok(Value::from(args.iter().any(is_true)))),
        ("not", |args| Ok(Value::from(!args.first().is_some_and(is_true)))),
        ("equal", |args| Ok(Value::from(args.first() == args.get(1)))),
        ("notequal", |args| Ok(Value::from(args.first() != args.get(1)))),
        ("upper", |args| Ok(Value::from(text(&args, 0)?.to_uppercase()))),
        ("lower", |args| Ok(Value::from(text(&args, 0)?.to_lowercase()))),
        ("trimspace", |args| Ok(Value::from(text(&args, 0)?.trim()))),
        ("trimprefix", |args| {
            let whole = text(&args, 0)?;
            Ok(Value::from(whole.strip_prefix(&text(&args, 1)?).unwrap_or(&whole)))
        }),
        ("trimsuffix", |args| {
            let whole = text(&args, 0)?;
            Ok(Value::from(whole.strip_suffix(&text(&args, 1)?).unwrap_or(&whole)))
        }),
        ("replace", |args| {
            Ok(Value::from(text(&args, 0)?.replace(&text(&args, 1)?, &text(&args, 2)?)))
        }),
        ("sanitize", |args| {
            let plain =
                |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
            Ok(Value::from(text(&args, 0)?.chars().map(plain).collect::<String>()))
        }),
        ("split", |args| {
            let (by, whole) = (text(&args, 0)?, text(&args, 1)?);
            Ok(Value::Array(whole.split(by.as_str()).map(Value::from).collect()))
        }),
        ("join", |args| {
            let texts: Result<Vec<String>, String> = list(&args, 1)?.iter().map(shown).collect();
            Ok(Value::from(texts?.join(&text(&args, 0)?)))
        }),
        ("concat", |args| {
            let lists = (0..args.len()).map(|n| list(&args, n)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::Array(lists.concat()))
        }),
        ("compact", |args| {
            let kept = list(&args, 0)?
                .into_iter()
                .filter(|item| item.as_str() != Some("") && !item.is_null());
            Ok(Value::Array(kept.collect()))
        }),
        ("distinct", |args| {
            let mut kept: Vec<Value> = Vec::new();
            for item in list(&args, 0)? {
                if !kept.contains(&item) {
                    kept.push(item);
                }
            }
            Ok(Value::Array(kept))
        }),
        ("flatten", |args| {
            let flat = list(&args, 0)?.into_iter().flat_map(|item| match item {
                Value::Array(items) => items,
                item => vec![item],
            });
            Ok(Value::Array(flat.collect()))
        }),
        ("contains", |args| {
            Ok(Value::from(
                args.get(1).is_some_and(|item| list(&args, 0).is_ok_and(|all| all.contains(item))),
            ))
        }),
        ("element", |args| {
            let number =
                args.get(1).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
            let items = list(&args, 0)?;
            number
                .and_then(|number| items.get(number).cloned())
                .ok_or_else(|| "there is no such element".to_owned())
        }),
        ("length", |args| match args.first() {
            Some(Value::Array(items)) => Ok(Value::from(items.len())),
            Some(Value::Object(entries)) => Ok(Value::from(entries.len())),
            _ => Ok(Value::from(text(&args, 0)?.chars().count())),
        }),
        ("coalesce", |args| {
            let known = args.iter().find(|value| !value.is_null() && value.as_str() != Some(""));
            known.cloned().ok_or_else(|| "all are empty".to_owned())
        }),
        ("lookup", |args| {
            let entry = args
                .first()
                .and_then(Value::as_object)
                .and_then(|map| map.get(&text(&args, 1).ok()?));
            entry.or(args.get(2)).cloned().ok_or_else(|| "there is no such key".to_owned())
        }),
        ("format", |args| {
            let mut whole = text(&args, 0)?;
            for value in args.iter().skip(1) {
                let at = ["%s", "%d", "%v", "%q"].iter().filter_map(|verb| whole.find(verb)).min();
                let at = at.ok_or_else(|| "there are more values than places".to_owned())?;
                whole.replace_range(at..at + 2, &shown(value)?);
            }
            Ok(Value::from(whole))
        }),
    ];
    for (name, function) in functions {
        context
            .declare_func(name, FuncDef::builder().variadic_param(ParamType::Any).build(function));
    }
    context
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true) || value.as_str() == Some("true")
}

fn shown(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err("that is no text".to_owned()),
    }
}

fn text(args: &FuncArgs, number: usize) -> Result<String, String> {
    args.get(number).map_or_else(|| Err("an argument is missing".to_owned()), shown)
}

fn list(args: &FuncArgs, number: usize) -> Result<Vec<Value>, String> {
    args.get(number).and_then(Value::as_array).cloned().ok_or_else(|| "that is no list".to_owned())
}
