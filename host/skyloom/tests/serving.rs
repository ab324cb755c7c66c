//! `skyloom serve` as a process, with the packed plugins of `make build`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn plugins() -> Option<PathBuf> {
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
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(plugins: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
[[listener]]
name = "cloud"
address = "127.0.0.1:0"
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

    fn command(&self) -> Command {
        self.command_with("skyloom.toml")
    }

    fn command_with(&self, file: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyloom"));
        command.arg("serve").arg("--config").arg(self.folder.path().join(file));
        command.env_remove("SKYLOOM_ADMIN_PASSWORD");
        command
    }

    fn state(&self, file: &str) -> PathBuf {
        self.folder.path().join("state").join(file)
    }

    fn start(&self) -> Running {
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

struct Running {
    child: Child,
    operator: String,
    said: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// SIGTERM, then its exit code.
    fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
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
fn http(address: &str, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

fn get(address: &str, path: &str) -> (u16, String) {
    http(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

/// Logs in with what the client file says.
fn login(world: &World) -> u16 {
    let text = std::fs::read_to_string(world.state("login.txt")).unwrap();
    let [user, password, url] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let body = serde_json::json!({"auth": {"identity": {"methods": ["password"],
        "password": {"user": {"name": user, "domain": {"id": "default"}, "password": password}}}}})
    .to_string();
    let head = format!("POST /{path}/auth/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let typed = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    http(address, &typed).0
}

#[test]
fn a_first_start_a_second_process_a_restart() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    let running = world.start();
    let password = std::fs::read_to_string(world.state("admin-password")).unwrap();
    assert!(running.said.contains(password.trim()), "shown this once: {}", running.said);
    assert_eq!(get(&running.operator, "/readyz").0, 200);
    assert_eq!(login(&world), 201);
    let metrics = get(&running.operator, "/metrics").1;
    for part in ["operation=\"tokens.issue\",status=\"201\"} 1", "skyloom_plugin_calls_total{plugin=\"identity-v3\"} 1"]
    {
        assert!(metrics.contains(part), "{part} in {metrics}");
    }

    let second = world.command().output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&format!("another skyloom (process {}) owns", running.child.id())), "{said}");

    assert_eq!(running.stop(), Some(0));
    let running = world.start();
    assert!(!running.said.contains(password.trim()), "{}", running.said);
    assert_eq!(login(&world), 201);
    // kill -9: what the kernel held is free again.
    drop(running);
    assert_eq!(world.start().stop(), Some(0));
}

#[test]
fn nobody_has_to_listen_to_what_it_says() {
    let Some(plugins) = plugins() else { return };
    for silent in [false, true] {
        let world = World::new(&plugins);
        // The reader has left before the first word.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (mut log, error) = std::io::pipe().unwrap();
        let child = world.command().stdout(writer).stderr(error).spawn().unwrap();
        let log = if silent {
            drop(log);
            None
        } else {
            Some(std::thread::spawn(move || {
                let mut text = String::new();
                log.read_to_string(&mut text).unwrap();
                text
            }))
        };
        let running = Running { child, operator: String::new(), said: String::new() };
        let limit = Instant::now() + Duration::from_mins(1);
        while !world.state("login.txt").exists() {
            assert!(Instant::now() < limit, "it does not start");
            std::thread::yield_now();
        }
        assert_eq!(login(&world), 201);
        assert_eq!(running.stop(), Some(0), "silent: {silent}");
        let log = log.map(|log| log.join().unwrap()).unwrap_or_default();
        assert!(!log.contains("panicked"), "{log}");
        assert!(silent || log.contains("listening"), "{log}");
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    assert_eq!(world.start().stop(), Some(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db =
            skyloom_store::Db::sqlite(&world.state("skyloom.db"), skyloom_store::db::Options::default()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO schema_version (version, name) VALUES (9999, 'future')", &[]).await.unwrap();
        tx.commit().await.unwrap();
        db.close().await;
    });
    let output = world.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("schema 9999"), "{said}");
}

#[test]
fn a_deployment_is_checked_without_starting_it() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    let check = |more: &str| {
        let file = world.folder.path().join("checked.toml");
        let text = std::fs::read_to_string(world.folder.path().join("skyloom.toml")).unwrap();
        std::fs::write(&file, format!("{text}{more}")).unwrap();
        let output =
            Command::new(env!("CARGO_BIN_EXE_skyloom")).arg("check").arg("--config").arg(file).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check("").0, Some(0));
    let mount = "[[mount]]\nplugin = \"identity-v3\"\nlistener = \"cloud\"\nprefix = \"/identity\"\n";
    let (code, said) = check(mount);
    assert_eq!(code, Some(2));
    assert!(said.contains("two operations claim") && said.contains("`identity-v3`"), "{said}");
    let (code, said) = check("[[plugin]]\nid = \"gone\"\nfile = \"gone.wasm\"\n");
    assert_eq!(code, Some(2));
    assert!(said.contains("plugin `gone`") && said.contains("gone.wasm"), "{said}");
    // What a first start does with the areas' settings and seeds, and with the listeners' files.
    for (more, part) in [
        ("[networks]\nmtu = 9001\n", "[networks] mtu = 9001"),
        ("[images]\nmax-image-gib = 0\n", "[images] max-image-gib"),
        ("[compute]\ndefault-zone = \"\"\n", "[compute] default-zone"),
        ("[compute.quotas]\nwishes = 3\n", "[compute.quotas] wishes"),
        ("[billing]\nperiod-minutes = 0\n", "[billing] period-minutes"),
        ("[identity.policy]\n\"wishes:grant\" = []\n", "wishes:grant is no action"),
        ("[seed.networks]\nproject = \"nobody\"\n", "project = \"nobody\""),
        ("[seed.networks.shared]\nname = \"n\"\ncidr = \"10.0.0.0/33\"\n", "10.0.0.0/33"),
        ("[[seed.images.images]]\nname = \"i\"\nfile = \"gone.raw\"\ndisk-format = \"raw\"\n", "gone.raw"),
        ("[[seed.images.images]]\nname = \"i\"\nfile = \"checked.toml\"\ndisk-format = \"qcow2\"\n", "[seed.images] i"),
        ("[[seed.billing.prices]]\nmeter = \"vcpu\"\nper-unit-hour = \"much\"\n", "much is not an amount"),
        (
            "[[listener]]\nname = \"safe\"\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"gone.pem\", key = \"k\" }\n",
            "listener `safe`",
        ),
    ] {
        let (code, said) = check(more);
        assert_eq!(code, Some(2), "{more}");
        assert!(said.contains(part) && said.lines().count() == 1, "{more}: {said}");
        // The same as the start itself says, in the same folder.
        let output = world.command_with("checked.toml").output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{more}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said.trim()), "{more}: {said} {output:?}");
        std::fs::remove_dir_all(world.folder.path().join("state")).unwrap();
    }
    let sound = "[[seed.images.images]]\nname = \"i\"\nfile = \"checked.toml\"\ndisk-format = \"raw\"\n";
    assert_eq!(check(sound).0, Some(0), "a file beside the deployment's");
    let (code, said) = check("[tariff]\nplugin = \"identity-v3\"\n");
    assert_eq!(code, Some(2));
    assert!(said.contains("a tariff is wanted here"), "{said}");
    assert!(!world.state("skyloom.db").exists(), "nothing was started");
}
