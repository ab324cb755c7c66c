use std::os::unix::fs::symlink;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn refused<T>(result: Result<T, Failure>) -> String {
    result.err().unwrap().into_lines().join("\n")
}

#[test]
fn a_second_owner_is_refused_until_the_first_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let first = StateDir::open(folder.path()).unwrap();
    let refused = refused(StateDir::open(folder.path()));
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    drop(first);
    StateDir::open(folder.path()).unwrap();
}

#[test]
fn a_generated_password_is_kept_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let file = state.path().join(PASSWORD);
    let first = generate();
    write_private(&file, &format!("{first}\n")).unwrap();
    assert_eq!(mode(&file), 0o600);
    // The variable is another way in; this test is about the file.
    if std::env::var_os("SKYLOOM_ADMIN_PASSWORD").is_none() {
        assert_eq!(state.admin_password().unwrap().value, first);
    }
    assert_eq!(first.len(), 24);
    assert_ne!(first, generate());
}

#[test]
fn an_empty_password_file_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    for text in ["", "\n"] {
        write_private(&state.path().join(PASSWORD), text).unwrap();
        let said = refused(state.admin_password());
        assert!(said.contains("admin-password is empty") && said.contains("remove it"), "{said}");
    }
}

#[test]
fn a_folder_of_images_is_closed_to_others_with_all_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let (images, deep) = (state.path().join("images"), state.path().join("images/a/b"));
    StateDir::close_below(&images).expect("nothing there yet");
    std::fs::create_dir_all(&deep).unwrap();
    for path in [&images, &deep] {
        set_mode(path, 0o777);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    set_mode(elsewhere.path(), 0o755);
    symlink(elsewhere.path(), images.join("link")).unwrap();
    StateDir::close_below(&images).unwrap();
    assert_eq!((mode(&images), mode(&deep), mode(elsewhere.path())), (0o700, 0o700, 0o755));
}

#[test]
fn the_keys_are_made_once_and_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let (own, compiled) = {
        let state = StateDir::open(folder.path()).unwrap();
        (state.sealer(None).unwrap().seal("owner", "a secret").unwrap(), state.compiled().unwrap().key)
    };
    let key = folder.path().join(SECRET_KEY);
    assert_eq!((mode(&key), mode(&folder.path().join(COMPILED_KEY))), (0o600, 0o600));
    let state = StateDir::open(folder.path()).unwrap();
    assert_eq!(state.compiled().unwrap().key, compiled);
    assert_eq!(state.sealer(None).unwrap().open("owner", &own).unwrap(), "a secret");
    let other = folder.path().join("given");
    std::fs::copy(&key, &other).unwrap();
    assert_eq!(state.sealer(Some(&other)).unwrap().open("owner", &own).unwrap(), "a secret");
    std::fs::write(&other, "0123").unwrap();
    assert!(refused(state.sealer(Some(&other))).contains("64 hex digits"));
    // One that is asked for is never made: it would be another one.
    assert!(state.sealer(Some(&folder.path().join("missing"))).is_err());
}

#[test]
fn a_new_folder_and_all_in_it_are_closed_to_others() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("deep/state");
    let state = StateDir::open(&folder).unwrap();
    state.write("clouds.yaml", "text").unwrap();
    assert_eq!(mode(&folder), 0o700);
    for name in [LOCK, "clouds.yaml"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[test]
fn what_others_could_reach_is_closed() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("state");
    // Made by hand, still empty.
    std::fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o777);
    drop(StateDir::open(&folder).unwrap());
    assert_eq!(mode(&folder), 0o700);
    // Opened later, with what is in it.
    std::fs::create_dir(folder.join(COMPILED)).unwrap();
    for name in [PASSWORD, SECRET_KEY, COMPILED_KEY, "skyloom.db", "skyloom.db-wal", "documents.db"] {
        std::fs::write(folder.join(name), "").unwrap();
        set_mode(&folder.join(name), 0o644);
    }
    for name in [LOCK, COMPILED, "."] {
        set_mode(&folder.join(name), 0o755);
    }
    drop(StateDir::open(&folder).unwrap());
    assert_eq!(mode(&folder), 0o700);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let wanted = if path.ends_with(COMPILED) { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
}

/// Nobody wants `/tmp` or their home closed by a mistyped option.
#[test]
fn an_open_folder_that_holds_other_things_is_refused_and_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("letter.txt"), "text").unwrap();
    set_mode(place.path(), 0o755);
    let said = refused(StateDir::open(place.path()));
    assert!(said.contains("choose a folder of its own, or chmod 700 it"), "{said}");
    assert_eq!(mode(place.path()), 0o755);
    assert!(!place.path().join(LOCK).exists());
    set_mode(place.path(), 0o700);
    drop(StateDir::open(place.path()).unwrap());
    // Anybody's folder isn't ours because somebody put a lock there.
    set_mode(place.path(), 0o1777);
    assert!(StateDir::open(place.path()).is_err());
    assert_eq!(mode(place.path()), 0o1777);
}

#[test]
fn what_lies_under_a_name_of_ours_is_no_link_no_pipe_and_no_second_name() {
    for name in [LOCK, PASSWORD, SECRET_KEY, COMPILED_KEY, "skyloom.db", "documents.db-wal", COMPILED] {
        let (place, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        set_mode(place.path(), 0o700);
        let (file, target) = (place.path().join(name), elsewhere.path().join("target"));
        std::fs::write(&target, "precious").unwrap();
        let pipe = || {
            let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
            rustix::fs::mknodat(rustix::fs::CWD, &file, kind, mode, 0).unwrap();
        };
        let laid: [&dyn Fn(); 4] = [
            &|| symlink(&target, &file).unwrap(),
            &|| symlink(elsewhere.path().join("nowhere"), &file).unwrap(),
            &pipe,
            &|| std::fs::hard_link(&target, &file).unwrap(),
        ];
        // A second name of a file is a harm where we would write, and may elsewhere be somebody's copy.
        let harmful = if name == LOCK || name == COMPILED { 4 } else { 3 };
        for lay in &laid[..harmful] {
            lay();
            let said = refused(StateDir::open(place.path()));
            assert!(said.contains(&format!("{name} is no ")), "{said}");
            std::fs::remove_file(&file).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        assert!(!elsewhere.path().join("nowhere").exists());
    }
    let place = tempfile::tempdir().unwrap();
    set_mode(place.path(), 0o700);
    std::fs::create_dir(place.path().join(LOCK)).unwrap();
    assert!(refused(StateDir::open(place.path())).contains("lock is no regular file"));
}

#[test]
fn a_client_file_takes_a_links_place_and_never_its_target() {
    let (place, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = elsewhere.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    let state = StateDir::open(place.path()).unwrap();
    for name in ["clouds.yaml", ".clouds.yaml.new"] {
        symlink(&target, place.path().join(name)).unwrap();
    }
    let file = state.write("clouds.yaml", "text").unwrap();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("text", 0o600));
    assert!(!std::fs::symlink_metadata(&file).unwrap().is_symlink());
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("state");
    drop(StateDir::open(&folder).unwrap());
    // Only root can give files away; for others there is no such folder to be tried with.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::os::unix::fs::chown(folder.join(LOCK), Some(65534), None).unwrap();
    assert!(refused(StateDir::open(&folder)).contains("lock belongs to user 65534"));
    std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
    let said = refused(StateDir::open(&folder));
    assert!(said.contains("state: belongs to user 65534, this process is user 0"), "{said}");
}
