//! A contract that was released stays as it was: `RELEASED` in its folder holds the SHA-256 of every file, in the form of
//! `sha256sum`, so that anybody can check it without this test.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

const MARKER: &str = "RELEASED";

/// The folders `package/version` below the contracts.
fn versions(contracts: &Path) -> Vec<PathBuf> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    folders(contracts).iter().flat_map(|package| folders(package)).collect()
}

/// Name and hash of each file of the contract.
fn hashes(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let contract = files.filter(|path| path.extension().is_some_and(|ending| ending == "wit"));
    let hash = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, hex::encode(Sha256::digest(std::fs::read(&path).unwrap())))
    };
    contract.map(hash).collect()
}

/// What is not as it was; none: it is as it was, or a draft.
fn broken(folder: &Path) -> Vec<String> {
    if !folder.join(MARKER).exists() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(folder.join(MARKER)).unwrap();
    let line = |line: &str| line.split_once("  ").map(|(hash, name)| (name.to_owned(), hash.to_owned()));
    let Some(released) = text.lines().map(line).collect::<Option<BTreeMap<_, _>>>() else {
        return vec![format!("{MARKER} is not what sha256sum prints")];
    };
    if released.is_empty() {
        return vec![format!("{MARKER} names no file")];
    }
    let present = hashes(folder);
    let names: BTreeSet<&String> = released.keys().chain(present.keys()).collect();
    let defect = |name: &String| match (released.get(name), present.get(name)) {
        (Some(was), Some(is)) if was == is => None,
        (Some(_), Some(_)) => Some(format!("{name} was changed")),
        (Some(_), None) => Some(format!("{name} is gone")),
        (None, _) => Some(format!("{name} was added")),
    };
    names.into_iter().filter_map(defect).collect()
}

#[test]
fn released_contracts_are_as_they_were() {
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let found = versions(&contracts);
    assert!(found.iter().any(|folder| folder.ends_with("types/0.1.0")), "{found:?}");
    for folder in found {
        assert!(!hashes(&folder).is_empty(), "{} holds no contract", folder.display());
        let defects = broken(&folder);
        assert!(defects.is_empty(), "{}: {}: make a new version instead", folder.display(), defects.join(", "));
    }
}

#[test]
fn a_change_of_a_released_contract_is_found() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("some/0.1.0");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("one.wit", "package skyloom:some@0.1.0;\n");
    write("two.wit", "interface two {}\n");
    assert_eq!(versions(root.path()), std::slice::from_ref(&folder));
    // A draft may change.
    assert!(broken(&folder).is_empty());
    write("two.wit", "interface two { f: func(); }\n");
    assert!(broken(&folder).is_empty());

    // Released with the line of wit/README.md.
    let released = Command::new("sh").args(["-c", "sha256sum *.wit >RELEASED"]).current_dir(&folder).status();
    assert!(released.unwrap().success());
    assert!(broken(&folder).is_empty());
    write("notes.md", "What is no contract may come.");
    assert!(broken(&folder).is_empty());
    write("two.wit", "interface two { f: func(); g: func(); }\n");
    assert_eq!(broken(&folder), ["two.wit was changed"]);
    std::fs::remove_file(folder.join("two.wit")).unwrap();
    assert_eq!(broken(&folder), ["two.wit is gone"]);
    write("two.wit", "interface two { f: func(); }\n");
    assert!(broken(&folder).is_empty(), "as it was");
    write("three.wit", "interface three {}\n");
    assert_eq!(broken(&folder), ["three.wit was added"]);
    for (marker, defect) in [("released!\n", "RELEASED is not what sha256sum prints"), ("", "RELEASED names no file")] {
        write(MARKER, marker);
        assert_eq!(broken(&folder), [defect]);
    }
}
