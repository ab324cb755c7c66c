//! The functions of `wit/cloud`. Generated, with a test that says how to renew it: host/runtime/tests/signatures.rs.

/// Hands all of them to the macro `$to`.
macro_rules! cloud_functions {
    ($to:ident) => {
        $to! {
            /// `skyloom:cloud/collections`.
            trait Collections in collections {
                fn list_items(collection: &str, conditions: &[collections::Condition], page: &collections::PageRequest) -> collections::ItemPage;
                fn get_item(collection: &str, id: &str) -> collections::Item;
                fn create_item(collection: &str, body: &str) -> collections::Item;
                fn update_item(collection: &str, id: &str, body: &str, expected: Option<u64>) -> collections::Item;
                fn delete_item(collection: &str, id: &str, expected: Option<u64>) -> ();
            }
            /// `skyloom:cloud/compute`.
            trait Compute in compute {
                fn list_servers(conditions: &[compute::Condition], parts: &[String], page: &compute::PageRequest) -> compute::ServerPage as packed;
                fn get_server(id: &str, parts: &[String]) -> compute::Server;
                fn create_servers(create: &compute::ServerCreate) -> compute::ServerCreated;
                fn update_server(id: &str, update: &compute::ServerUpdate) -> compute::Server;
                fn act_on_servers(ids: &[String], verb: &str, options: &[compute::Pair], as_batch: bool, strict: bool) -> String;
                fn attach_nics(id: &str, nics: &[compute::NicRequest], dry_run: bool) -> compute::NicsAttached;
                fn detach_nics(id: &str, port_ids: &[String]) -> String;
                fn rebuild_server(id: &str, rebuild: &compute::ServerRebuild) -> compute::ServerRebuilt;
                fn delete_servers(ids: &[String], options: compute::DeleteOptions, as_batch: bool, strict: bool) -> String;
                fn console_output(id: &str, lines: Option<u32>) -> String;
                fn set_metadata(id: &str, items: &[compute::Pair], mode: compute::MetadataMode) -> Vec<compute::Pair>;
                fn delete_metadata(id: &str, key: &str) -> ();
                fn set_tags(id: &str, tags: &[String], mode: compute::MetadataMode) -> Vec<String>;
                fn exchange_tags(id: &str, old: &[String], new: &[String]) -> ();
                fn delete_tag(id: &str, tag: &str) -> ();
                fn list_zones() -> Vec<compute::Zone>;
                fn list_server_groups(conditions: &[compute::Condition], page: &compute::PageRequest) -> compute::ServerGroupPage;
                fn get_server_group(id: &str) -> compute::ServerGroup;
                fn create_server_group(create: &compute::ServerGroupCreate) -> compute::ServerGroup;
                fn delete_server_group(id: &str) -> ();
                fn add_server_group_member(id: &str, server_id: &str) -> ();
                fn remove_server_group_member(id: &str, server_id: &str) -> ();
                fn list_aggregates(conditions: &[compute::Condition], page: &compute::PageRequest) -> compute::AggregatePage;
                fn get_aggregate(id: &str) -> compute::Aggregate;
                fn create_aggregate(name: &str, zone: Option<&str>) -> compute::Aggregate;
                fn update_aggregate(id: &str, update: &compute::AggregateUpdate) -> compute::Aggregate;
                fn delete_aggregate(id: &str) -> ();
                fn add_aggregate_node(id: &str, node: &str) -> compute::Aggregate;
                fn remove_aggregate_node(id: &str, node: &str) -> compute::Aggregate;
            }
            /// `skyloom:cloud/flavors`.
            trait Flavors in flavors {
                fn list_flavors(conditions: &[flavors::Condition], page: &flavors::PageRequest) -> flavors::FlavorPage;
                fn get_flavor(id: &str) -> flavors::Flavor;
                fn create_flavor(create: &flavors::FlavorCreate) -> flavors::Flavor;
                fn update_flavor(id: &str, update: &flavors::FlavorUpdate) -> flavors::Flavor;
                fn delete_flavor(id: &str) -> ();
                fn set_extra_specs(id: &str, items: &[flavors::Pair]) -> Vec<flavors::Pair>;
                fn delete_extra_spec(id: &str, key: &str) -> ();
                fn list_flavor_access(id: &str) -> Vec<String>;
                fn add_flavor_access(id: &str, project_id: &str) -> ();
                fn remove_flavor_access(id: &str, project_id: &str) -> ();
            }
            /// `skyloom:cloud/identity`.
            trait Identity in identity {
                fn authenticate(login: &identity::Login) -> identity::Issued;
                fn validate_token(subject: &str) -> identity::TokenInfo;
                fn revoke_token(subject: &str) -> ();
                fn catalog(project_id: Option<&str>) -> Vec<identity::Service>;
                fn list_domains(conditions: &[identity::Condition], page: &identity::PageRequest) -> identity::DomainPage;
                fn get_domain(id: &str) -> identity::Domain;
                fn create_domain(write: &identity::DomainWrite) -> identity::Domain;
                fn update_domain(id: &str, write: &identity::DomainWrite) -> identity::Domain;
                fn delete_domain(id: &str) -> ();
                fn list_projects(conditions: &[identity::Condition], page: &identity::PageRequest) -> identity::ProjectPage;
                fn list_own_projects(page: &identity::PageRequest) -> identity::ProjectPage;
                fn list_own_domains(page: &identity::PageRequest) -> identity::DomainPage;
                fn list_user_projects(user_id: &str, page: &identity::PageRequest) -> identity::ProjectPage;
                fn get_project(id: &str) -> identity::Project;
                fn create_project(write: &identity::ProjectWrite) -> identity::Project;
                fn update_project(id: &str, write: &identity::ProjectWrite) -> identity::Project;
                fn delete_project(id: &str) -> ();
                fn list_users(conditions: &[identity::Condition], page: &identity::PageRequest) -> identity::UserPage;
                fn get_user(id: &str) -> identity::User;
                fn create_user(write: &identity::UserWrite) -> identity::User;
                fn update_user(id: &str, write: &identity::UserWrite) -> identity::User;
                fn delete_user(id: &str) -> ();
                fn change_password(user_id: &str, original: &str, password: &str) -> ();
                fn list_roles(conditions: &[identity::Condition], page: &identity::PageRequest) -> identity::RolePage;
                fn get_role(id: &str) -> identity::Role;
                fn create_role(write: &identity::RoleWrite) -> identity::Role;
                fn update_role(id: &str, write: &identity::RoleWrite) -> identity::Role;
                fn delete_role(id: &str) -> ();
                fn list_assignments(filter: &identity::AssignmentFilter, page: &identity::PageRequest) -> identity::AssignmentPage;
                fn grant_role(role_id: &str, user_id: &str, target: &identity::Target) -> ();
                fn revoke_role(role_id: &str, user_id: &str, target: &identity::Target) -> ();
                fn has_role(role_id: &str, user_id: &str, target: &identity::Target) -> bool;
                fn list_access_keys(conditions: &[identity::Condition], page: &identity::PageRequest) -> identity::AccessKeyPage;
                fn get_access_key(id: &str) -> identity::AccessKey;
                fn create_access_key(create: &identity::AccessKeyCreate) -> identity::AccessKeyMade;
                fn delete_access_key(id: &str) -> ();
            }
            /// `skyloom:cloud/images`.
            trait Images in images {
                fn list_images(conditions: &[images::Condition], page: &images::PageRequest) -> images::ImagePage;
                fn get_image(id: &str) -> images::Image;
                fn create_image(create: &images::ImageCreate) -> images::Image;
                fn update_image(id: &str, update: &images::ImageUpdate) -> images::Image;
                fn delete_image(id: &str) -> ();
                fn add_tag(id: &str, tag: &str) -> ();
                fn remove_tag(id: &str, tag: &str) -> ();
                fn set_active(id: &str, active: bool) -> ();
                fn begin_upload(id: &str) -> u64;
                fn finish_upload(id: &str, blob: &str) -> ();
                fn list_import_schemes() -> Vec<String>;
                fn import_image(id: &str, url: &str) -> String;
                fn open_download(id: &str) -> Option<images::Download>;
            }
            /// `skyloom:cloud/keypairs`.
            trait Keypairs in keypairs {
                fn list_keypairs(user_id: Option<&str>, page: &keypairs::PageRequest) -> keypairs::KeypairPage;
                fn get_keypair(name: &str, user_id: Option<&str>) -> keypairs::Keypair;
                fn create_keypair(create: &keypairs::KeypairCreate) -> keypairs::Keypair;
                fn delete_keypair(name: &str, user_id: Option<&str>) -> ();
            }
            /// `skyloom:cloud/networks`.
            trait Networks in networks {
                fn list_networks(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::NetworkPage;
                fn get_network(id: &str) -> networks::Network;
                fn create_networks(writes: &[networks::NetworkWrite]) -> Vec<networks::Network>;
                fn update_network(id: &str, write: &networks::NetworkWrite) -> networks::Network;
                fn delete_network(id: &str) -> ();
                fn list_subnets(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::SubnetPage;
                fn get_subnet(id: &str) -> networks::Subnet;
                fn create_subnets(writes: &[networks::SubnetWrite]) -> Vec<networks::Subnet>;
                fn update_subnet(id: &str, write: &networks::SubnetWrite) -> networks::Subnet;
                fn delete_subnet(id: &str) -> ();
                fn list_ports(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::PortPage;
                fn get_port(id: &str) -> networks::Port;
                fn create_ports(writes: &[networks::PortWrite]) -> Vec<networks::Port>;
                fn update_port(id: &str, write: &networks::PortWrite) -> networks::Port;
                fn delete_port(id: &str) -> ();
                fn list_security_groups(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::GroupPage;
                fn get_security_group(id: &str) -> networks::SecurityGroup;
                fn create_security_groups(writes: &[networks::GroupWrite]) -> Vec<networks::SecurityGroup>;
                fn update_security_group(id: &str, write: &networks::GroupWrite) -> networks::SecurityGroup;
                fn delete_security_group(id: &str) -> ();
                fn list_security_group_rules(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::RulePage;
                fn get_security_group_rule(id: &str) -> networks::SecurityGroupRule;
                fn create_security_group_rules(creates: &[networks::RuleCreate]) -> Vec<networks::SecurityGroupRule>;
                fn delete_security_group_rule(id: &str) -> ();
                fn list_routers(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::RouterPage;
                fn get_router(id: &str) -> networks::Router;
                fn list_public_addresses(conditions: &[networks::Condition], page: &networks::PageRequest) -> networks::PublicAddressPage;
                fn get_public_address(id: &str) -> networks::PublicAddress;
                fn create_public_addresses(writes: &[networks::PublicAddressWrite]) -> Vec<networks::PublicAddress>;
                fn update_public_address(id: &str, write: &networks::PublicAddressWrite) -> networks::PublicAddress;
                fn delete_public_address(id: &str) -> ();
            }
            /// `skyloom:cloud/operations`.
            trait Operations in operations {
                fn get_operation(id: &str) -> operations::OperationTree;
                fn list_operations(conditions: &[operations::Condition], page: &operations::PageRequest) -> operations::OperationPage;
            }
            /// `skyloom:cloud/quotas`.
            trait Quotas in quotas {
                fn get_quotas(project_id: Option<&str>) -> Vec<quotas::Quota>;
                fn default_quotas() -> Vec<quotas::Quota>;
            }
            /// `skyloom:cloud/billing`.
            trait Billing in billing {
                fn get_consumption(query: &billing::ConsumptionQuery) -> billing::ConsumptionReport;
            }
            /// `skyloom:cloud/volumes`.
            trait Volumes in volumes {
                fn list_volumes(conditions: &[volumes::Condition], page: &volumes::PageRequest) -> volumes::VolumePage;
                fn get_volume(id: &str) -> volumes::Volume;
                fn create_volume(create: &volumes::VolumeCreate) -> volumes::Volume;
                fn update_volume(id: &str, update: &volumes::VolumeUpdate) -> volumes::Volume;
                fn grow_volume(id: &str, size_gib: u32) -> volumes::Volume;
                fn delete_volume(id: &str) -> ();
                fn list_volume_types() -> Vec<volumes::VolumeType>;
                fn list_snapshots(conditions: &[volumes::Condition], page: &volumes::PageRequest) -> volumes::SnapshotPage;
                fn get_snapshot(id: &str) -> volumes::Snapshot;
                fn create_snapshot(create: &volumes::SnapshotCreate) -> volumes::Snapshot;
                fn update_snapshot(id: &str, update: &volumes::SnapshotUpdate) -> volumes::Snapshot;
                fn delete_snapshot(id: &str) -> ();
            }
        }
    };
}

pub(crate) use cloud_functions;
