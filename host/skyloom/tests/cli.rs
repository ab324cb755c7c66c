//! The program as a person meets it: answers, errors, exit codes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn skyloom(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_skyloom"))
        .args(args)
        .env_remove("SKYLOOM_ADMIN_PASSWORD")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_kept_schemas_are_current() {
    for (format, file) in
        [("deployment", "host/skyloom/schema/deployment.json"), ("manifest", "host/runtime/schema/manifest.json")]
    {
        let output = skyloom(&["schema", format]);
        assert!(output.status.success());
        let kept = std::fs::read_to_string(repository().join(file)).unwrap_or_default();
        assert!(text(&output.stdout) == kept, "renew it: skyloom schema {format} > {file}");
    }
}

#[test]
fn version_says_what_is_built_in() {
    let output = skyloom(&["version", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(value["libvirt"], cfg!(feature = "libvirt"));
    assert!(text(&skyloom(&["version"]).stdout).contains("libvirt: "));
    assert_eq!(text(&skyloom(&["--version"]).stdout).trim(), format!("skyloom {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_or_file_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    std::fs::write(&file, "[state]\ncolour = \"red\"\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, part) in [
        (vec!["nonsense"], "nonsense"),
        (vec!["serve", "--config", file], "line 2: [state] colour: there is no such key"),
        (vec!["check", "--config", file], "line 2: [state] colour: there is no such key"),
        (vec!["plugin", "list", "--config", file], "line 2: [state] colour: there is no such key"),
        (vec!["serve", "--config", "/nowhere/skyloom.toml"], "/nowhere/skyloom.toml"),
        (vec!["operation", "list", "--config", "/nowhere/skyloom.toml"], "/nowhere/skyloom.toml"),
    ] {
        let output = skyloom(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(part), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// No word, and no part between colons, stands twice in a row.
#[test]
fn no_error_says_a_thing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    std::fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::create_dir(folder.path().join("open")).unwrap();
    for text in [
        "colour = 1",
        "[state]\ncolour = 1",
        "[state]\ndir = 1",
        "[state]\ndir = \"skyloom.toml\"",
        "[[listener]]\nname = \"a\"\naddress = \"a\"",
        "[[listener]]\nname = \"a\"\naddress = \"0.0.0.0:1\"",
        "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"gone.pem\", key = \"gone.key\" }",
        "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\npublic-url = \"odd\"",
        "[[plugin]]\nid = \"a\"\nfile = \"gone.wasm\"",
        "[[plugin]]\nid = \"a\"\nfile = \"core.wasm\"",
        "[[plugin]]\nid = \"a\"\nfile = \"open\"",
        "[[mount]]\nplugin = \"a\"\nlistener = \"b\"\nprefix = \"c\"",
        "[database]\nsecret-key = \"gone\"",
        "[database]\nsecret-key = \"skyloom.toml\"",
        "[database]\nurl = \"mysql://a\"",
        "[compute.quotas]\nservers = -2",
        "[compute]\ndefault-zone = \"\"",
        "[identity.policy.member]\ndeny = [\"wishes:grant\"]",
        "[[seed.images.images]]\nname = \"i\"\nfile = \"gone.raw\"\ndisk-format = \"raw\"",
        "[[seed.images.images]]\nname = \"i\"\nfile = \"skyloom.toml\"\ndisk-format = \"qcow2\"",
        "[seed.networks.shared]\nname = \"n\"\ncidr = \"10.0.0.0/33\"",
        "[limits]\nmax-calls = 0",
        "[images]\nshared = true",
        "[database]\nurl = \"postgres://u:hidden@127.0.0.1:1/d\"",
        "[sandbox]\nmemory-mib = 1",
        "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"",
        "[[plugin]]\nid = \"a\"\nfile = \"gone.wasm\"\n[[plugin]]\nid = \"a\"\nfile = \"gone.wasm\"",
        "[images]\nmax-image-gib = 0",
        "[billing]\nperiod-minutes = 0",
        "[[node]]\nname = \"n\"\ndriver = \"d\"\nzone = \"z\"\nmemory-mib = 1",
    ] {
        std::fs::write(&file, text).unwrap();
        let output = skyloom(&["check", "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            let doubled = |parts: Vec<&str>| parts.windows(2).any(|pair| !pair[0].is_empty() && pair[0] == pair[1]);
            assert!(!doubled(line.split_whitespace().collect()), "{line}");
            assert!(!doubled(line.split([' ', ':']).filter(|part| !part.is_empty()).collect()), "{line}");
            let paths: Vec<&str> = line.split([' ', ':', '`']).filter(|part| part.starts_with('/')).collect();
            assert!(paths.len() < 2 || paths[0] != paths[1], "{line}");
        }
    }
}

/// What a start would find when it is too late.
#[test]
fn a_check_finds_what_the_file_alone_does_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = skyloom(&["check", "--config", file.to_str().unwrap()]);
        (output.status.code(), self::text(&output.stderr))
    };
    let (code, said) = check("[sandbox]\nmemory-mib = 7\n");
    assert!(code == Some(2) && said.contains("[sandbox] memory-mib is at least 8: 7 is too little"), "{said}");
    assert_eq!(check("[sandbox]\nmemory-mib = 8\n").0, Some(0));
    let (code, said) = check("[database]\nurl = \"postgres://u:hidden@127.0.0.1:1/none\"\n");
    let server = "[database] url: postgres://u@127.0.0.1:1/none: ";
    assert!(code == Some(2) && said.contains(server) && said.contains("refused"), "{said}");
    assert!(!said.contains("hidden") && said.lines().count() == 1, "{said}");
    // Listens, but never says a word.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:hidden@{}/none", mute.local_addr().unwrap());
    let (code, said) = check(&format!("[database]\nurl = \"{url}\"\n"));
    assert!(code == Some(2) && said.contains("[database] url: ") && !said.contains("hidden"), "{said}");
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::set_permissions(folder.path().join("state"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(folder.path().join("state/skyloom.db"), "no database".repeat(100)).unwrap();
    let (code, said) = check("");
    assert!(code == Some(2) && said.contains("state/skyloom.db"), "{said}");
}

#[test]
fn a_check_tells_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::fs::set_permissions(folder.path().join("state"), PermissionsExt::from_mode(0o700)).unwrap();
    for name in ["lock", "secret-key", "compiled-key"] {
        std::fs::write(folder.path().join("state").join(name), "short").unwrap();
    }
    let flavor = "[[seed.compute.flavors]]\nid = \"1\"\nname = \"f\"\nvcpus = 1\nmemory-mib = 512\ndisk-gib = 1\n";
    let node = "[[node]]\nname = \"n \"\ndriver = \"d\"\nzone = \"zone-1\"\nmemory-mib = 1\n";
    let plugin = "[[plugin]]\nid = \"d\"\nfile = \"gone.wasm\"\n";
    let image = "[[seed.images.images]]\nname = \"i\"\nfile = \"gone.raw\"\ndisk-format = \"raw\"\n";
    let check = |database: &str| {
        std::fs::write(&file, format!("{flavor}{node}{plugin}{image}[database]\n{database}\n")).unwrap();
        let output = skyloom(&["check", "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    let said = check("readers = 0");
    for part in [
        "node `n `: a name has no blanks at its ends",
        "node `n `: memory-mib = 1 is too little for every flavor of the seed, 512 is the least",
        "[database] readers is at least 1",
        "plugin `d`: ",
        "gone.wasm",
        "gone.raw",
        "state/secret-key: 64 hex digits are expected",
        "state/compiled-key: 64 hex digits are expected",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let said = check("secret-key = \"state/lock\"\nurl = \"postgres://u:hidden@127.0.0.1:1/none\"");
    for part in [
        "[database] secret-key: ",
        "state/lock: 64 hex digits are expected",
        "[database] url: postgres://u@127.0.0.1:1/none: ",
        "gone.raw",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("hidden") && !said.contains("state/secret-key"), "{said}");
}

#[tokio::test]
async fn a_check_misses_a_database_that_the_server_does_not_have() {
    let Some(url) = skyloom_store::testing::postgres_url().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    let (server, _) = url.rsplit_once('/').unwrap();
    std::fs::write(&file, format!("[database]\nurl = \"{server}/never_made\"\n")).unwrap();
    let output = skyloom(&["check", "--config", file.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains("[database] url: ") && said.contains("never_made"),
        "{said}"
    );
}

#[test]
fn nodes_and_quotas_are_shown_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    std::fs::write(&file, "[compute.quotas]\nservers = 3\n").unwrap();
    let file = file.to_str().unwrap();
    let output = skyloom(&["quota", "show", "--json", "--config", file]);
    let defaults: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(defaults[0], serde_json::json!({ "name": "servers", "limit": 3 }));
    assert!(skyloom(&["db", "migrate", "--config", file]).status.success());
    assert_eq!(text(&skyloom(&["node", "list", "--json", "--config", file]).stdout).trim(), "[]");
    let output = skyloom(&["quota", "show", "nobody", "--config", file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nobody"), "{}", text(&output.stderr));
    for bad in ["servers=-2", "servers", "wishes=1"] {
        let output = skyloom(&["quota", "set", "nobody", bad, "--config", file]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
    let output = skyloom(&["quota", "set", "nobody", "servers=1", "servers=2", "--config", file]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("servers stands 2 times"));
}

#[test]
fn work_that_fails_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.wasm");
    std::fs::write(&broken, b"not wasm").unwrap();
    let broken = broken.to_str().unwrap();
    let output = skyloom(&["plugin", "check", broken]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("broken.wasm"), "{}", text(&output.stderr));
    let file = folder.path().join("skyloom.toml");
    std::fs::write(&file, "").unwrap();
    let output = skyloom(&["operation", "list", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("holds no database yet"), "{}", text(&output.stderr));
}

#[test]
fn an_empty_database_is_migrated_and_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let output = skyloom(&["db", "migrate", "--json", "--config", file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = value["schema"].as_i64().unwrap();
    assert!(schema > 0, "{value}");
    let again = skyloom(&["db", "migrate", "--config", file]);
    assert!(text(&again.stdout).contains(&format!("schema {schema}, which is current")), "{}", text(&again.stdout));
    let output = skyloom(&["operation", "list", "--json", "--config", file]);
    assert_eq!(text(&output.stdout).trim(), "[]", "{}", text(&output.stderr));
    let output = skyloom(&["operation", "show", "none", "--config", file]);
    assert_eq!(output.status.code(), Some(1));
    let output = skyloom(&["operation", "list", "--state", "odd", "--config", file]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_check_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, images) = (folder.path().join("skyloom.toml"), folder.path().join("images"));
    std::fs::write(&file, format!("[images]\nfolder = {images:?}\n")).unwrap();
    let output = skyloom(&["check", "--config", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["skyloom.toml"]);
}

/// Seeds are for a database that nobody filled: afterwards their files may be gone.
#[tokio::test]
async fn a_check_tries_seeds_only_where_a_start_would_lay_them() {
    let Some(database) = skyloom_store::testing::postgres().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("skyloom.toml");
    let seed = "[[seed.images.images]]\nname = \"gone\"\nfile = \"gone.raw\"\ndisk-format = \"raw\"\n";
    std::fs::write(&file, format!("[database]\nurl = \"{}\"\n{seed}", database.url)).unwrap();
    let check = || skyloom(&["check", "--config", file.to_str().unwrap()]);
    let output = check();
    assert!(!output.status.success() && text(&output.stderr).contains("gone.raw"), "{}", text(&output.stderr));
    let mut tx = database.db.begin().await.unwrap();
    tx.execute("INSERT INTO seeded (area, seeded_at) VALUES ('cloud', 1)", &[]).await.unwrap();
    tx.commit().await.unwrap();
    let output = check();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn every_shell_gets_its_completion() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = skyloom(&["completion", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("skyloom"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
    let run = |target: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_skyloom"));
        let output = command.args(["schema", "deployment"]).stdout(target).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(0), String::new()));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, said) = run(full.into());
    assert_eq!(code, Some(1));
    assert!(said.starts_with("skyloom: standard output: "), "{said}");
}
