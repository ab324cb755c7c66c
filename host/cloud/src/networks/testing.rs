//! For tests: one of a kind, where the contract makes several.

use std::sync::Arc;

use skyloom_runtime::api::NetworksApi as _;
use skyloom_runtime::bindings::cloud::networks::{
    GroupWrite, Network, NetworkWrite, Port, PortWrite, PublicAddress, PublicAddressWrite, RuleCreate, SecurityGroup,
    SecurityGroupRule, Subnet, SubnetWrite,
};
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use crate::Cloud;

macro_rules! make_one {
    ($($function:ident by $several:ident: $write:ty => $made:ty;)*) => {
        impl Cloud {
            $(pub(crate) async fn $function(
                &self, context: &Arc<CallContext>, write: $write,
            ) -> Result<$made, Error> {
                let mut made = self.$several(context, vec![write]).await?;
                assert_eq!(made.len(), 1);
                Ok(made.remove(0))
            })*
        }
    };
}

make_one! {
    create_network by create_networks: NetworkWrite => Network;
    create_subnet by create_subnets: SubnetWrite => Subnet;
    create_port by create_ports: PortWrite => Port;
    create_public_address by create_public_addresses: PublicAddressWrite => PublicAddress;
    create_security_group by create_security_groups: GroupWrite => SecurityGroup;
    create_security_group_rule by create_security_group_rules: RuleCreate => SecurityGroupRule;
}
