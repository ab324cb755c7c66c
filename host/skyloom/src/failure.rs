//! How a command ends when it doesn't end well.

use std::process::ExitCode;

/// Lines for a person on standard error, and the exit code.
#[derive(Debug)]
pub struct Failure {
    lines: Vec<String>,
    code: u8,
}

impl Failure {
    /// The work failed: exit code 1.
    pub fn new(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], code: 1 }
    }

    /// The work failed in several ways: exit code 1.
    pub fn many(lines: Vec<String>) -> Self {
        Self { lines, code: 1 }
    }

    /// The command line or a configuration file is wrong: exit code 2.
    pub fn config(lines: Vec<String>) -> Self {
        Self { lines, code: 2 }
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    pub fn report(&self) -> ExitCode {
        for line in &self.lines {
            tell!("{line}");
        }
        ExitCode::from(self.code)
    }
}

/// The internal half is for the operator, who is whom we talk to here.
impl From<skyloom_model::Error> for Failure {
    fn from(error: skyloom_model::Error) -> Self {
        Self::new(match error.internal_text() {
            Some(internal) => format!("{} ({internal})", error.message),
            None => error.message,
        })
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
