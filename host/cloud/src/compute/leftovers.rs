//! What outlives its server, for the operator: volumes and public addresses that were not to go with it. A volume goes at once, also
//! where its node is lost; its project's own deletion waits for the node.

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_store::public_addresses::{self, PublicAddress};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{Db, metering, placements};

use super::volumes::deletable;
use crate::events::{self, Owner};

/// Which of them are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// None: of every project.
    pub project_id: Option<String>,
    /// Only those that no server has.
    pub free: bool,
    pub limit: u32,
}

/// The newest first.
pub async fn volumes(db: &Db, filter: &Filter) -> Result<Vec<Volume>> {
    volumes::newest(&mut db.read().await?, filter.project_id.as_deref(), filter.free, filter.limit).await
}

/// The newest first.
pub async fn public_addresses(db: &Db, filter: &Filter) -> Result<Vec<PublicAddress>> {
    public_addresses::newest(&mut db.read().await?, filter.project_id.as_deref(), filter.free, filter.limit).await
}

/// Ends the volume, what it is charged for and what it holds of quota and node. The reconciler takes its disk from the platform
/// at its next look. `in-use`: a server has it, or snapshots are of it; `busy`: an operation holds it.
pub async fn delete_volume(db: &Db, id: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    let volume = volumes::lock(&mut tx, id).await?.ok_or_else(|| Error::not_found("volume", id))?;
    deletable(&mut tx, &volume).await?;
    if volumes::is_held(&mut tx, id).await? {
        let text = format!("An operation holds the volume {id}.");
        return Err(Error::new(ErrorCode::Busy, text).with_resource("volume", id));
    }
    let now = Timestamp::now();
    if !volumes::discard(&mut tx, id, now).await? {
        return Err(in_use("volume", id, &volume.server_id));
    }
    let owner = Owner::Project(&volume.project_id);
    events::by_operator(&mut tx, Action::VolumesDelete, ("volume", id), owner).await?;
    metering::close_spans(&mut tx, id, &[], now).await?;
    placements::release(&mut tx, id).await?;
    tx.commit().await
}

/// Gives the address back, and ends what it is charged for. `in-use`: a server has it.
pub async fn delete_public_address(db: &Db, id: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    let address = public_addresses::lock(&mut tx, id, &Reach::All).await?;
    let address = address.ok_or_else(|| Error::not_found("public address", id))?;
    if !address.server_id.is_empty() {
        return Err(in_use("public address", id, &address.server_id));
    }
    let owner = Owner::Project(&address.project_id);
    events::by_operator(&mut tx, Action::PublicAddressesDelete, ("public-address", id), owner).await?;
    public_addresses::release(&mut tx, id, Timestamp::now()).await?;
    tx.commit().await
}

/// Nothing was ended: a server has it, or somebody else has just ended it.
fn in_use(what: &str, id: &str, server_id: &str) -> Error {
    if server_id.is_empty() {
        return Error::not_found(what, id);
    }
    let text = format!("The {what} {id} is in use by server {server_id}: delete the server first.");
    Error::new(ErrorCode::InUse, text).with_resource(what, id)
}
