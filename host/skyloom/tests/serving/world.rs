//! A deployment of a test, and a little of HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub fn plugins() -> Option<PathBuf> {
    let beside = || Some(Path::new(env!("CARGO_BIN_EXE_skyloom")).parent()?.parent()?.join("plugins"));
    let folder = std::env::var_os("SKYLOOM_PLUGINS").map(PathBuf::from).or_else(beside)?;
    if folder.join("identity-v3.wasm").exists() {
        return Some(folder);
    }
    println!("SKIPPED: packed plugins");
    if let Some(file) = std::env::var_os("SKYLOOM_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        writeln!(file, "skyloom serve: packed plugins are missing (make build)").unwrap();
    }
    None
}

/// A small deployment on free ports, in a folder that goes with it.
pub struct World {
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new(plugins: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
[[listener]]
name = "cloud"
address = "localhost:0"
[operator]
address = "127.0.0.1:0"
[[plugin]]
id = "identity-v3"
file = "{0}/identity-v3.wasm"
grants = ["identity"]
[[mount]]
plugin = "identity-v3"
listener = "cloud"
prefix = "/identity"
[identity]
insecure-test-password-cost = true
[[client-file]]
name = "login.txt"
text = "{{user}} {{password}} {{url:identity-v3}}"
"#,
            plugins.display()
        );
        std::fs::write(folder.path().join("skyloom.toml"), text).unwrap();
        Self { folder }
    }

    pub fn command(&self) -> Command {
        self.command_with("skyloom.toml")
    }

    pub fn command_with(&self, file: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyloom"));
        command.arg("serve").arg("--config").arg(self.folder.path().join(file));
        command.env_remove("SKYLOOM_ADMIN_PASSWORD");
        command
    }

    pub fn state(&self, file: &str) -> PathBuf {
        self.folder.path().join("state").join(file)
    }

    pub fn start(&self) -> Running {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let mut operator = String::new();
        while let Some(Ok(line)) = lines.next() {
            if let Some(rest) = line.trim().strip_prefix("operator") {
                operator = rest.trim().split("//").nth(1).unwrap().split('/').next().unwrap().to_owned();
            }
            let last = line.contains("login.txt");
            said.push(line);
            if last {
                break;
            }
        }
        if operator.is_empty() {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("it did not start: {error}");
        }
        Running { child, operator, said: said.join("\n") }
    }
}

pub struct Running {
    pub child: Child,
    pub operator: String,
    pub said: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// SIGTERM, then its exit code.
    pub fn stop(self) -> Option<i32> {
        self.signal("-TERM");
        self.ended()
    }

    pub fn ended(mut self) -> Option<i32> {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < limit, "it does not stop");
            std::thread::yield_now();
        }
    }
}

/// Status and whole answer.
pub fn http(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

pub fn get(address: &str, path: &str) -> (u16, String) {
    http(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

/// Logs in with what the client file says.
pub fn login(world: &World) -> u16 {
    let text = std::fs::read_to_string(world.state("login.txt")).unwrap();
    let [user, password, _] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    login_as(world, user, password)
}

pub fn login_as(world: &World, user: &str, password: &str) -> u16 {
    let text = std::fs::read_to_string(world.state("login.txt")).unwrap();
    let url = text.split(' ').next_back().unwrap();
    let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let body = serde_json::json!({"auth": {"identity": {"methods": ["password"],
        "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}}}}})
    .to_string();
    let head = format!("POST /{path}/auth/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let typed = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    http(address, &typed).0
}
