//! Flavors. Private ones are for operators and for the projects that they give them to.

use std::sync::Arc;

use skyloom_model::{Action, Caller, Error, ErrorCode, Result, Timestamp, new_id};
use skyloom_runtime::api::FlavorsApi;
use skyloom_runtime::bindings::cloud::flavors as wit;
use skyloom_runtime::bindings::types::common::{PageRequest, Pair};
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::projects;
use skyloom_store::listing::{taken, taken_flag};
use skyloom_store::{Conn, flavors as store, nodes};

use super::Settings;
use super::common::{check_name, check_text, items, page, pairs};
use crate::attributes;
use crate::base::{Base, stands_on_base};
use crate::bounds;
use crate::events::{self, Owner};
use crate::lists::conditions;

fn view(context: &CallContext, flavor: store::Flavor) -> Result<wit::Flavor> {
    Ok(wit::Flavor {
        attributes: attributes::own(context, &flavor.attributes)?,
        extra_specs: pairs(&flavor.extra_specs),
        id: flavor.id,
        name: flavor.name,
        description: flavor.description,
        vcpus: flavor.vcpus,
        memory_mib: flavor.memory_mib,
        disk_gib: flavor.disk_gib,
        ephemeral_gib: flavor.ephemeral_gib,
        swap_mib: flavor.swap_mib,
        rxtx_factor_milli: flavor.rxtx_factor_milli,
        is_public: flavor.is_public,
        disabled: flavor.disabled,
        created_at: flavor.created_at.0,
    })
}

/// Sizes above this are refused: they would not fit the sums of a quota.
const MAX_SIZE: u32 = i32::MAX as u32;

fn checked(context: &CallContext, create: wit::FlavorCreate) -> Result<store::Flavor> {
    check_name("name", &create.name)?;
    let id = create.id.unwrap_or_else(new_id);
    check_name("id", &id)?;
    if let Some(description) = &create.description {
        check_description(description)?;
    }
    for (field, value, least) in [
        ("vcpus", create.vcpus, 1),
        ("memory-mib", create.memory_mib, 1),
        ("disk-gib", create.disk_gib, 0),
        ("ephemeral-gib", create.ephemeral_gib, 0),
        ("swap-mib", create.swap_mib, 0),
        ("rxtx-factor-milli", create.rxtx_factor_milli, 1),
    ] {
        if !(least..=MAX_SIZE).contains(&value) {
            let message = format!("{value} is not between {least} and {MAX_SIZE}.");
            return Err(Error::invalid(field, message).with_reason("out-of-range"));
        }
    }
    Ok(store::Flavor {
        id,
        name: create.name,
        description: create.description,
        vcpus: create.vcpus,
        memory_mib: create.memory_mib,
        disk_gib: create.disk_gib,
        ephemeral_gib: create.ephemeral_gib,
        swap_mib: create.swap_mib,
        rxtx_factor_milli: create.rxtx_factor_milli,
        is_public: create.is_public,
        disabled: false,
        extra_specs: std::collections::BTreeMap::new(),
        created_at: Timestamp::now(),
        attributes: attributes::with(context, attributes::NONE, &create.attributes)?,
    })
}

fn check_description(description: &str) -> Result<()> {
    // People write line breaks into descriptions.
    if description.chars().count() > 65_535 || description.contains('\0') {
        return Err(Error::invalid("description", "A text is longer than 65535 characters.").with_reason("too-long"));
    }
    Ok(())
}

fn missing(id: &str) -> Error {
    Error::not_found("flavor", id)
}

/// Held until the commit.
async fn locked(tx: &mut Conn, id: &str) -> Result<store::Flavor> {
    store::lock(tx, id).await?.ok_or_else(|| missing(id))
}

/// What a server may be made of.
pub struct Flavors {
    base: Base,
    settings: Arc<Settings>,
}

stands_on_base!(Flavors);

impl Flavors {
    pub(crate) fn new(base: Base, settings: Arc<Settings>) -> Self {
        Self { base, settings }
    }

    /// A flavor that the caller may use.
    pub(super) async fn usable_flavor(&self, conn: &mut Conn, caller: &Caller, id: &str) -> Result<store::Flavor> {
        let flavor = store::get(conn, id).await?.ok_or_else(|| missing(id))?;
        let given = flavor.is_public || self.sees_all(caller) || store::has_access(conn, id, &caller.reach()).await?;
        if given { Ok(flavor) } else { Err(missing(id)) }
    }

    fn sees_all(&self, caller: &Caller) -> bool {
        self.permit(Some(caller), Action::FlavorsReadAll).is_ok()
    }

    async fn flavor_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::FlavorPage> {
        let reach = self.permit(context.caller.as_deref(), Action::FlavorsRead)?;
        let caller = context.caller()?;
        let sees_all = self.sees_all(caller);
        let mut wanted = conditions(asked)?;
        let all = taken_flag(&mut wanted, "all-projects")? == Some(true);
        let is_public = taken_flag(&mut wanted, "is-public")?.unwrap_or(true);
        let is_public = if sees_all && all { None } else { Some(is_public || !sees_all) };
        let mut conn = self.db().read().await?;
        let fits = match taken(&mut wanted, "zone")? {
            Some(zone) => Some(self.room_of_zone(&mut conn, &zone).await?),
            None => None,
        };
        let filter =
            store::Filter { is_public, given: reach.narrowed(caller.project_id()), sees_all, fits, conditions: wanted };
        let listed = store::list(&mut conn, &filter, &page(request)).await?;
        let flavors = listed.items.into_iter().map(|flavor| view(context, flavor)).collect::<Result<_>>()?;
        Ok(wit::FlavorPage { flavors, next: listed.next })
    }

    /// Processors that may be given out, memory and disk of each node of the zone that takes servers.
    async fn room_of_zone(&self, conn: &mut Conn, zone: &str) -> Result<Vec<(i64, i64, i64)>> {
        let per_core = i64::from(self.settings.vcpus_per_core);
        let nodes = nodes::all(conn).await?;
        let fitting = nodes.into_iter().filter(|node| node.enabled && node.zone == zone);
        Ok(fitting.map(|node| (node.vcpus.saturating_mul(per_core), node.memory_mib, node.disk_gib)).collect())
    }

    async fn show_flavor(&self, context: &CallContext, id: &str) -> Result<wit::Flavor> {
        self.permit(context.caller.as_deref(), Action::FlavorsRead)?;
        let mut conn = self.db().read().await?;
        view(context, self.usable_flavor(&mut conn, context.caller()?, id).await?)
    }

    async fn add_flavor(&self, context: &CallContext, create: wit::FlavorCreate) -> Result<wit::Flavor> {
        self.permit(context.caller.as_deref(), Action::FlavorsCreate)?;
        let flavor = checked(context, create)?;
        let mut tx = self.db().begin().await?;
        events::changed(&mut tx, context, Action::FlavorsCreate, ("flavor", &flavor.id), Owner::Cloud).await?;
        store::insert(&mut tx, &flavor).await?;
        tx.commit().await?;
        view(context, flavor)
    }

    async fn change_flavor(&self, context: &CallContext, id: &str, update: wit::FlavorUpdate) -> Result<wit::Flavor> {
        self.permit(context.caller.as_deref(), Action::FlavorsUpdate)?;
        if let Some(Some(text)) = &update.description {
            check_description(text)?;
        }
        let mut tx = self.db().begin().await?;
        let mut flavor = locked(&mut tx, id).await?;
        if let Some(description) = update.description {
            flavor.description = description;
        }
        attributes::put(context, &mut flavor.attributes, update.attributes.as_deref())?;
        events::changed(&mut tx, context, Action::FlavorsUpdate, ("flavor", id), Owner::Cloud).await?;
        store::update(&mut tx, &flavor).await?;
        tx.commit().await?;
        view(context, flavor)
    }

    async fn remove_flavor(&self, context: &CallContext, id: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::FlavorsDelete)?;
        let mut tx = self.db().begin().await?;
        events::changed(&mut tx, context, Action::FlavorsDelete, ("flavor", id), Owner::Cloud).await?;
        if !store::delete(&mut tx, id).await? {
            return Err(missing(id));
        }
        tx.commit().await
    }

    async fn put_extra_specs(&self, context: &CallContext, id: &str, new: Vec<Pair>) -> Result<Vec<Pair>> {
        self.permit(context.caller.as_deref(), Action::FlavorsUpdateSpecs)?;
        let new = items("extra-specs", new)?;
        for key in new.keys() {
            check_text("extra-specs", key)?;
        }
        let mut tx = self.db().begin().await?;
        let mut flavor = locked(&mut tx, id).await?;
        flavor.extra_specs.extend(new);
        bounds::pairs("extra-specs", bounds::PAIRS, &flavor.extra_specs)?;
        events::changed(&mut tx, context, Action::FlavorsUpdateSpecs, ("flavor", id), Owner::Cloud).await?;
        store::update(&mut tx, &flavor).await?;
        tx.commit().await?;
        Ok(pairs(&flavor.extra_specs))
    }

    async fn remove_extra_spec(&self, context: &CallContext, id: &str, key: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::FlavorsUpdateSpecs)?;
        let mut tx = self.db().begin().await?;
        let mut flavor = locked(&mut tx, id).await?;
        if flavor.extra_specs.remove(key).is_none() {
            let message = format!("Flavor {id} has no extra specs with key {key}.");
            return Err(Error::new(ErrorCode::NotFound, message).with_resource("flavor", id).with_field("key"));
        }
        events::changed(&mut tx, context, Action::FlavorsUpdateSpecs, ("flavor", id), Owner::Cloud).await?;
        store::update(&mut tx, &flavor).await?;
        tx.commit().await
    }
}

/// Who may use a private flavor.
impl Flavors {
    async fn flavor_access(&self, context: &CallContext, id: &str) -> Result<Vec<String>> {
        self.permit(context.caller.as_deref(), Action::FlavorsReadAccess)?;
        let mut conn = self.db().read().await?;
        store::get(&mut conn, id).await?.ok_or_else(|| missing(id))?;
        store::access(&mut conn, id).await
    }

    async fn give_flavor(&self, context: &CallContext, id: &str, project_id: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::FlavorsGrant)?;
        let mut tx = self.db().begin().await?;
        // Held, so that the flavor doesn't go meanwhile.
        let flavor = locked(&mut tx, id).await?;
        if flavor.is_public {
            let message = format!("Flavor {id} is public: every project may use it.");
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("flavor", id));
        }
        if projects::get(&mut tx, project_id).await?.is_none() {
            return Err(Error::invalid("project-id", format!("Project ID {project_id} is not a valid project.")));
        }
        events::changed(&mut tx, context, Action::FlavorsGrant, ("flavor", id), Owner::Cloud).await?;
        if !store::add_access(&mut tx, id, project_id).await? {
            let message = format!("Flavor access already exists for flavor {id} and project {project_id} combination.");
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_resource("flavor", id));
        }
        tx.commit().await
    }

    async fn take_flavor(&self, context: &CallContext, id: &str, project_id: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::FlavorsRevoke)?;
        let mut tx = self.db().begin().await?;
        store::get(&mut tx, id).await?.ok_or_else(|| missing(id))?;
        events::changed(&mut tx, context, Action::FlavorsRevoke, ("flavor", id), Owner::Cloud).await?;
        if !store::remove_access(&mut tx, id, project_id).await? {
            let message = format!("Flavor access not found for {id} / {project_id} combination.");
            return Err(Error::new(ErrorCode::NotFound, message).with_resource("flavor", id).with_field("project-id"));
        }
        tx.commit().await
    }
}

#[async_trait::async_trait]
impl FlavorsApi for Flavors {
    async fn list_flavors(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::FlavorPage, WitError> {
        Ok(self.flavor_page(context, conditions, page).await?)
    }

    async fn get_flavor(&self, context: &Arc<CallContext>, id: String) -> Result<wit::Flavor, WitError> {
        Ok(self.show_flavor(context, &id).await?)
    }

    async fn create_flavor(
        &self,
        context: &Arc<CallContext>,
        create: wit::FlavorCreate,
    ) -> Result<wit::Flavor, WitError> {
        Ok(self.add_flavor(context, create).await?)
    }

    async fn update_flavor(
        &self,
        context: &Arc<CallContext>,
        id: String,
        update: wit::FlavorUpdate,
    ) -> Result<wit::Flavor, WitError> {
        Ok(self.change_flavor(context, &id, update).await?)
    }

    async fn delete_flavor(&self, context: &Arc<CallContext>, id: String) -> Result<(), WitError> {
        Ok(self.remove_flavor(context, &id).await?)
    }

    async fn set_extra_specs(
        &self,
        context: &Arc<CallContext>,
        id: String,
        items: Vec<Pair>,
    ) -> Result<Vec<Pair>, WitError> {
        Ok(self.put_extra_specs(context, &id, items).await?)
    }

    async fn delete_extra_spec(&self, context: &Arc<CallContext>, id: String, key: String) -> Result<(), WitError> {
        Ok(self.remove_extra_spec(context, &id, &key).await?)
    }

    async fn list_flavor_access(&self, context: &Arc<CallContext>, id: String) -> Result<Vec<String>, WitError> {
        Ok(self.flavor_access(context, &id).await?)
    }

    async fn add_flavor_access(
        &self,
        context: &Arc<CallContext>,
        id: String,
        project_id: String,
    ) -> Result<(), WitError> {
        Ok(self.give_flavor(context, &id, &project_id).await?)
    }

    async fn remove_flavor_access(
        &self,
        context: &Arc<CallContext>,
        id: String,
        project_id: String,
    ) -> Result<(), WitError> {
        Ok(self.take_flavor(context, &id, &project_id).await?)
    }
}
