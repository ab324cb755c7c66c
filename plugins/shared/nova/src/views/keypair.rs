//! A key pair.

use skyloom_sdk::cloud::keypairs::{KeyKind, Keypair};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{key, time};

/// What lists, shows and creations have in common.
pub fn write_common(writer: &mut Writer, keypair: &Keypair, minor: u32) {
    writer.key(key!("name")).string(&keypair.name);
    writer.key(key!("public_key")).string(&keypair.public_key);
    writer.key(key!("fingerprint")).string(&keypair.fingerprint);
    if minor >= 2 {
        writer.key(key!("type")).raw(match keypair.kind {
            KeyKind::Ssh => "\"ssh\"",
            KeyKind::X509 => "\"x509\"",
        });
    }
}

pub fn write(writer: &mut Writer, keypair: &Keypair, minor: u32) {
    writer.begin_object();
    write_common(writer, keypair, minor);
    writer.key(key!("user_id")).string(&keypair.user_id);
    writer.key(key!("id")).unsigned(u64::from(number(keypair)));
    writer.key(key!("created_at")).plain(|out| time::write_micros(out, keypair.created_at));
    writer.key(key!("deleted")).boolean(false);
    writer.key(key!("deleted_at")).null();
    writer.key(key!("updated_at")).null();
    writer.end_object();
}

/// Nova numbers key pairs; the core knows them by user and name. The number is made from these two and the time of creation
/// (FNV-1a, 31 bits): always the same for one key pair, another one when it is made anew.
fn number(keypair: &Keypair) -> u32 {
    let time = keypair.created_at.to_le_bytes();
    let parts = [keypair.user_id.as_bytes(), b"\0", keypair.name.as_bytes(), &time];
    let hash = parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash >> 1).max(1)
}
