//! The password that a guest made for itself and handed over, encrypted for its key pair. Guests of Windows do so; the host has no
//! service yet that would take it, so there is none to be read, as before the guest has come so far.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, key, respond};

use super::fetch;
use crate::context::{Answer, Context};
use crate::errors::Fault;

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    fetch(context, &[])?;
    let mut writer = Writer::with_capacity(16);
    writer.begin_object().key(key!("password")).string("").end_object();
    Ok(respond::json(200, writer.finish()))
}

/// The guest's password stays, and what isn't kept is as good as forgotten. The core, which is asked for nothing else here, can't say
/// that a lock keeps its caller away.
pub fn clear<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = fetch(context, &[])?;
    if server.locked && !context.admin() {
        return Err(Fault::new(409, format!("Instance {} is locked", server.id)));
    }
    Ok(respond::empty(204))
}
