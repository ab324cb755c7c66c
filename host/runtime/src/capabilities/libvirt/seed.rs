//! The seed disk: what a guest reads at its first boot. Secrets come onto it as hashes only.

use std::io::{Cursor, Write};

use sha_crypt::{Sha512Params, sha512_crypt_b64};
use sha2::{Digest, Sha256};
use skyloom_model::{Error, Result};

use super::making::broken;
use crate::context::SecretVault;

/// A seed holds at most 64 KiB of user data; FAT needs its tables beside it.
const BYTES: usize = 512 * 1024;
/// The format's own default, which its text then doesn't name.
const ROUNDS: usize = 5000;
/// The most that the format takes.
const SALT_LETTERS: usize = 16;

/// The files with a hash in the place of each handle. The same disk and secret give the same bytes, so that a repeated call
/// has no second effect.
pub fn with_hashes(
    disk: &str,
    mut files: Vec<(String, Vec<u8>)>,
    secrets: &SecretVault,
) -> Result<Vec<(String, Vec<u8>)>> {
    for (handle, value) in secrets.all() {
        let mut hash = None;
        for (_, bytes) in &mut files {
            while let Some(at) = bytes.windows(handle.len()).position(|window| window == handle.as_bytes()) {
                let hash = match &hash {
                    Some(hash) => hash,
                    None => hash.insert(crypt(disk, &value)?),
                };
                bytes.splice(at..at + handle.len(), hash.bytes());
            }
        }
    }
    Ok(files)
}

/// crypt(3) with SHA-512. The salt is the disk's name, hashed: names hold a server's id, so no two servers have the same.
fn crypt(disk: &str, secret: &str) -> Result<String> {
    let salt = hex::encode(Sha256::digest(disk))[..SALT_LETTERS].to_owned();
    let failed = |error| Error::internal(format!("hashing a password: {error:?}"));
    let params = Sha512Params::new(ROUNDS).map_err(failed)?;
    let hash = sha512_crypt_b64(secret.as_bytes(), salt.as_bytes(), &params).map_err(failed)?;
    Ok(format!("$6${salt}${hash}"))
}

/// A FAT file system labelled `CIDATA`, in memory.
pub fn image(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    write(files).map_err(|error| broken(&error))
}

fn write(files: &[(String, Vec<u8>)]) -> std::io::Result<Vec<u8>> {
    let mut image = Cursor::new(vec![0; BYTES]);
    let options = fatfs::FormatVolumeOptions::new().volume_label(*b"CIDATA     ");
    fatfs::format_volume(&mut image, options)?;
    {
        let system = fatfs::FileSystem::new(&mut image, fatfs::FsOptions::new())?;
        for (name, bytes) in files {
            let mut file = system.root_dir().create_file(name)?;
            file.truncate()?;
            file.write_all(bytes)?;
        }
        system.unmount()?;
    }
    Ok(image.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_seed_is_a_labelled_file_system_with_its_files() {
        let files = [("meta-data".to_owned(), b"one".to_vec()), ("user-data".to_owned(), vec![0xff; 65_535])];
        let system = fatfs::FileSystem::new(Cursor::new(image(&files).unwrap()), fatfs::FsOptions::new()).unwrap();
        assert_eq!(system.volume_label(), "CIDATA");
        let mut read = Vec::new();
        system.root_dir().open_file("user-data").unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read.len(), 65_535);
    }

    #[test]
    fn a_handle_becomes_a_hash_and_nothing_else_does() {
        let secrets = SecretVault::new();
        let (handle, foreign) = (secrets.put("a \"password\": {}\n"), SecretVault::new().put("another call's"));
        let text = format!("{{\"password\": \"{handle}\", \"again\": \"{handle}\", \"foreign\": \"{foreign}\"}}");
        let files = || vec![("vendor-data".to_owned(), text.clone().into_bytes())];
        let filled = with_hashes("one.seed", files(), &secrets).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&filled[0].1).expect("nothing that would need escaping");
        let hash = json["password"].as_str().unwrap();
        assert!(hash.starts_with("$6$"), "{hash}");
        assert_eq!(json["again"], json["password"]);
        assert_eq!(json["foreign"].as_str(), Some(foreign.as_str()));
        assert!(sha_crypt::sha512_check("a \"password\": {}\n", hash).is_ok());
        assert!(sha_crypt::sha512_check("another", hash).is_err());
        assert_eq!(with_hashes("one.seed", files(), &secrets).unwrap(), filled, "repeated, the same bytes");
        assert_ne!(with_hashes("two.seed", files(), &secrets).unwrap(), filled, "another server has another salt");
    }
}
