//! Client files: their names, and what is filled into their texts.

use std::path::Component;

use super::{ClientFile, Deployment};
use crate::state;

/// What [`crate::serve`] fills in beside the addresses.
const CLIENT_FILE_WORDS: [&str; 6] = ["user", "password", "project", "domain", "region", "operator"];

pub fn check(found: &mut Vec<String>, deployment: &Deployment, file: &ClientFile) {
    if file.name.contains(['/', '\\']) || file.name.starts_with('.') {
        found.push(format!("client-file `{}`: a plain file name", file.name));
    }
    // An absolute folder begins with the root, and isn't in the state folder.
    let images = deployment.images.folder.components().find(|part| *part != Component::CurDir);
    if state::is_own(&file.name) || images == Some(Component::Normal(file.name.as_ref())) {
        found.push(format!("client-file `{}`: the state folder keeps something of its own under this name", file.name));
    }
    let mut names = |opening: &str, what: &str, known: &dyn Fn(&str) -> bool| {
        for (at, _) in file.text.match_indices(opening) {
            let name = file.text[at + opening.len()..].split('}').next().unwrap_or_default();
            if !known(name) {
                found.push(format!("client-file `{}`: {what} of {opening}{name}}}", file.name));
            }
        }
    };
    // Braces around anything else are text: JSON is full of them.
    let is_word = |name: &str| !name.is_empty() && name.bytes().all(|sign| sign.is_ascii_lowercase() || sign == b'_');
    let known = |name: &str| !is_word(name) || CLIENT_FILE_WORDS.contains(&name);
    names(
        "{",
        &format!("nothing is filled in but {}, url:PLUGIN and listener:NAME, instead", CLIENT_FILE_WORDS.join(", ")),
        &known,
    );
    names("{url:", "no plugin is mounted", &|id| deployment.mounts.iter().any(|mount| mount.plugin == id));
    names("{listener:", "there is no listener", &|name| {
        deployment.listeners.iter().any(|listener| listener.name == name)
    });
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::defects;

    #[test]
    fn a_client_file_takes_no_name_of_the_state_folders_own() {
        let file = |name: &str| format!("[[client-file]]\nname = \"{name}\"\ntext = \"\"\n");
        for name in [
            "",
            "a/b",
            ".hidden",
            "lock",
            "admin-password",
            "secret-key",
            "skyloom.db",
            "skyloom.db-wal",
            "documents.db",
            "documents.db-shm",
            "images",
            "compiled",
        ] {
            let found = defects(&file(name));
            assert!(matches!(&found[..], [line] if line.contains("client-file")), "{name}: {found:?}");
        }
        for name in ["clouds.yaml", "lock.yaml", "images.txt"] {
            assert_eq!(defects(&file(name)), Vec::<String>::new());
        }
        let unknown = "[[client-file]]\nname = \"a\"\ntext = \"{user} {passwort} {} {\\\"a\\\": 1} {0}\"\n";
        let found = defects(unknown);
        assert!(matches!(&found[..], [line] if line.ends_with("instead of {passwort}")), "{found:?}");
        // Where the bytes of images are said to be elsewhere, that folder's name is taken.
        let elsewhere = |folder: &str, name: &str| defects(&format!("{}[images]\nfolder = \"{folder}\"\n", file(name)));
        assert_eq!(elsewhere("blobs/images", "blobs").len(), 1);
        assert_eq!(elsewhere("/blobs", "images"), Vec::<String>::new());
        let twice = format!("{0}{0}", file("clouds.yaml"));
        assert_eq!(defects(&twice), ["two entries client-file `clouds.yaml`"]);
    }
}
