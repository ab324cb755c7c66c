//! `skyloom:cloud/networks`, function by function; the rules stand in the other files.

use std::sync::Arc;

use skyloom_runtime::api::NetworksApi;
use skyloom_runtime::bindings::cloud::networks::{
    Condition, GroupPage, GroupWrite, Network, NetworkPage, NetworkWrite, Port, PortPage, PortWrite, PublicAddress,
    PublicAddressPage, PublicAddressWrite, Router, RouterPage, RuleCreate, RulePage, SecurityGroup, SecurityGroupRule,
    Subnet, SubnetPage, SubnetWrite,
};
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;
use skyloom_store::collisions::again;

use super::Networks;

/// `id;` stands for the argument that names the resource. Each is one transaction.
macro_rules! forward {
    ($($function:ident => $rule:ident($($id:ident)?; $($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait::async_trait]
        impl NetworksApi for Networks {
            $(async fn $function(
                &self, context: &Arc<CallContext>, $($id: String,)? $($arg: $kind),*
            ) -> Result<$answer, Error> {
                Ok(again(|| self.$rule(context, $(&$id,)? $($arg.clone()),*)).await?)
            })*
        }
    };
}

forward! {
    list_networks => networks_list(; conditions: Vec<Condition>, page: PageRequest) -> NetworkPage;
    get_network => networks_get(id;) -> Network;
    create_networks => networks_create(; writes: Vec<NetworkWrite>) -> Vec<Network>;
    update_network => networks_update(id; write: NetworkWrite) -> Network;
    delete_network => networks_delete(id;) -> ();
    list_subnets => subnets_list(; conditions: Vec<Condition>, page: PageRequest) -> SubnetPage;
    get_subnet => subnets_get(id;) -> Subnet;
    create_subnets => subnets_create(; writes: Vec<SubnetWrite>) -> Vec<Subnet>;
    update_subnet => subnets_update(id; write: SubnetWrite) -> Subnet;
    delete_subnet => subnets_delete(id;) -> ();
    list_ports => ports_list(; conditions: Vec<Condition>, page: PageRequest) -> PortPage;
    get_port => ports_get(id;) -> Port;
    create_ports => ports_create(; writes: Vec<PortWrite>) -> Vec<Port>;
    update_port => ports_update(id; write: PortWrite) -> Port;
    delete_port => ports_delete(id;) -> ();
    list_security_groups => groups_list(; conditions: Vec<Condition>, page: PageRequest) -> GroupPage;
    get_security_group => groups_get(id;) -> SecurityGroup;
    create_security_groups => groups_create(; writes: Vec<GroupWrite>) -> Vec<SecurityGroup>;
    update_security_group => groups_update(id; write: GroupWrite) -> SecurityGroup;
    delete_security_group => groups_delete(id;) -> ();
    list_security_group_rules => rules_list(; conditions: Vec<Condition>, page: PageRequest) -> RulePage;
    get_security_group_rule => rules_get(id;) -> SecurityGroupRule;
    create_security_group_rules => rules_create(; creates: Vec<RuleCreate>) -> Vec<SecurityGroupRule>;
    delete_security_group_rule => rules_delete(id;) -> ();
    list_routers => routers_list(; conditions: Vec<Condition>, page: PageRequest) -> RouterPage;
    get_router => routers_get(id;) -> Router;
    list_public_addresses => public_addresses_list(; conditions: Vec<Condition>, page: PageRequest) -> PublicAddressPage;
    get_public_address => public_addresses_get(id;) -> PublicAddress;
    create_public_addresses => public_addresses_create(; writes: Vec<PublicAddressWrite>) -> Vec<PublicAddress>;
    update_public_address => public_addresses_update(id; write: PublicAddressWrite) -> PublicAddress;
    delete_public_address => public_addresses_delete(id;) -> ();
}
