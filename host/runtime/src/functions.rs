//! The functions of `wit/cloud`. Generated, with a test that says how to renew it: host/runtime/tests/signatures.rs.

/// Hands all of them to the macro `$to`.
#[macro_export]
macro_rules! cloud_functions {
    ($to:ident) => {
        $to! {
            /// `skyloom:cloud/collections`.
            trait CollectionsApi in collections needs Collections {
                Reads fn list_items(collection: String, conditions: Vec<collections::Condition>, page: collections::PageRequest) -> collections::ItemPage;
                Reads fn get_item(collection: String, id: String) -> collections::Item;
                Changes fn create_item(collection: String, body: String) -> collections::Item;
                Changes fn update_item(collection: String, id: String, body: String, expected: Option<u64>) -> collections::Item;
                Changes fn delete_item(collection: String, id: String, expected: Option<u64>) -> ();
            }
            /// `skyloom:cloud/compute`.
            trait ComputeApi in compute needs Compute {
                Reads fn list_servers(conditions: Vec<compute::Condition>, parts: Vec<String>, page: compute::PageRequest) -> compute::ServerPage as packed;
                Reads fn get_server(id: String, parts: Vec<String>) -> compute::Server;
                Changes fn create_servers(create: compute::ServerCreate) -> compute::ServerCreated;
                Changes fn update_server(id: String, update: compute::ServerUpdate) -> compute::Server;
                Changes fn act_on_servers(ids: Vec<String>, verb: String, options: Vec<compute::Pair>, as_batch: bool, strict: bool) -> String;
                Changes fn attach_nics(id: String, nics: Vec<compute::NicRequest>, dry_run: bool) -> compute::NicsAttached;
                Changes fn detach_nics(id: String, port_ids: Vec<String>) -> String;
                Changes fn rebuild_server(id: String, rebuild: compute::ServerRebuild) -> compute::ServerRebuilt;
                Changes fn delete_servers(ids: Vec<String>, options: compute::DeleteOptions, as_batch: bool, strict: bool) -> String;
                Reads fn console_output(id: String, lines: Option<u32>) -> String;
                Changes fn set_metadata(id: String, items: Vec<compute::Pair>, mode: compute::MetadataMode) -> Vec<compute::Pair>;
                Changes fn delete_metadata(id: String, key: String) -> ();
                Changes fn set_tags(id: String, tags: Vec<String>, mode: compute::MetadataMode) -> Vec<String>;
                Changes fn exchange_tags(id: String, old: Vec<String>, new: Vec<String>) -> ();
                Changes fn delete_tag(id: String, tag: String) -> ();
                Reads fn list_zones() -> Vec<compute::Zone>;
                Reads fn list_server_groups(conditions: Vec<compute::Condition>, page: compute::PageRequest) -> compute::ServerGroupPage;
                Reads fn get_server_group(id: String) -> compute::ServerGroup;
                Changes fn create_server_group(create: compute::ServerGroupCreate) -> compute::ServerGroup;
                Changes fn delete_server_group(id: String) -> ();
                Changes fn add_server_group_member(id: String, server_id: String) -> ();
                Changes fn remove_server_group_member(id: String, server_id: String) -> ();
                Reads fn list_aggregates(conditions: Vec<compute::Condition>, page: compute::PageRequest) -> compute::AggregatePage;
                Reads fn get_aggregate(id: String) -> compute::Aggregate;
                Changes fn create_aggregate(name: String, zone: Option<String>) -> compute::Aggregate;
                Changes fn update_aggregate(id: String, update: compute::AggregateUpdate) -> compute::Aggregate;
                Changes fn delete_aggregate(id: String) -> ();
                Changes fn add_aggregate_node(id: String, node: String) -> compute::Aggregate;
                Changes fn remove_aggregate_node(id: String, node: String) -> compute::Aggregate;
            }
            /// `skyloom:cloud/flavors`.
            trait FlavorsApi in flavors needs Flavors {
                Reads fn list_flavors(conditions: Vec<flavors::Condition>, page: flavors::PageRequest) -> flavors::FlavorPage;
                Reads fn get_flavor(id: String) -> flavors::Flavor;
                Changes fn create_flavor(create: flavors::FlavorCreate) -> flavors::Flavor;
                Changes fn update_flavor(id: String, update: flavors::FlavorUpdate) -> flavors::Flavor;
                Changes fn delete_flavor(id: String) -> ();
                Changes fn set_extra_specs(id: String, items: Vec<flavors::Pair>) -> Vec<flavors::Pair>;
                Changes fn delete_extra_spec(id: String, key: String) -> ();
                Reads fn list_flavor_access(id: String) -> Vec<String>;
                Changes fn add_flavor_access(id: String, project_id: String) -> ();
                Changes fn remove_flavor_access(id: String, project_id: String) -> ();
            }
            /// `skyloom:cloud/identity`.
            trait IdentityApi in identity needs Identity {
                Changes fn authenticate(login: identity::Login) -> identity::Issued;
                Reads fn validate_token(subject: String) -> identity::TokenInfo;
                Changes fn revoke_token(subject: String) -> ();
                Reads fn catalog(project_id: Option<String>) -> Vec<identity::Service>;
                Reads fn list_domains(conditions: Vec<identity::Condition>, page: identity::PageRequest) -> identity::DomainPage;
                Reads fn get_domain(id: String) -> identity::Domain;
                Changes fn create_domain(write: identity::DomainWrite) -> identity::Domain;
                Changes fn update_domain(id: String, write: identity::DomainWrite) -> identity::Domain;
                Changes fn delete_domain(id: String) -> ();
                Reads fn list_projects(conditions: Vec<identity::Condition>, page: identity::PageRequest) -> identity::ProjectPage;
                Reads fn list_own_projects(page: identity::PageRequest) -> identity::ProjectPage;
                Reads fn list_own_domains(page: identity::PageRequest) -> identity::DomainPage;
                Reads fn list_user_projects(user_id: String, page: identity::PageRequest) -> identity::ProjectPage;
                Reads fn get_project(id: String) -> identity::Project;
                Changes fn create_project(write: identity::ProjectWrite) -> identity::Project;
                Changes fn update_project(id: String, write: identity::ProjectWrite) -> identity::Project;
                Changes fn delete_project(id: String) -> ();
                Reads fn list_users(conditions: Vec<identity::Condition>, page: identity::PageRequest) -> identity::UserPage;
                Reads fn get_user(id: String) -> identity::User;
                Changes fn create_user(write: identity::UserWrite) -> identity::User;
                Changes fn update_user(id: String, write: identity::UserWrite) -> identity::User;
                Changes fn delete_user(id: String) -> ();
                Changes fn change_password(user_id: String, original: String, password: String) -> ();
                Reads fn list_roles(conditions: Vec<identity::Condition>, page: identity::PageRequest) -> identity::RolePage;
                Reads fn get_role(id: String) -> identity::Role;
                Changes fn create_role(write: identity::RoleWrite) -> identity::Role;
                Changes fn update_role(id: String, write: identity::RoleWrite) -> identity::Role;
                Changes fn delete_role(id: String) -> ();
                Reads fn list_assignments(filter: identity::AssignmentFilter, page: identity::PageRequest) -> identity::AssignmentPage;
                Changes fn grant_role(role_id: String, user_id: String, target: identity::Target) -> ();
                Changes fn revoke_role(role_id: String, user_id: String, target: identity::Target) -> ();
                Reads fn has_role(role_id: String, user_id: String, target: identity::Target) -> bool;
                Reads fn list_access_keys(conditions: Vec<identity::Condition>, page: identity::PageRequest) -> identity::AccessKeyPage;
                Reads fn get_access_key(id: String) -> identity::AccessKey;
                Changes fn create_access_key(create: identity::AccessKeyCreate) -> identity::AccessKeyMade;
                Changes fn delete_access_key(id: String) -> ();
            }
            /// `skyloom:cloud/images`.
            trait ImagesApi in images needs Images {
                Reads fn list_images(conditions: Vec<images::Condition>, page: images::PageRequest) -> images::ImagePage;
                Reads fn get_image(id: String) -> images::Image;
                Changes fn create_image(create: images::ImageCreate) -> images::Image;
                Changes fn update_image(id: String, update: images::ImageUpdate) -> images::Image;
                Changes fn delete_image(id: String) -> ();
                Changes fn add_tag(id: String, tag: String) -> ();
                Changes fn remove_tag(id: String, tag: String) -> ();
                Changes fn set_active(id: String, active: bool) -> ();
                Changes fn begin_upload(id: String) -> u64;
                Changes fn finish_upload(id: String, blob: String) -> ();
                Reads fn list_import_schemes() -> Vec<String>;
                Changes fn import_image(id: String, url: String) -> String;
                Reads fn open_download(id: String) -> Option<images::Download>;
            }
            /// `skyloom:cloud/keypairs`.
            trait KeypairsApi in keypairs needs Keypairs {
                Reads fn list_keypairs(user_id: Option<String>, page: keypairs::PageRequest) -> keypairs::KeypairPage;
                Reads fn get_keypair(name: String, user_id: Option<String>) -> keypairs::Keypair;
                Changes fn create_keypair(create: keypairs::KeypairCreate) -> keypairs::Keypair;
                Changes fn delete_keypair(name: String, user_id: Option<String>) -> ();
            }
            /// `skyloom:cloud/networks`.
            trait NetworksApi in networks needs Networks {
                Reads fn list_networks(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::NetworkPage;
                Reads fn get_network(id: String) -> networks::Network;
                Changes fn create_networks(writes: Vec<networks::NetworkWrite>) -> Vec<networks::Network>;
                Changes fn update_network(id: String, write: networks::NetworkWrite) -> networks::Network;
                Changes fn delete_network(id: String) -> ();
                Reads fn list_subnets(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::SubnetPage;
                Reads fn get_subnet(id: String) -> networks::Subnet;
                Changes fn create_subnets(writes: Vec<networks::SubnetWrite>) -> Vec<networks::Subnet>;
                Changes fn update_subnet(id: String, write: networks::SubnetWrite) -> networks::Subnet;
                Changes fn delete_subnet(id: String) -> ();
                Reads fn list_ports(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::PortPage;
                Reads fn get_port(id: String) -> networks::Port;
                Changes fn create_ports(writes: Vec<networks::PortWrite>) -> Vec<networks::Port>;
                Changes fn update_port(id: String, write: networks::PortWrite) -> networks::Port;
                Changes fn delete_port(id: String) -> ();
                Reads fn list_security_groups(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::GroupPage;
                Reads fn get_security_group(id: String) -> networks::SecurityGroup;
                Changes fn create_security_groups(writes: Vec<networks::GroupWrite>) -> Vec<networks::SecurityGroup>;
                Changes fn update_security_group(id: String, write: networks::GroupWrite) -> networks::SecurityGroup;
                Changes fn delete_security_group(id: String) -> ();
                Reads fn list_security_group_rules(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::RulePage;
                Reads fn get_security_group_rule(id: String) -> networks::SecurityGroupRule;
                Changes fn create_security_group_rules(creates: Vec<networks::RuleCreate>) -> Vec<networks::SecurityGroupRule>;
                Changes fn delete_security_group_rule(id: String) -> ();
                Reads fn list_routers(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::RouterPage;
                Reads fn get_router(id: String) -> networks::Router;
                Reads fn list_public_addresses(conditions: Vec<networks::Condition>, page: networks::PageRequest) -> networks::PublicAddressPage;
                Reads fn get_public_address(id: String) -> networks::PublicAddress;
                Changes fn create_public_addresses(writes: Vec<networks::PublicAddressWrite>) -> Vec<networks::PublicAddress>;
                Changes fn update_public_address(id: String, write: networks::PublicAddressWrite) -> networks::PublicAddress;
                Changes fn delete_public_address(id: String) -> ();
            }
            /// `skyloom:cloud/operations`.
            trait OperationsApi in operations needs Operations {
                Reads fn get_operation(id: String) -> operations::OperationTree;
                Reads fn list_operations(conditions: Vec<operations::Condition>, page: operations::PageRequest) -> operations::OperationPage;
            }
            /// `skyloom:cloud/quotas`.
            trait QuotasApi in quotas needs Quotas {
                Reads fn get_quotas(project_id: Option<String>) -> Vec<quotas::Quota>;
                Reads fn default_quotas() -> Vec<quotas::Quota>;
            }
            /// `skyloom:cloud/billing`.
            trait BillingApi in billing needs Billing {
                Reads fn get_consumption(query: billing::ConsumptionQuery) -> billing::ConsumptionReport;
            }
            /// `skyloom:cloud/volumes`.
            trait VolumesApi in volumes needs Volumes {
                Reads fn list_volumes(conditions: Vec<volumes::Condition>, page: volumes::PageRequest) -> volumes::VolumePage;
                Reads fn get_volume(id: String) -> volumes::Volume;
                Changes fn create_volume(create: volumes::VolumeCreate) -> volumes::Volume;
                Changes fn update_volume(id: String, update: volumes::VolumeUpdate) -> volumes::Volume;
                Changes fn grow_volume(id: String, size_gib: u32) -> volumes::Volume;
                Changes fn delete_volume(id: String) -> ();
                Reads fn list_volume_types() -> Vec<volumes::VolumeType>;
                Reads fn list_snapshots(conditions: Vec<volumes::Condition>, page: volumes::PageRequest) -> volumes::SnapshotPage;
                Reads fn get_snapshot(id: String) -> volumes::Snapshot;
                Changes fn create_snapshot(create: volumes::SnapshotCreate) -> volumes::Snapshot;
                Changes fn update_snapshot(id: String, update: volumes::SnapshotUpdate) -> volumes::Snapshot;
                Changes fn delete_snapshot(id: String) -> ();
            }
        }
    };
}
