//! One life of the real process, from its start to its death.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::deployment::{Deployment, PASSWORD, program};

/// `skyloom serve`; dropped, it is killed.
#[derive(Debug)]
pub struct Life {
    child: Child,
    /// Kept open: a process whose output nobody takes dies of it.
    _stdout: BufReader<ChildStdout>,
    port: u16,
    /// Of the operator's listener.
    operator: u16,
    token: String,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.end();
    }
}

impl Life {
    /// Starts the process with these faults and waits until it listens. `token`: of an earlier life, which is still good.
    pub fn begin(deployment: &Deployment, faults: &str, token: Option<String>) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(deployment.log()).expect("a log file");
        let mut command = Command::new(program());
        command.args(["serve", "--config"]).arg(deployment.write(faults)).env("SKYLOOM_ADMIN_PASSWORD", PASSWORD);
        if let Some(programs) = &deployment.programs {
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::from(log)).spawn().expect("the program under test");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (mut port, mut operator) = (None, None);
        for line in stdout.by_ref().lines().map_while(Result::ok) {
            let told = line.split_once("http://127.0.0.1:").map(|(_, rest)| rest);
            let digits = told.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            let found = digits.and_then(|digits| digits.parse().ok());
            if line.trim_start().starts_with("operator") {
                operator = found;
            } else {
                port = port.or(found);
            }
            if line.starts_with("administrator") {
                break;
            }
        }
        let said = || std::fs::read_to_string(deployment.log()).unwrap_or_default();
        let (Some(port), Some(operator)) = (port, operator) else {
            panic!("skyloom did not say where it listens: {}", said())
        };
        let mut life = Self { child, _stdout: stdout, port, operator, token: String::new() };
        life.token = token.unwrap_or_else(|| life.login());
        life
    }

    fn login(&self) -> String {
        let login = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": "admin", "domain": { "id": "default" }, "password": PASSWORD } } },
            "scope": { "project": { "name": "admin", "domain": { "id": "default" } } },
        }});
        let (status, head, _) = self.call("POST", "/identity/v3/auth/tokens", &login).expect("an answer to the login");
        assert_eq!(status, 201, "{head}");
        let token = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-subject-token").then(|| value.trim().to_owned())
        });
        token.expect("a token")
    }

    /// By SIGKILL, if it lives.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn token(&self) -> &str {
        &self.token
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Status, head and body. None: the process has died over it.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String, Value)> {
        let (status, head, body) = self.send(self.port, method, path, body)?;
        Some((status, head, serde_json::from_str(&body).unwrap_or(Value::Null)))
    }

    /// Lays this over the configuration of a node's driver, by the operator's call.
    pub fn configure(&self, node: &str, changes: &Value) {
        let path = format!("/nodes/{node}/config");
        let (status, _, body) = self.send(self.operator, "PATCH", &path, changes).expect("the process lives");
        assert_eq!(status, 200, "{changes}: {body}");
    }

    /// The text of `/metrics`.
    pub fn metrics(&self) -> String {
        self.send(self.operator, "GET", "/metrics", &Value::Null).expect("the process lives").2
    }

    /// How many operations it works on; none: it doesn't answer.
    pub fn in_hand(&self) -> Option<u32> {
        let (_, _, text) = self.send(self.operator, "GET", "/metrics", &Value::Null)?;
        let line = text.lines().find(|line| line.starts_with("skyloom_operations_in_hand "))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    fn send(&self, port: u16, method: &str, path: &str, body: &Value) -> Option<(u16, String, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{}{}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            if port == self.operator { "authorization: Bearer " } else { "x-auth-token: " },
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, head.to_owned(), body.to_owned()))
    }

    /// Whether it was killed by SIGKILL; false: it lives. Any other end is a failure of the test.
    pub fn killed(&mut self) -> bool {
        let Some(status) = self.child.try_wait().expect("the child's state") else { return false };
        assert_eq!(status.signal(), Some(9), "the process ended otherwise: {status}");
        true
    }
}
