//! The deployment files of the real process: one platform, one database, the faults of one life.

use std::path::{Path, PathBuf};

use crate::machine::Platform;

/// The administrator's password in every deployment of these tests.
pub const PASSWORD: &str = "the-test's-own-password";

/// Short times: what takes seconds in life takes milliseconds. A call that is lost costs one `call-timeout-ms`; it is long
/// enough for a busy machine to start QEMU in.
const TIMES: &str = r"
[jobs]
lease-ms = 1000
poll-ms = 50
pending-max-ms = 100
call-timeout-ms = 5000
retry-first-ms = 20
retry-max-ms = 200
[compute.times]
soft-stop-ms = 300
[compute.attach]
retry-first-ms = 50
retry-max-ms = 200
[identity]
insecure-test-password-cost = true
";

const APIS: &str = r#"
[[mount]]
plugin = "identity-v3"
listener = "cloud"
prefix = "/identity"
[[mount]]
plugin = "compute-v2"
listener = "cloud"
prefix = "/compute"
"#;

/// What stays the same over all lives of a process.
#[derive(Debug)]
pub struct Deployment {
    folder: PathBuf,
    database: String,
    tables: String,
    /// Programs that the process finds before the machine's own.
    pub programs: Option<PathBuf>,
}

/// The packed component of a plugin.
pub fn plugin(id: &str) -> PathBuf {
    let packed = std::env::var_os("SKYLOOM_PLUGINS").map(PathBuf::from);
    packed.unwrap_or_else(|| target().with_file_name("plugins")).join(format!("{id}.wasm"))
}

/// The program under test.
pub fn program() -> PathBuf {
    std::env::var_os("SKYLOOM_BIN").map_or_else(|| target().join("skyloom"), PathBuf::from)
}

/// `target/debug`, where this test was built.
fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a path of this test");
    exe.ancestors().nth(2).expect("target/debug").to_owned()
}

/// What `make build` has not made yet of what these tests need with this driver; none: all is there.
pub fn missing(driver: &str) -> Option<String> {
    let needed = [program(), plugin(driver), plugin("identity-v3"), plugin("compute-v2")];
    needed.iter().find(|file| !file.exists()).map(|file| format!("{} is not built (make build)", file.display()))
}

impl Deployment {
    /// State, log and the file itself go into `folder`. `database`: none for SQLite in the state folder, or an URL.
    pub fn new(folder: &Path, platform: &dyn Platform, database: Option<&str>) -> Self {
        Self {
            folder: folder.to_owned(),
            database: database.unwrap_or("sqlite").to_owned(),
            tables: platform.tables(),
            programs: None,
        }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Writes the file with these faults, TOML below `[faults]`.
    pub(crate) fn write(&self, faults: &str) -> PathBuf {
        let api = |id: &str, grants: &str| {
            let file = plugin(id);
            format!("[[plugin]]\nid = \"{id}\"\nfile = \"{}\"\ngrants = [{grants}]\n", file.display())
        };
        let compute = r#""config", "compute", "flavors", "keypairs", "operations", "quotas", "images", "networks", "volumes", "identity""#;
        let text = [
            format!("[state]\ndir = \"{}\"\n", self.state().display()),
            format!("[database]\nurl = \"{}\"\n", self.database),
            "[operator]\naddress = \"127.0.0.1:0\"\n".to_owned(),
            "[[listener]]\nname = \"cloud\"\naddress = \"127.0.0.1:0\"\n".to_owned(),
            self.tables.clone(),
            api("identity-v3", r#""identity""#),
            api("compute-v2", compute),
            APIS.to_owned(),
            TIMES.to_owned(),
            faults.to_owned(),
        ];
        let path = self.folder.join("skyloom.toml");
        std::fs::write(&path, text.concat()).expect("the deployment file");
        path
    }
}
