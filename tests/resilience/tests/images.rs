//! Large images pass through in constant memory, and one that breaks off leaves nothing.

use std::path::PathBuf;
use std::time::Instant;

use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha2::Sha512;
use skyloom_resilience::{Server, Upload, World, download, until};

const MIB: u64 = 1 << 20;
/// What a process may take more for a large image than for a small one.
const GROWTH_KIB: u64 = 32 * 1024;

fn create(server: &Server, name: &str) -> String {
    let body = json!({ "name": name, "disk_format": "raw", "container_format": "bare" });
    let image = server.good("image-v2", "POST", "/v2/images", &body);
    image["id"].as_str().expect("an id").to_owned()
}

/// Bytes of an image, a mebibyte at a time; no two mebibytes are the same.
struct Content {
    mebibyte: Vec<u8>,
}

impl Content {
    fn new() -> Self {
        let words = (0..MIB / 8).map(|word: u64| word.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { mebibyte: words.flat_map(u64::to_le_bytes).collect() }
    }

    fn at(&mut self, number: u64) -> &[u8] {
        self.mebibyte[..8].copy_from_slice(&number.to_le_bytes());
        &self.mebibyte
    }
}

/// Up and down again; the sums and every byte must be right.
fn there_and_back(server: &Server, name: &str, mebibytes: u64) {
    let id = create(server, name);
    let path = format!("/v2/images/{id}/file");
    let (address, target) = server.place("image-v2", &path);
    let mut content = Content::new();
    let (mut md5, mut sha512) = (Md5::new(), Sha512::new());
    let began = Instant::now();
    let mut upload = Upload::begin(address, &target, &server.token, mebibytes * MIB);
    for number in 0..mebibytes {
        let bytes = content.at(number);
        assert!(upload.send(bytes), "it is taken");
        md5.update(bytes);
        sha512.update(bytes);
    }
    let answer = upload.answer();
    assert_eq!(answer.status, 204, "{}", answer.text);
    let up = began.elapsed().as_secs_f64();

    let image = server.good("image-v2", "GET", &format!("/v2/images/{id}"), &Value::Null);
    assert_eq!(image["status"], "active");
    assert_eq!(image["size"], mebibytes * MIB);
    assert_eq!(image["checksum"], hex::encode(md5.finalize()));
    assert_eq!(
        (&image["os_hash_algo"], &image["os_hash_value"]),
        (&json!("sha512"), &hex::encode(sha512.finalize()).into())
    );

    let began = Instant::now();
    // What is due, from the mebibyte's `at`th byte on.
    let (mut number, mut at) = (0, 0);
    let (answer, taken) = download(address, &target, &server.token, |mut bytes| {
        while !bytes.is_empty() {
            let due = &content.at(number)[at..];
            let length = due.len().min(bytes.len());
            assert!(bytes[..length] == due[..length], "other bytes in mebibyte {number}");
            bytes = &bytes[length..];
            at += length;
            if at as u64 == MIB {
                (number, at) = (number + 1, 0);
            }
        }
    });
    assert_eq!((answer.status, taken), (200, mebibytes * MIB));
    assert_eq!(answer.header("content-md5"), image["checksum"].as_str());
    let down = began.elapsed().as_secs_f64();
    let speed = |seconds: f64| mebibytes as f64 / seconds;
    println!("{name}: {mebibytes} MiB, up with both sums {:.0} MiB/s, down {:.0} MiB/s", speed(up), speed(down));
    server.good("image-v2", "DELETE", &format!("/v2/images/{id}"), &Value::Null);
}

#[test]
fn two_gibibytes_take_no_more_memory_than_two_mebibytes() {
    let Some(world) = World::new("a 2 GiB image", "") else { return };
    let server = world.start();
    let seeded = files(&world);
    there_and_back(&server, "small", 2);
    let small = server.memory_kib("VmHWM:");
    there_and_back(&server, "large", 2048);
    let large = server.memory_kib("VmHWM:");
    println!("most memory resident: {} MiB, then {} MiB", small / 1024, large / 1024);
    assert!(large < small + GROWTH_KIB, "{small} KiB, then {large} KiB");
    assert_eq!(files(&world), seeded, "the files of deleted images are gone");
}

fn files(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.state("images")).expect("the folder of the images");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let Some(world) = World::new("an upload that breaks off", "") else { return };
    let server = world.start();
    let seeded = files(&world);
    let id = create(&server, "broken");
    let state = || server.good("image-v2", "GET", &format!("/v2/images/{id}"), &Value::Null)["status"].clone();
    let path = format!("/v2/images/{id}/file");
    let (address, target) = server.place("image-v2", &path);
    let mut content = Content::new();
    for _ in 0..2 {
        let mut upload = Upload::begin(address, &target, &server.token, 64 * MIB);
        assert!((0..8).all(|number| upload.send(content.at(number))), "it is taken");
        let part = until("a file in parts", || files(&world).into_iter().find(|file| !seeded.contains(file)));
        assert!(part.extension().is_some_and(|ending| ending == "part"), "{}", part.display());
        assert_eq!(state(), "saving");
        // The client goes away.
        drop(upload);
        until("the image is queued again", || (state() == "queued").then_some(()));
        until("the file goes", || (files(&world) == seeded).then_some(()));
    }
    // And can be sent anew.
    let mut upload = Upload::begin(address, &target, &server.token, MIB);
    assert!(upload.send(content.at(0)));
    assert_eq!(upload.answer().status, 204);
    assert_eq!(state(), "active");
}
