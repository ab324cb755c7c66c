//! `skyloom serve` as a process, with the packed plugins of `make build`.

mod world;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use world::{Running, World, get, login, login_as, plugins};

#[test]
fn a_first_start_a_second_process_a_restart() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    let running = world.start();
    let password = std::fs::read_to_string(world.state("admin-password")).unwrap();
    assert!(!running.said.contains(password.trim()), "{}", running.said);
    assert!(
        running.said.contains(&format!("password in {}", world.state("admin-password").display())),
        "{}",
        running.said
    );
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
    assert_eq!(login(&world), 201);
    // kill -9: what the kernel held is free again.
    drop(running);
    assert_eq!(world.start().stop(), Some(0));
}

/// All lines that it says until it ends.
fn collected(from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(from).read_to_string(&mut text).unwrap();
        text
    })
}

#[test]
fn a_script_reads_one_line_of_json() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    let mut child = world.command().arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let operator = said["operator"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let running = Running { child, operator, said: line };
    assert_eq!(get(&running.operator, "/readyz").0, 200);
    assert_eq!(said["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&said["endpoints"][0]["plugin"], &said["endpoints"][0]["listener"]),
        (&"identity-v3".into(), &"cloud".into())
    );
    let url = said["endpoints"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("http://localhost:") && url.ends_with("/identity/v3"), "{said}");
    let read = |path: &serde_json::Value| std::fs::read_to_string(path.as_str().unwrap()).unwrap();
    let password = read(&said["administrator"]["password-file"]);
    assert!(read(&said["files"][0]["path"]).contains(password.trim()));
    assert!(!running.said.contains(password.trim()), "{said}");
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn a_hangup_ends_nothing_and_other_signals_drain() {
    let Some(plugins) = plugins() else { return };
    for signal in ["-INT", "-QUIT"] {
        let world = World::new(&plugins);
        let mut running = world.start();
        running.signal("-HUP");
        let mut log = BufReader::new(running.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("SIGHUP: no listener has a certificate") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        }
        assert_eq!(get(&running.operator, "/readyz").0, 200);
        let log = collected(log);
        running.signal(signal);
        assert_eq!(running.ended(), Some(0), "{signal}");
        let log = log.join().unwrap();
        for part in ["draining", "stopped"] {
            assert!(log.contains(part), "{part} in {log}");
        }
    }
}

/// A database server that takes the connection and says nothing.
#[test]
fn a_start_that_waits_is_ended_by_a_signal() {
    let Some(plugins) = plugins() else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::new(&plugins);
    let file = world.folder.path().join("skyloom.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let url = format!("postgres://nobody@{}/nothing", silent.local_addr().unwrap());
    std::fs::write(&file, format!("{text}[database]\nurl = \"{url}\"\n")).unwrap();
    let child = world.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _held = silent.accept().unwrap();
    let running = Running { child, operator: String::new(), said: String::new() };
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn no_file_that_is_none_keeps_a_start_or_a_check_waiting() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    let pipe = world.folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.display().to_string();
    for file in [pipe.as_str(), "/dev/zero", "/"] {
        for more in [
            format!("[[plugin]]\nid = \"odd\"\nfile = \"{file}\"\n"),
            format!(
                "[[listener]]\nname = \"safe\"\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = \"{file}\", key = \"k\" }}\n"
            ),
            format!("[[seed.images.images]]\nname = \"i\"\nfile = \"{file}\"\ndisk-format = \"raw\"\n"),
            format!("[database]\nsecret-key = \"{file}\"\n"),
        ] {
            let text = std::fs::read_to_string(world.folder.path().join("skyloom.toml")).unwrap();
            std::fs::write(world.folder.path().join("odd.toml"), format!("{text}{more}")).unwrap();
            for verb in ["check", "serve"] {
                let mut command = Command::new(env!("CARGO_BIN_EXE_skyloom"));
                command.arg(verb).arg("--config").arg(world.folder.path().join("odd.toml"));
                let output = command.env_remove("SKYLOOM_ADMIN_PASSWORD").output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(said.contains("a regular file is wanted"), "{verb} {more}: {said}");
                assert!(matches!(output.status.code(), Some(1 | 2)), "{verb} {more}");
            }
            // Seeds are for a database that nobody filled.
            let _ = std::fs::remove_dir_all(world.folder.path().join("state"));
        }
    }
    for verb in ["check", "serve"] {
        let output = Command::new(env!("CARGO_BIN_EXE_skyloom")).args([verb, "--config", &pipe]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb}");
    }
}

/// The first start says what it compiles, a later one has nothing to say, and what was tampered with is made again.
#[test]
fn only_what_is_compiled_is_told() {
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    let compiled = || {
        let mut running = world.start();
        let log = collected(running.child.stderr.take().unwrap());
        assert_eq!(login(&world), 201);
        assert_eq!(running.stop(), Some(0));
        log.join().unwrap().matches("compiling").count()
    };
    assert_eq!(compiled(), 1);
    assert_eq!(compiled(), 0);
    let folder = world.state("compiled");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(compiled(), 1);
}

#[test]
fn an_open_state_folder_is_closed() {
    use std::os::unix::fs::PermissionsExt;
    let Some(plugins) = plugins() else { return };
    let world = World::new(&plugins);
    assert_eq!(world.start().stop(), Some(0));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let names = ["lock", "admin-password", "secret-key", "compiled-key", "skyloom.db", "documents.db", "login.txt"];
    for name in names.iter().chain(&["."]) {
        std::fs::set_permissions(world.state(name), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let running = world.start();
    assert_eq!(mode(&world.state(".")), 0o700);
    for name in names {
        assert_eq!(mode(&world.state(name)), 0o600, "{name}");
    }
    assert_eq!(running.stop(), Some(0));
    // A lock that leads elsewhere is neither followed nor emptied.
    let precious = world.folder.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::fs::remove_file(world.state("lock")).unwrap();
    std::os::unix::fs::symlink(&precious, world.state("lock")).unwrap();
    let output = world.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("lock is no regular file"), "{output:?}");
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
}

#[test]
fn failed_logins_are_told_in_the_log_and_each_request_where_it_is_wanted() {
    let Some(plugins) = plugins() else { return };
    for wanted in [false, true] {
        let world = World::new(&plugins);
        let file = world.folder.path().join("skyloom.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let line = format!("[[listener]]\naccess-log = {wanted}\n");
        std::fs::write(&file, text.replacen("[[listener]]\n", &line, 1)).unwrap();
        let mut running = world.start();
        let mut log = running.child.stderr.take().unwrap();
        assert_eq!(login_as(&world, "admin", "not-this-one"), 401);
        assert_eq!(login_as(&world, "forged\nline", "x"), 401);
        assert_eq!(login(&world), 201);
        let text = std::fs::read_to_string(world.state("login.txt")).unwrap();
        let address = text.split("//").nth(1).unwrap().split('/').next().unwrap().to_owned();
        assert_eq!(get(&address, "/identity/v3?token=secret").0, 200);
        assert_eq!(running.stop(), Some(0));
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        let lines = |word: &str| text.lines().filter(|line| line.contains(word)).collect::<Vec<_>>();
        let failed = lines("a login failed");
        assert_eq!(failed.len(), 2, "{text}");
        for part in
            ["INFO", "request_id=\"req-", "user=\"admin in default\"", "client=127.0.0.1", "the password is wrong"]
        {
            assert!(failed[0].contains(part), "{part} in {}", failed[0]);
        }
        assert!(
            failed[1].contains("user=\"forged\\nline in default\"") && failed[1].contains("no such user"),
            "{text}"
        );
        let access = lines(" access: ");
        assert_eq!(access.len(), if wanted { 4 } else { 0 }, "{text}");
        if let Some(read) = access.last() {
            for part in ["method=\"GET\"", "path=\"/identity/v3\"", "query=\"token\"", "status=200", "client=127.0.0.1"]
            {
                assert!(read.contains(part), "{part} in {read}");
            }
        }
        assert!(!text.contains("secret") && !text.contains("not-this-one"), "{text}");
    }
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
    assert!(said.contains("two mounts `/identity` of plugin `identity-v3` on listener `cloud`"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let (code, said) = check("[plugin.limits]\nmemory-mib = 1\n");
    assert!(code == Some(2) && said.contains("plugin `identity-v3`: limit memory-mib = 1 is below the "), "{said}");
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
        (
            "[identity.policy.member]\ndeny = [\"wishes:grant\"]\n",
            "[identity.policy.member] deny: no action of that name can be ruled: `wishes:grant`",
        ),
        ("[identity.policy]\n\"servers:delete\" = []\n", "[identity.policy.\"servers:delete\"] is an action"),
        ("[seed.networks]\nproject = \"nobody\"\n", "project = \"nobody\""),
        ("[seed.networks.shared]\nname = \"n\"\ncidr = \"10.0.0.0/33\"\n", "10.0.0.0/33"),
        ("[[seed.images.images]]\nname = \"i\"\nfile = \"gone.raw\"\ndisk-format = \"raw\"\n", "gone.raw"),
        ("[[seed.images.images]]\nname = \"i\"\nfile = \"checked.toml\"\ndisk-format = \"qcow2\"\n", "[seed.images] i"),
        ("[[seed.billing.prices]]\nmeter = \"vcpu\"\nper-unit-hour = \"much\"\n", "much is not an amount"),
        ("[[listener]]\nname = \"all\"\naddress = \"0.0.0.0:0\"\n", "listener `all`: clients cannot go to 0.0.0.0:0"),
        ("[internal]\naddress = \"0.0.0.0:0\"\n", "[internal] address: other processes cannot go to 0.0.0.0:0"),
        ("[internal.limits]\nreads = 0\n", "[internal.limits] reads is at least 1"),
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
        // What the file alone shows is refused before there is one.
        let _ = std::fs::remove_dir_all(world.folder.path().join("state"));
    }
    let sound = "[[seed.images.images]]\nname = \"i\"\nfile = \"checked.toml\"\ndisk-format = \"raw\"\n";
    assert_eq!(check(sound).0, Some(0), "a file beside the deployment's");
    let (code, said) = check("[tariff]\nplugin = \"identity-v3\"\n");
    assert_eq!(code, Some(2));
    assert!(said.contains("a tariff is wanted here"), "{said}");
    assert!(!world.state("skyloom.db").exists(), "nothing was started");
}
