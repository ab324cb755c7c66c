//! What a request for a new system disk does at once: it looks whether the image fits, and writes down what the server becomes.

use std::collections::BTreeMap;

use skyloom_model::{Action, Caller, Error, ErrorCode, Reach, Result, VmState};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::boot_images::BootImages;
use skyloom_store::rebuilds::{self, Key, NewFields, Rebuild};
use skyloom_store::servers::{self as store, Brief, Parts, Server};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{Conn, resizes};

use super::Compute;
use super::actions::Wish;
use super::common::{check_name, check_text, items};
use super::create::{self, Password};
use super::image::{self, BootImage, GIB};
use super::rules::{self, Verb};
use super::update::{canonical_ipv6, check_access, check_hostname};
use super::view;
use crate::attributes;

const IMAGE: &str = "image-id";

/// What a server becomes with its new system disk.
#[derive(Clone, Debug)]
pub(super) struct Anew {
    pub image_id: String,
    boots_with: BootImages,
    fields: NewFields,
    /// The calling face's own attributes.
    attributes: Option<String>,
    /// Of the guest's administrator; empty: none.
    password: std::sync::Arc<str>,
}

impl Compute {
    pub(super) async fn rebuild(
        &self,
        context: &CallContext,
        id: &str,
        asked: wit::ServerRebuild,
    ) -> Result<wit::ServerRebuilt> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersRebuild)?;
        let metadata = check(&asked)?;
        let (anew, admin_password) = self.anew(context, &reach, id, (asked, metadata)).await?;
        let wish = Wish::of_rebuild(anew);
        let operation_id = self.ask(context, vec![id.to_owned()], &wish, false, true).await?;
        let mut conn = self.db().read().await?;
        let rebuild = rebuilds::get(&mut conn, id).await?;
        let mut full = self.reached_server(&mut conn, &reach, id, Parts::ALL).await?;
        // Once it is gone the records say so themselves.
        if let Some(rebuild) = rebuild {
            rebuild.becomes(&mut full.server);
        }
        let server = view::server(context, full, self.sees_nodes(context))?;
        Ok(wit::ServerRebuilt { operation_id, admin_password, server })
    }

    /// Everything that can be known before the transaction, and the handle of the administrator's password.
    async fn anew(
        &self,
        context: &CallContext,
        reach: &Reach,
        id: &str,
        (asked, metadata): (wit::ServerRebuild, Option<BTreeMap<String, String>>),
    ) -> Result<(Anew, String)> {
        let (caller, conn) = (context.caller()?, &mut self.db().read().await?);
        let server = store::brief(conn, id, reach).await?.filter(|server| !server.deleted);
        let brief = server.ok_or_else(|| Error::not_found("server", id))?;
        // Whether anything may be done to it comes before what.
        rules::check(Verb::Rebuild, &brief, caller)?;
        if let Some(metadata) = &metadata {
            self.check_metadata_count(conn, &brief.project_id, metadata.len()).await?;
        }
        let server = self.reached_server(conn, reach, id, Parts::of_words(&[])?).await?.server;
        let (image, boots_with) = self.new_image(conn, caller, &server, asked.image_id.as_deref()).await?;
        let password = Password::of(context, &asked.admin_password, image.windows)?;
        let key = match &asked.key_name {
            Some(name) => Some(key(conn, caller, &server, (name.clone(), asked.key_user_id.as_deref())).await?),
            None => None,
        };
        let fields = NewFields {
            name: asked.name,
            description: asked.description,
            hostname: asked.hostname,
            metadata,
            access_ipv4: asked.access_ipv4,
            access_ipv6: asked.access_ipv6.as_deref().map(canonical_ipv6),
            key,
            user_data: asked.user_data,
            attributes: None,
        };
        let anew =
            Anew { image_id: image.id, boots_with, fields, attributes: asked.attributes, password: password.value };
        Ok((anew, password.handle))
    }

    /// The image that the server's system disk becomes, and what that one boots with.
    async fn new_image(
        &self,
        conn: &mut Conn,
        caller: &Caller,
        server: &Server,
        wanted: Option<&str>,
    ) -> Result<(BootImage, BootImages)> {
        let system = system_disk(conn, &server.id).await?;
        let image = match wanted {
            Some(id) => self.boot_image(conn, caller, id).await?,
            None => self.image_of(conn, &system).await?.ok_or_else(|| {
                let message = format!("The system disk of server {} began as no image: name one.", server.id);
                Error::invalid(IMAGE, message)
            })?,
        };
        if image.min_memory_mib > server.memory_mib {
            return Err(Error::invalid(IMAGE, "Flavor's memory is too small for requested image."));
        }
        if image.least_gib() > system.size_gib {
            let bytes = u64::from(image.least_gib()) * GIB;
            let message = format!("The system disk is too small for requested image: it needs {bytes} bytes.");
            return Err(Error::invalid(IMAGE, message).with_reason("disk-too-small"));
        }
        let boots_with = self.boots_with(conn, caller, &image).await?;
        Ok((image, boots_with))
    }

    /// Keeps what the server becomes for the operation.
    pub(super) async fn begin_rebuild(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        server: &Brief,
        anew: &Anew,
    ) -> Result<()> {
        let id = &server.id;
        if resizes::get(tx, id).await?.is_some() {
            let message = format!("The server {id} is between two flavors: confirm or revert its resize first.");
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("server", id));
        }
        for image in std::iter::once(&anew.image_id).chain(anew.boots_with.ids()) {
            image::still_active(tx, image).await?;
        }
        system_disk(tx, id).await?;
        let own = anew.attributes.as_deref().map(|own| attributes::with(context, &server.attributes, own));
        let rebuild = Rebuild {
            server_id: id.clone(),
            image_id: anew.image_id.clone(),
            kernel_id: anew.boots_with.kernel.clone(),
            ramdisk_id: anew.boots_with.ramdisk.clone(),
            running: server.vm_state != VmState::Stopped,
            admin_password: match &*anew.password {
                "" => String::new(),
                password => self.sealer().seal(id, password)?,
            },
            fields: NewFields { attributes: own.transpose()?, ..anew.fields.clone() },
        };
        rebuilds::insert(tx, &rebuild).await
    }
}

/// What the request says of itself; gives the metadata.
fn check(asked: &wit::ServerRebuild) -> Result<Option<BTreeMap<String, String>>> {
    if let Some(name) = &asked.name {
        check_name("name", name)?;
    }
    if let Some(Some(description)) = &asked.description {
        check_text("description", description)?;
    }
    if let Some(hostname) = &asked.hostname {
        check_hostname(hostname)?;
    }
    check_access(asked.access_ipv4.as_deref().unwrap_or_default(), asked.access_ipv6.as_deref().unwrap_or_default())?;
    if let Some(Some(data)) = &asked.user_data {
        create::check_user_data(data)?;
    }
    asked.metadata.clone().map(|metadata| items("metadata", metadata)).transpose()
}

/// A server without one, as one is whose creation failed, has nothing to make anew.
async fn system_disk(conn: &mut Conn, server_id: &str) -> Result<Volume> {
    let volumes = volumes::of_server(conn, server_id).await?;
    volumes.into_iter().find(|volume| volume.boot_index == 0).ok_or_else(|| {
        let error = Error::new(ErrorCode::WrongState, format!("The server {server_id} has no system disk."));
        error.with_resource("server", server_id).with_reason("no-system-disk")
    })
}

/// A key pair of the caller or of the server's maker; operators name anybody's.
async fn key(
    conn: &mut Conn,
    caller: &Caller,
    server: &Server,
    (name, owner): (Option<String>, Option<&str>),
) -> Result<Key> {
    let owner = owner.unwrap_or(&server.user_id);
    if name.is_some() && owner != caller.user.id && owner != server.user_id && !caller.admin {
        let message = "The key pair is neither the caller's nor that of the user who made the server.";
        return Err(Error::invalid("key-user-id", message));
    }
    let public_key = create::public_key(conn, owner, name.as_deref()).await?;
    Ok(Key { name, public_key })
}
