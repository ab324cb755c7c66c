//! `skyloom serve` as a process, over HTTP, and what is taken away from under it.

mod http;
mod place;
mod postgres;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use http::{Answer, Upload, download, get};
pub use place::SmallDisk;
pub use postgres::Cluster;

/// For everything that ends by itself; a machine that is busy with other tests is slow.
pub const PATIENCE: Duration = Duration::from_mins(2);
const PASSWORD: &str = "the-test's-own-password";
const LAPTOP: &str = include_str!("../../../examples/deployments/laptop/skyloom.toml");

/// Says that a test cannot run here, so that it is counted.
///
/// # Panics
/// When the list of skipped tests can't be written.
pub fn skip(test: &str, reason: &str) {
    println!("SKIPPED: {test}: {reason}");
    if let Some(file) = std::env::var_os("SKYLOOM_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).expect("the list of skips");
        writeln!(file, "{test}: {reason}").expect("the list of skips");
    }
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none in time.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn release() -> PathBuf {
    let exe = std::env::current_exe().expect("a path of this test");
    exe.ancestors().nth(2).expect("target/debug").to_owned()
}

/// The laptop's deployment on free ports with what a test changes, in a folder that goes with it.
pub struct World {
    folder: tempfile::TempDir,
    config: toml::Table,
}

impl World {
    /// `changes` are laid over the laptop's deployment: tables key by key, an array whole. None: `make build` was not run.
    ///
    /// # Panics
    /// When the changes are no TOML.
    pub fn new(test: &str, changes: &str) -> Option<Self> {
        let plugins =
            std::env::var_os("SKYLOOM_PLUGINS").map_or_else(|| release().with_file_name("plugins"), PathBuf::from);
        if !binary().exists() || !plugins.join("identity-v3.wasm").exists() {
            skip(test, "the program or its packed plugins are missing (make build)");
            return None;
        }
        let mut config: toml::Table = toml::from_str(LAPTOP).expect("the laptop's deployment");
        config.remove("state");
        for listener in tables(&mut config, "listener") {
            listener.insert("address".to_owned(), "127.0.0.1:0".into());
        }
        for plugin in tables(&mut config, "plugin") {
            let file = Path::new(plugin["file"].as_str().expect("a file")).file_name().expect("a name").to_owned();
            plugin.insert("file".to_owned(), plugins.join(file).to_string_lossy().into_owned().into());
        }
        let mut world = Self { folder: tempfile::tempdir().expect("a temporary folder"), config };
        world.change("[operator]\naddress = \"127.0.0.1:0\"\n[identity]\ninsecure-test-password-cost = true\n");
        world.change(changes);
        Some(world)
    }

    /// Holds from the next start on.
    ///
    /// # Panics
    /// When the changes are no TOML.
    pub fn change(&mut self, changes: &str) {
        lay(&mut self.config, toml::from_str(changes).expect("TOML"));
        let text = toml::to_string(&self.config).expect("TOML");
        std::fs::write(self.file("skyloom.toml"), text).expect("the deployment file");
    }

    /// The table of a plugin in the deployment, to be changed; [`World::change`] writes it.
    ///
    /// # Panics
    /// When there is no such plugin.
    pub fn plugin(&mut self, id: &str) -> &mut toml::Table {
        let mut found = tables(&mut self.config, "plugin").filter(|plugin| plugin["id"].as_str() == Some(id));
        found.next().expect("the plugin")
    }

    /// Of a plugin's first mount; empty for the root, and for what is no plugin.
    fn prefix(&self, plugin: &str) -> String {
        let mounts = self.config["mount"].as_array().expect("mounts");
        let mount = mounts.iter().find(|mount| mount["plugin"].as_str() == Some(plugin));
        let prefix = mount.and_then(|mount| mount["prefix"].as_str()).unwrap_or_default();
        prefix.trim_end_matches('/').to_owned()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the state folder.
    pub fn state(&self, name: &str) -> PathBuf {
        self.file("state").join(name)
    }

    /// A verb of the program about this deployment.
    ///
    /// # Panics
    /// When the program can't be started.
    pub fn run(&self, verb: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(verb).arg("--config").arg(self.file("skyloom.toml")).arg("--state-dir").arg(self.file("state"));
        command.output().expect("the program starts")
    }

    pub fn start(&self) -> Server {
        self.start_beside(&self.file("state"))
    }

    /// With a state folder of its own.
    pub fn start_beside(&self, state: &Path) -> Server {
        self.start_with(Command::new(binary()), state)
    }

    /// `command` runs the program.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_with(&self, mut command: Command, state: &Path) -> Server {
        let log = self.file(&format!("log-{}", state.file_name().unwrap_or_default().display()));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        command.arg("serve").arg("--config").arg(self.file("skyloom.toml")).arg("--state-dir").arg(state);
        command.env("SKYLOOM_ADMIN_PASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().expect("the program starts");
        let mut places = BTreeMap::new();
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        for line in lines.by_ref() {
            if line.starts_with("administrator") {
                break;
            }
            if let Some((name, url)) = line.trim().split_once(" http://") {
                let url = url.split_whitespace().next().unwrap_or_default().to_owned();
                let address = url.split('/').next().unwrap_or_default().to_owned();
                // Of two mounts of one plugin the first is meant.
                places.entry(name.trim().to_owned()).or_insert_with_key(|name| (address, self.prefix(name)));
            }
        }
        // A process whose output nobody takes dies of it.
        std::thread::spawn(move || lines.for_each(drop));
        let mut server = Server { child, places, log, token: String::new() };
        assert!(server.places.contains_key("operator"), "it did not start: {}", server.log());
        server.login();
        server
    }
}

/// The program.
pub fn binary() -> PathBuf {
    std::env::var_os("SKYLOOM_BIN").map_or_else(|| release().join("skyloom"), PathBuf::from)
}

fn tables<'a>(config: &'a mut toml::Table, key: &str) -> impl Iterator<Item = &'a mut toml::Table> {
    let array = config.get_mut(key).and_then(toml::Value::as_array_mut).expect("an array of tables");
    array.iter_mut().filter_map(toml::Value::as_table_mut)
}

fn lay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(value)) => lay(table, value),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// A running process; it dies with this value.
pub struct Server {
    child: Child,
    /// Address and prefix of each plugin's first mount, and of `operator`.
    places: BTreeMap<String, (String, String)>,
    log: PathBuf,
    pub token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("its log:\n{}", self.log());
        }
    }
}

impl Server {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and its end.
    ///
    /// # Panics
    /// When it doesn't end well.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        let status = until("its end", || self.child.try_wait().expect("the child's state"));
        assert!(status.success(), "{status}");
    }

    fn login(&mut self) {
        let answer = self.ask_for_a_token();
        assert_eq!(answer.status, 201, "{}", answer.text);
        self.token = answer.header("x-subject-token").expect("a token").to_owned();
    }

    pub fn ask_for_a_token(&self) -> Answer {
        let login = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": "admin", "domain": { "id": "default" }, "password": PASSWORD } } },
            "scope": { "project": { "name": "admin", "domain": { "id": "default" } } },
        }});
        self.call("identity-v3", "POST", "/v3/auth/tokens", &login)
    }

    /// Address, and path of a plugin's operation; `path` follows the prefix of the mount.
    ///
    /// # Panics
    /// When no such plugin was announced.
    pub fn place(&self, plugin: &str, path: &str) -> (&str, String) {
        let place = self.places.get(plugin);
        let (address, prefix) = place.unwrap_or_else(|| panic!("{plugin} is not in {:?}", self.places));
        (address, format!("{prefix}{path}"))
    }

    /// An operation with the administrator's token; `null` is no body.
    pub fn call(&self, plugin: &str, method: &str, path: &str, body: &Value) -> Answer {
        let (address, path) = self.place(plugin, path);
        http::call(address, method, &path, &self.token, body)
    }

    /// Its answer must be a success.
    ///
    /// # Panics
    /// When it is none.
    pub fn good(&self, plugin: &str, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(plugin, method, path, body);
        assert!((200..300).contains(&answer.status), "{plugin} {method} {path}: {} {}", answer.status, answer.text);
        answer.json()
    }

    fn operator(&self) -> &str {
        &self.places["operator"].0
    }

    /// Status and words of `/readyz`.
    pub fn ready(&self) -> (u16, String) {
        let answer = get(self.operator(), "/readyz");
        (answer.status, answer.text)
    }

    pub fn alive(&self) -> u16 {
        get(self.operator(), "/healthz").status
    }

    /// The value of a metric by its name and labels; none: it isn't told.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = get(self.operator(), "/metrics").text;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Id of the image that a fresh cloud has.
    ///
    /// # Panics
    /// When there is none.
    pub fn image(&self) -> String {
        let images = self.good("image-v2", "GET", "/v2/images", &Value::Null);
        images["images"][0]["id"].as_str().expect("an image").to_owned()
    }

    /// The body of a request for a server.
    pub fn server_body(&self, name: &str, image: &str) -> Value {
        json!({ "server": { "name": name, "flavorRef": "1", "imageRef": image } })
    }

    /// Asks for a server and gives its id.
    ///
    /// # Panics
    /// When it is refused.
    pub fn create_server(&self, name: &str, image: &str) -> String {
        let made = self.good("compute-v2", "POST", "/v2.1/servers", &self.server_body(name, image));
        made["server"]["id"].as_str().expect("an id").to_owned()
    }

    /// None: it isn't there.
    ///
    /// # Panics
    /// When the answer is neither a server nor that there is none.
    pub fn status(&self, server: &str) -> Option<String> {
        let answer = self.call("compute-v2", "GET", &format!("/v2.1/servers/{server}"), &Value::Null);
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["server"]["status"].as_str().map(str::to_owned)
    }

    pub fn wait_for(&self, server: &str, status: &str) {
        until(&format!("{server} becomes {status}"), || (self.status(server).as_deref() == Some(status)).then_some(()));
    }

    pub fn delete_server(&self, server: &str) {
        self.good("compute-v2", "DELETE", &format!("/v2.1/servers/{server}"), &Value::Null);
        until(&format!("{server} goes"), || self.status(server).is_none().then_some(()));
    }

    /// Names of all servers, in order.
    ///
    /// # Panics
    /// When they can't be listed.
    pub fn servers(&self) -> Vec<String> {
        let list = self.good("compute-v2", "GET", "/v2.1/servers", &Value::Null);
        let servers = list["servers"].as_array().expect("servers");
        let mut names: Vec<_> = servers.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect();
        names.sort();
        names
    }

    /// A value of `/proc/PID/status` in KiB, e.g. `VmHWM`, the most memory that it ever had resident.
    ///
    /// # Panics
    /// When the system doesn't tell it.
    pub fn memory_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("its status");
        let line = status.lines().find(|line| line.starts_with(name)).expect("the value");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }
}
