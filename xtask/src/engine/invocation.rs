//! A command as a value: what dry run, echo, error message and execution share.

use std::ffi::OsString;
use std::fmt;
use std::process::Output;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::child::{self, Stopped};
use super::environment::Environment;
use super::failure::{Failure, Why, last_lines};

/// How long a short question may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A program with its arguments, folder and variables of its own. No shell is ever between us and it.
///
/// `Display` gives what a person can paste into a POSIX shell; a secret stands there as `NAME="$NAME"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    program: String,
    args: Vec<String>,
    variables: Vec<Variable>,
    folder: Option<Utf8PathBuf>,
    environment: Option<Environment>,
    stdin: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
struct Variable {
    name: String,
    value: String,
    secret: bool,
}

impl Invocation {
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            variables: Vec::new(),
            folder: None,
            environment: None,
            stdin: None,
        }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn args<I: IntoIterator<Item: Into<String>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable beside the allow-listed ones.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push(Variable { name: name.into(), value: value.into(), secret: false });
        self
    }

    /// A variable whose value is shown nowhere.
    #[must_use]
    pub fn secret_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.push(Variable { name: name.into(), value: value.into(), secret: true });
        self
    }

    #[must_use]
    pub fn folder(mut self, folder: impl Into<Utf8PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Takes the allow-listed variables from `environment` instead of from this process.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// What it reads from stdin, instead of nothing. Not shown.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Program and arguments, as `plan --json` shows them.
    pub fn argv(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.program.as_str()).chain(self.args.iter().map(String::as_str))
    }

    pub fn working_folder(&self) -> Option<&Utf8Path> {
        self.folder.as_deref()
    }

    /// For what runs long, is streamed or killed: with the allow-listed environment and no error for a
    /// status other than 0 (`unchecked`). Wait with [`super::wait`].
    pub fn duct(&self) -> duct::Expression {
        let expression =
            duct::cmd(&self.program, &self.args).full_env(self.full_environment()).unchecked();
        let expression = match &self.stdin {
            Some(text) => expression.stdin_bytes(text.as_bytes()),
            None => expression.stdin_null(),
        };
        match &self.folder {
            Some(folder) => expression.dir(folder),
            None => expression,
        }
    }

    /// The stdout of a short question, without the last line break; 30 s at most.
    pub fn read(&self) -> Result<String, Failure> {
        self.read_within(LIMIT)
    }

    /// As [`read`](Self::read), with a time limit of one's own.
    pub fn read_within(&self, limit: Duration) -> Result<String, Failure> {
        let output = self.output(&self.duct(), Some(limit))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        Ok(text)
    }

    /// Runs to the end without a time limit; only what it says when it fails is kept.
    pub fn run(&self) -> Result<(), Failure> {
        self.output(&self.duct(), None).map(drop)
    }

    /// For tidying up: runs to the end, 30 s at most, also when we are interrupted.
    pub fn run_regardless(&self) -> Result<(), Failure> {
        let failure = |why, stderr: &[u8]| Failure {
            command: self.to_string(),
            why,
            stderr: last_lines(stderr),
        };
        let handle = self
            .duct()
            .stdout_null()
            .stderr_capture()
            .start()
            .map_err(|error| failure(Why::NotStarted(error), &[]))?;
        match handle.wait_timeout(LIMIT) {
            Ok(Some(output)) if output.status.success() => Ok(()),
            Ok(Some(output)) => Err(failure(Why::Status(output.status.code()), &output.stderr)),
            Ok(None) => {
                child::end(&handle);
                Err(failure(Why::Stopped(Stopped::TimedOut(LIMIT)), &[]))
            }
            Err(error) => Err(failure(Why::NotStarted(error), &[])),
        }
    }

    /// Runs with this process's own stdin, stdout and stderr; the program's status, or 128 and more where a signal
    /// ended it, as a shell says it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run_attached(&self) -> Result<i32, Failure> {
        let failure = |why| Failure { command: self.to_string(), why, stderr: String::new() };
        let expression =
            duct::cmd(&self.program, &self.args).full_env(self.full_environment()).unchecked();
        let expression = match &self.folder {
            Some(folder) => expression.dir(folder),
            None => expression,
        };
        let output = expression.run().map_err(|error| failure(Why::NotStarted(error)))?;
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&output.status) {
            return Ok(128 + signal);
        }
        Ok(output.status.code().unwrap_or(1))
    }

    fn output(
        &self,
        expression: &duct::Expression,
        limit: Option<Duration>,
    ) -> Result<Output, Failure> {
        let failure = |why, stderr: &[u8]| Failure {
            command: self.to_string(),
            why,
            stderr: last_lines(stderr),
        };
        let handle = expression
            .stdout_capture()
            .stderr_capture()
            .start()
            .map_err(|error| failure(Why::NotStarted(error), &[]))?;
        match child::wait(&handle, limit) {
            Ok(output) if output.status.success() => Ok(output.clone()),
            Ok(output) => {
                // Some programs say why on stdout.
                let said = if output.stderr.trim_ascii().is_empty() {
                    &output.stdout
                } else {
                    &output.stderr
                };
                Err(failure(Why::Status(output.status.code()), said))
            }
            Err(stopped) => Err(failure(Why::Stopped(stopped), &[])),
        }
    }

    fn full_environment(&self) -> Vec<(OsString, OsString)> {
        let environment = self.environment.clone().unwrap_or_else(Environment::of_process);
        let allowed =
            environment.allowed().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let own =
            self.variables.iter().map(|own| (own.name.clone().into(), own.value.clone().into()));
        allowed.chain(own).collect()
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(folder) = &self.folder {
            write!(f, "(cd {} && ", quoted(folder.as_str()))?;
        }
        for Variable { name, value, secret } in &self.variables {
            if *secret {
                write!(f, "{name}=\"${name}\" ")?;
            } else {
                write!(f, "{name}={} ", quoted(value))?;
            }
        }
        // A first word with `=` would be an assignment.
        if self.program.contains('=') {
            write!(f, "'{}'", self.program.replace('\'', r"'\''"))?;
        } else {
            f.write_str(&quoted(&self.program))?;
        }
        for arg in &self.args {
            write!(f, " {}", quoted(arg))?;
        }
        if self.folder.is_some() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.secret { "…" } else { &self.value };
        write!(f, "{}={value}", self.name)
    }
}

/// `text` as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_can_be_pasted() {
        let command = Invocation::new("docker")
            .args(["build", "--label", "a=it's $HOME", "", "x\ny"])
            .env("DOCKER_HOST", "unix:///a b")
            .secret_env("TOKEN", "hunter2")
            .folder("/some where");
        assert_eq!(
            command.to_string(),
            "(cd '/some where' && DOCKER_HOST='unix:///a b' TOKEN=\"$TOKEN\" \
             docker build --label 'a=it'\\''s $HOME' '' 'x\ny')"
        );
        assert!(!format!("{command:?}").contains("hunter2"));
        assert_eq!(Invocation::new("a=b").to_string(), "'a=b'");
    }

    #[cfg(unix)]
    #[test]
    fn the_pasted_command_gives_the_same_words() {
        let words = ["a b", "it's", "$(date)", "*", "~", "\\", "\"", "", "-n", "`id`", "é\n"];
        let command = Invocation::new("printf").arg("%s|").args(words);
        let direct = command.read().unwrap();
        let pasted = Invocation::new("sh").args(["-c", &command.to_string()]).read().unwrap();
        assert_eq!(direct, pasted);
        assert_eq!(direct, words.map(|word| format!("{word}|")).concat());
    }

    #[cfg(unix)]
    #[test]
    fn a_child_sees_only_what_is_allowed() {
        let environment = Environment::default()
            .with("PATH", std::env::var("PATH").unwrap())
            .with("SOURCE_DATE_EPOCH", "1")
            .with("LC_ALL", "C");
        let seen = Invocation::new("env").environment(environment).env("OWN", "2").read().unwrap();
        let mut names: Vec<&str> = seen.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["LC_ALL", "OWN", "PATH"]);
    }

    #[cfg(unix)]
    #[test]
    fn failures_say_what_ran_and_why() {
        let failed =
            Invocation::new("ls").arg("/does/not/exist").env("LC_ALL", "C").read().unwrap_err();
        assert!(
            failed
                .to_string()
                .starts_with("`LC_ALL=C ls /does/not/exist` ended with status 2\n  ls: ")
        );
        let slow =
            Invocation::new("sleep").arg("5").read_within(Duration::from_millis(80)).unwrap_err();
        assert!(slow.is_timeout(), "{slow}");
        let missing = Invocation::new("no-such-program").read().unwrap_err();
        assert!(matches!(missing.why, Why::NotStarted(_)), "{missing}");
    }
}
