//! What personalities call: `skyloom:cloud/compute`. Each function stands in the file of its subject.

use std::sync::Arc;

use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::{PageRequest, Pair};
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use super::Compute;

type Context = Arc<CallContext>;

#[async_trait::async_trait]
impl ComputeApi for Compute {
    async fn list_servers(
        &self,
        context: &Context,
        conditions: Vec<wit::Condition>,
        parts: Vec<String>,
        page: PageRequest,
    ) -> Result<wit::ServerPage, Error> {
        Ok(self.server_page(context, conditions, &parts, page).await?)
    }

    async fn get_server(&self, context: &Context, id: String, parts: Vec<String>) -> Result<wit::Server, Error> {
        Ok(self.show_server(context, &id, &parts).await?)
    }

    async fn create_servers(&self, context: &Context, create: wit::ServerCreate) -> Result<wit::ServerCreated, Error> {
        Ok(self.make_servers(context, create).await?)
    }

    async fn update_server(
        &self,
        context: &Context,
        id: String,
        update: wit::ServerUpdate,
    ) -> Result<wit::Server, Error> {
        Ok(self.change_server(context, &id, update).await?)
    }

    async fn act_on_servers(
        &self,
        context: &Context,
        ids: Vec<String>,
        verb: String,
        options: Vec<Pair>,
        as_batch: bool,
        strict: bool,
    ) -> Result<String, Error> {
        Ok(self.act_on(context, ids, (&verb, options), as_batch, strict).await?)
    }

    async fn attach_nics(
        &self,
        context: &Context,
        id: String,
        nics: Vec<wit::NicRequest>,
        dry_run: bool,
    ) -> Result<wit::NicsAttached, Error> {
        Ok(self.give_nics(context, id, nics, dry_run).await?)
    }

    async fn detach_nics(&self, context: &Context, id: String, port_ids: Vec<String>) -> Result<String, Error> {
        Ok(self.take_nics(context, id, port_ids).await?)
    }

    async fn rebuild_server(
        &self,
        context: &Context,
        id: String,
        rebuild: wit::ServerRebuild,
    ) -> Result<wit::ServerRebuilt, Error> {
        Ok(self.rebuild(context, &id, rebuild).await?)
    }

    async fn delete_servers(
        &self,
        context: &Context,
        ids: Vec<String>,
        options: wit::DeleteOptions,
        as_batch: bool,
        strict: bool,
    ) -> Result<String, Error> {
        Ok(self.delete_servers_of(context, ids, options, as_batch, strict).await?)
    }

    async fn console_output(&self, context: &Context, id: String, lines: Option<u32>) -> Result<String, Error> {
        Ok(self.read_console(context, &id, lines).await?)
    }

    async fn set_metadata(
        &self,
        context: &Context,
        id: String,
        items: Vec<Pair>,
        mode: wit::MetadataMode,
    ) -> Result<Vec<Pair>, Error> {
        Ok(self.put_metadata(context, &id, items, mode).await?)
    }

    async fn delete_metadata(&self, context: &Context, id: String, key: String) -> Result<(), Error> {
        Ok(self.remove_metadata(context, &id, &key).await?)
    }

    async fn set_tags(
        &self,
        context: &Context,
        id: String,
        tags: Vec<String>,
        mode: wit::MetadataMode,
    ) -> Result<Vec<String>, Error> {
        Ok(self.put_tags(context, &id, &tags, mode).await?)
    }

    async fn exchange_tags(
        &self,
        context: &Context,
        id: String,
        old: Vec<String>,
        new: Vec<String>,
    ) -> Result<(), Error> {
        Ok(self.swap_tags(context, &id, old, &new).await?)
    }

    async fn delete_tag(&self, context: &Context, id: String, tag: String) -> Result<(), Error> {
        Ok(self.remove_tag(context, &id, &tag).await?)
    }

    async fn list_zones(&self, context: &Context) -> Result<Vec<wit::Zone>, Error> {
        Ok(self.zones(context).await?)
    }

    async fn list_server_groups(
        &self,
        context: &Context,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::ServerGroupPage, Error> {
        Ok(self.server_group_page(context, conditions, page).await?)
    }

    async fn get_server_group(&self, context: &Context, id: String) -> Result<wit::ServerGroup, Error> {
        Ok(self.show_server_group(context, &id).await?)
    }

    async fn create_server_group(
        &self,
        context: &Context,
        create: wit::ServerGroupCreate,
    ) -> Result<wit::ServerGroup, Error> {
        Ok(self.make_server_group(context, create).await?)
    }

    async fn delete_server_group(&self, context: &Context, id: String) -> Result<(), Error> {
        Ok(self.remove_server_group(context, &id).await?)
    }

    async fn add_server_group_member(&self, context: &Context, id: String, server_id: String) -> Result<(), Error> {
        Ok(self.join_server_group(context, &id, &server_id).await?)
    }

    async fn remove_server_group_member(&self, context: &Context, id: String, server_id: String) -> Result<(), Error> {
        Ok(self.leave_server_group(context, &id, &server_id).await?)
    }

    async fn list_aggregates(
        &self,
        context: &Context,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::AggregatePage, Error> {
        Ok(self.aggregate_page(context, conditions, page).await?)
    }

    async fn get_aggregate(&self, context: &Context, id: String) -> Result<wit::Aggregate, Error> {
        Ok(self.show_aggregate(context, &id).await?)
    }

    async fn create_aggregate(
        &self,
        context: &Context,
        name: String,
        zone: Option<String>,
    ) -> Result<wit::Aggregate, Error> {
        Ok(self.make_aggregate(context, name, zone).await?)
    }

    async fn update_aggregate(
        &self,
        context: &Context,
        id: String,
        update: wit::AggregateUpdate,
    ) -> Result<wit::Aggregate, Error> {
        Ok(self.change_aggregate(context, &id, update).await?)
    }

    async fn delete_aggregate(&self, context: &Context, id: String) -> Result<(), Error> {
        Ok(self.drop_aggregate(context, &id).await?)
    }

    async fn add_aggregate_node(&self, context: &Context, id: String, node: String) -> Result<wit::Aggregate, Error> {
        Ok(self.put_node_in(context, &id, &node).await?)
    }

    async fn remove_aggregate_node(
        &self,
        context: &Context,
        id: String,
        node: String,
    ) -> Result<wit::Aggregate, Error> {
        Ok(self.take_node_out(context, &id, &node).await?)
    }
}
