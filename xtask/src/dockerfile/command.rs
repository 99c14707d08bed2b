//! From a logical line to an instruction: its flags and words checked, what it says taken apart.
//! (`instructions/parse.go`)

use super::heredoc;
use super::instruction::{Command, Copy, Instruction};
use super::lines::Logical;
use super::mount;
use super::table::{self, Form, Known};
use super::words;

/// How lenient to be: another frontend (`# syntax=`) may know more instructions and flags.
#[derive(Clone, Copy)]
pub(super) struct Frontend {
    pub escape: char,
    pub other: bool,
}

/// What is wrong, and how to mend it.
pub(super) type Wrong = (String, Option<String>);

pub(super) fn parse(line: &Logical, frontend: Frontend) -> Result<Instruction, Wrong> {
    let known = table::find(&line.split.keyword);
    let mut instruction = Instruction {
        keyword: line.split.keyword.to_ascii_uppercase(),
        flags: line.split.flags.clone(),
        rest: line.split.rest.clone(),
        argv: Vec::new(),
        json: false,
        heredocs: line.heredocs.clone(),
        line: line.first,
        last_line: line.last,
        stage: None,
        command: Command::Unknown,
        unknown_flags: Vec::new(),
    };
    let Some(known) = known else {
        return if frontend.other { Ok(instruction) } else { Err(unknown(&line.split.keyword)) };
    };
    let say = |what: String| (what, None);
    cut(&mut instruction, frontend).map_err(say)?;
    if known.checks_flags && !is_healthcheck_none(&instruction) {
        check_flags(&mut instruction, known, frontend)?;
    }
    instruction.command = command(&instruction, &line.text, frontend).map_err(say)?;
    Ok(instruction)
}

fn unknown(keyword: &str) -> Wrong {
    let what = format!("{keyword:?} is no instruction");
    let near = table::INSTRUCTIONS
        .iter()
        .map(|known| {
            (strsim::damerau_levenshtein(known.keyword, &keyword.to_ascii_uppercase()), known)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2);
    (what, near.map(|(_, known)| format!("did you mean {}?", known.keyword)))
}

/// Cuts the rest into words as the instruction asks.
fn cut(instruction: &mut Instruction, frontend: Frontend) -> Result<(), String> {
    let rest = instruction.rest.as_str();
    let one = || if rest.is_empty() { Vec::new() } else { vec![rest.to_owned()] };
    let list = match instruction.keyword.as_str() {
        "ADD" | "COPY" | "VOLUME" => words::json(rest)?.ok_or_else(|| words::by_blanks(rest)),
        "CMD" | "ENTRYPOINT" | "RUN" | "SHELL" => words::json(rest)?.ok_or_else(one),
        "EXPOSE" | "FROM" => Err(words::by_blanks(rest)),
        "ARG" => Err(words::by_quotes(rest, frontend.escape)),
        "HEALTHCHECK" => {
            let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let mut argv = if kind.is_empty() { Vec::new() } else { vec![kind.to_owned()] };
            let json = words::json(command.trim_start())?;
            instruction.json = json.is_some();
            argv.extend(json.unwrap_or_else(|| {
                let command = command.trim_start();
                if command.is_empty() { Vec::new() } else { vec![command.to_owned()] }
            }));
            Err(argv)
        }
        _ => Err(one()),
    };
    match list {
        Ok(json) => (instruction.argv, instruction.json) = (json, true),
        Err(argv) => instruction.argv = argv,
    }
    Ok(())
}

fn is_healthcheck_none(instruction: &Instruction) -> bool {
    instruction.keyword == "HEALTHCHECK"
        && instruction.argv.first().is_some_and(|kind| kind.eq_ignore_ascii_case("none"))
}

fn check_flags(
    instruction: &mut Instruction,
    known: &Known,
    frontend: Frontend,
) -> Result<(), Wrong> {
    let mut used: Vec<&str> = Vec::new();
    for flag in &instruction.flags {
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag.as_str(), None),
        };
        let Some(flag) = known.flags.iter().find(|flag| name.strip_prefix("--") == Some(flag.name))
        else {
            if frontend.other {
                instruction.unknown_flags.push(name.to_owned());
                continue;
            }
            return Err((
                format!("{} has no flag {name}", known.keyword),
                nearest_flag(known, name),
            ));
        };
        if flag.form != Form::Texts && used.contains(&flag.name) {
            return Err((format!("{name} is given twice"), None));
        }
        used.push(flag.name);
        let lower = value.map(str::to_ascii_lowercase);
        match (flag.form, lower.as_deref()) {
            (Form::Bool, None | Some("true" | "false")) | (Form::Text | Form::Texts, Some(_)) => {}
            (Form::Bool, Some(_)) => return Err((format!("{name} is true or false"), None)),
            (_, None) => return Err((format!("{name} needs a value"), None)),
        }
    }
    Ok(())
}

fn nearest_flag(known: &Known, name: &str) -> Option<String> {
    known
        .flags
        .iter()
        .map(|flag| {
            (strsim::damerau_levenshtein(flag.name, name.trim_start_matches('-')), flag.name)
        })
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, name)| format!("did you mean --{name}?"))
}

fn command(instruction: &Instruction, text: &str, frontend: Frontend) -> Result<Command, String> {
    let argv = &instruction.argv;
    let keyword = instruction.keyword.as_str();
    let at_least_one = || {
        let first = argv.first().ok_or_else(|| format!("{keyword} needs at least one argument"));
        first.map(|_| ())
    };
    let exactly_one = || match argv.len() {
        1 => Ok(()),
        _ => Err(format!("{keyword} needs exactly one argument")),
    };
    Ok(match keyword {
        "FROM" => from(instruction)?,
        "ARG" => {
            at_least_one()?;
            Command::Arg(arguments(argv)?)
        }
        "ENV" => Command::Env(words::pairs(&instruction.rest, keyword, frontend.escape)?),
        "LABEL" => Command::Label(words::pairs(&instruction.rest, keyword, frontend.escape)?),
        "COPY" | "ADD" => Command::Copy(copy(instruction)?),
        "RUN" => {
            let mounts: Vec<String> = instruction.flag_values("mount").map(str::to_owned).collect();
            mounts.iter().try_for_each(|mount| mount::check(mount))?;
            check_network(instruction)?;
            Command::Run { mounts }
        }
        "WORKDIR" | "USER" | "STOPSIGNAL" => {
            exactly_one()?;
            Command::Expanded(argv.clone())
        }
        "EXPOSE" | "VOLUME" => {
            at_least_one()?;
            if keyword == "VOLUME" && argv.iter().any(|volume| volume.trim().is_empty()) {
                return Err("VOLUME has an empty path".to_owned());
            }
            Command::Expanded(argv.iter().map(|word| word.trim().to_owned()).collect())
        }
        "ONBUILD" => Command::Onbuild(trigger(instruction, text, frontend)?),
        "SHELL" => {
            at_least_one()?;
            if !instruction.json {
                return Err("SHELL needs the form of a JSON array".to_owned());
            }
            Command::Plain
        }
        "MAINTAINER" => {
            exactly_one()?;
            Command::Plain
        }
        "HEALTHCHECK" => {
            at_least_one()?;
            check_health(argv)?;
            Command::Plain
        }
        _ => Command::Plain,
    })
}

fn from(instruction: &Instruction) -> Result<Command, String> {
    let (base, name) = match instruction.argv.as_slice() {
        [base] => (base, None),
        [base, as_, name] if as_.eq_ignore_ascii_case("as") => (base, Some(stage_name(name)?)),
        _ => return Err("FROM is written `FROM [--platform=P] IMAGE [AS NAME]`".to_owned()),
    };
    let platform = instruction.flag("platform").filter(|platform| !platform.is_empty());
    Ok(Command::From { base: base.clone(), platform: platform.map(str::to_owned), name })
}

fn stage_name(written: &str) -> Result<String, String> {
    let name = written.to_lowercase();
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if !valid {
        return Err(format!(
            "{written:?} is no name for a stage: a letter, then letters, digits, `-`, `_` and `.`"
        ));
    }
    Ok(name)
}

fn arguments(argv: &[String]) -> Result<Vec<(String, Option<String>)>, String> {
    argv.iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err("ARG has a blank name".to_owned()),
            Some((name, default)) => Ok((name.to_owned(), Some(default.to_owned()))),
            None => Ok((word.clone(), None)),
        })
        .collect()
}

fn copy(instruction: &Instruction) -> Result<Copy, String> {
    let add = instruction.keyword == "ADD";
    let Some((destination, sources)) =
        instruction.argv.split_last().filter(|(_, sources)| !sources.is_empty())
    else {
        return Err(format!("{} needs a source and a destination", instruction.keyword));
    };
    let is_heredoc = |word: &String| matches!(heredoc::parse(word), Ok(Some(_)));
    if is_heredoc(destination) {
        return Err(format!("the destination of {} is a heredoc", instruction.keyword));
    }
    let owned = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    let is_on =
        |name: &str| instruction.flag(name).is_some_and(|v| !v.eq_ignore_ascii_case("false"));
    Ok(Copy {
        add,
        from: owned(instruction.flag("from")).filter(|_| !add),
        sources: sources.iter().filter(|source| !is_heredoc(source)).cloned().collect(),
        destination: destination.clone(),
        excludes: instruction.flag_values("exclude").map(str::to_owned).collect(),
        parents: !add && is_on("parents"),
        checksum: owned(instruction.flag("checksum")).filter(|_| add),
        ownership: ["chown", "chmod"]
            .iter()
            .filter_map(|flag| owned(instruction.flag(flag)))
            .collect(),
    })
}

fn check_network(instruction: &Instruction) -> Result<(), String> {
    match instruction.flag("network") {
        None | Some("default" | "none" | "host") => {}
        Some(other) => return Err(format!("{other:?} is no network: default, none or host")),
    }
    match instruction.flag("security") {
        None | Some("sandbox" | "insecure") => Ok(()),
        Some(other) => Err(format!("{other:?} is no security mode: sandbox or insecure")),
    }
}

fn check_health(argv: &[String]) -> Result<(), String> {
    match argv {
        [kind] if kind.eq_ignore_ascii_case("none") => Ok(()),
        [kind, ..] if kind.eq_ignore_ascii_case("none") => {
            Err("HEALTHCHECK NONE takes no arguments".to_owned())
        }
        [kind] if kind.eq_ignore_ascii_case("cmd") => {
            Err("HEALTHCHECK CMD has no command".to_owned())
        }
        [kind, ..] if kind.eq_ignore_ascii_case("cmd") => Ok(()),
        _ => Err("HEALTHCHECK is followed by NONE or CMD".to_owned()),
    }
}

/// The instruction behind `ONBUILD`, with its heredocs, as BuildKit stores it in the image.
fn trigger(instruction: &Instruction, text: &str, frontend: Frontend) -> Result<String, String> {
    if instruction.rest.is_empty() {
        return Err("ONBUILD needs an instruction".to_owned());
    }
    let split = words::split(&instruction.rest, frontend.escape);
    let keyword = split.keyword.to_ascii_uppercase();
    if matches!(keyword.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
        return Err(format!("{keyword} cannot be an ONBUILD trigger"));
    }
    let text = text.trim_start();
    let mut trigger = text.get("ONBUILD".len()..).unwrap_or_default().trim_start().to_owned();
    for heredoc in &instruction.heredocs {
        trigger.push('\n');
        trigger.push_str(&heredoc.body);
        trigger.push_str(&heredoc.word);
    }
    Ok(trigger)
}
