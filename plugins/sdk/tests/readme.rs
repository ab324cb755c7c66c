//! What plugins/README.md shows is what examples/ holds, where it is built, tested and run.

use std::path::{Path, PathBuf};

fn texts(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_sample_is_a_part_of_a_built_example() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let readme = std::fs::read_to_string(root.join("plugins/README.md")).unwrap();
    let mut files = Vec::new();
    texts(&root.join("examples"), &mut files);
    let mut samples = 0;
    for block in readme.split("\n```").skip(1).step_by(2) {
        let (kind, sample) = block.split_once('\n').unwrap();
        if ["rust", "toml"].contains(&kind) {
            samples += 1;
            assert!(files.iter().any(|file| file.contains(sample.trim_end())), "not in examples/:\n{sample}");
        }
    }
    assert!(samples >= 10, "{samples} samples found");
}
