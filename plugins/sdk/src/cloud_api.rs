//! The core as a plugin sees it, behind a trait: handlers are generic over [`Cloud`], so that the same handler runs in the
//! sandbox over [`Imports`], in a unit test over a fake, and natively in the benchmark's twin.

use crate::cloud::{billing, compute, flavors, identity, images, keypairs, networks, operations, quotas, volumes};
use crate::{Error, PageRequest, Pair};

macro_rules! interfaces {
    ($($(#[$meta:meta])* trait $name:ident in $module:ident {
        $(fn $function:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*
    })*) => {
        $(
            $(#[$meta])*
            pub trait $name {
                $(fn $function(&self, $($arg: $kind),*) -> Result<$answer, Error>;)*
            }

            impl $name for Imports {
                $(fn $function(&self, $($arg: $kind),*) -> Result<$answer, Error> {
                    $module::$function($($arg),*)
                })*
            }
        )*

        /// One fake an interface; see [`crate::testing::FakeCloud`].
        #[cfg(not(target_arch = "wasm32"))]
        pub mod fake {
            use super::*;

            $(
                /// What a test says its functions do; those that are left out answer `not-supported`.
                #[derive(Default)]
                pub struct $name {
                    $(
                        #[allow(clippy::type_complexity, missing_docs)]
                        pub $function: Option<Box<dyn Fn($($kind),*) -> Result<$answer, Error>>>,
                    )*
                }
            )*
        }

        /// The core as a test makes it up: each function is a closure, and one that nobody set answers `not-supported`.
        #[cfg(not(target_arch = "wasm32"))]
        #[derive(Default)]
        pub struct FakeCloud {
            $(#[allow(missing_docs)] pub $module: fake::$name,)*
        }

        $(
            #[cfg(not(target_arch = "wasm32"))]
            impl $name for FakeCloud {
                $(fn $function(&self, $($arg: $kind),*) -> Result<$answer, Error> {
                    match &self.$module.$function {
                        Some(function) => function($($arg),*),
                        None => Err(crate::testing::not_faked(stringify!($function))),
                    }
                })*
            }
        )*
    };
}

/// The functions that the host gives a component.
#[derive(Clone, Copy, Debug, Default)]
pub struct Imports;

/// All of the core. A fake for tests implements the traits that its handler uses.
pub trait Cloud:
    Compute + Flavors + Keypairs + Operations + Quotas + Images + Networks + Volumes + Billing + Identity
{
}
impl<T: Compute + Flavors + Keypairs + Operations + Quotas + Images + Networks + Volumes + Billing + Identity> Cloud
    for T
{
}

interfaces! {
    /// `skyloom:cloud/compute`.
    trait Compute in compute {
        fn list_servers(filter: &compute::ServerFilter, page: &PageRequest) -> compute::ServerPage;
        fn get_server(id: &str) -> compute::Server;
        fn create_servers(create: &compute::ServerCreate) -> compute::ServerCreated;
        fn update_server(id: &str, update: &compute::ServerUpdate) -> compute::Server;
        fn change_power(ids: &[String], change: compute::PowerChange, as_batch: bool, strict: bool) -> String;
        fn delete_servers(ids: &[String], options: compute::DeleteOptions, as_batch: bool, strict: bool) -> String;
        fn console_output(id: &str, lines: Option<u32>) -> String;
        fn set_metadata(id: &str, items: &[Pair], mode: compute::MetadataMode) -> Vec<Pair>;
        fn delete_metadata(id: &str, key: &str) -> ();
        fn list_zones() -> Vec<compute::Zone>;
    }
    /// `skyloom:cloud/flavors`.
    trait Flavors in flavors {
        fn list_flavors(filter: &flavors::FlavorFilter, page: &PageRequest) -> flavors::FlavorPage;
        fn get_flavor(id: &str) -> flavors::Flavor;
        fn create_flavor(create: &flavors::FlavorCreate) -> flavors::Flavor;
        fn update_flavor(id: &str, description: Option<&str>) -> flavors::Flavor;
        fn delete_flavor(id: &str) -> ();
        fn set_extra_specs(id: &str, items: &[Pair]) -> Vec<Pair>;
        fn delete_extra_spec(id: &str, key: &str) -> ();
        fn list_flavor_access(id: &str) -> Vec<String>;
        fn add_flavor_access(id: &str, project_id: &str) -> ();
        fn remove_flavor_access(id: &str, project_id: &str) -> ();
    }
    /// `skyloom:cloud/keypairs`.
    trait Keypairs in keypairs {
        fn list_keypairs(user_id: Option<&str>, page: &PageRequest) -> keypairs::KeypairPage;
        fn get_keypair(name: &str, user_id: Option<&str>) -> keypairs::Keypair;
        fn create_keypair(create: &keypairs::KeypairCreate) -> keypairs::Keypair;
        fn delete_keypair(name: &str, user_id: Option<&str>) -> ();
    }
    /// `skyloom:cloud/operations`.
    trait Operations in operations {
        fn get_operation(id: &str) -> operations::OperationTree;
        fn list_operations(filter: &operations::OperationFilter, page: &PageRequest) -> operations::OperationPage;
    }
    /// `skyloom:cloud/quotas`.
    trait Quotas in quotas {
        fn get_quotas(project_id: Option<&str>) -> Vec<quotas::Quota>;
        fn default_quotas() -> Vec<quotas::Quota>;
    }
    /// `skyloom:cloud/images`.
    trait Images in images {
        fn list_images(filter: &images::ImageFilter, page: &PageRequest) -> images::ImagePage;
        fn get_image(id: &str) -> images::Image;
        fn create_image(create: &images::ImageCreate) -> images::Image;
        fn update_image(id: &str, update: &images::ImageUpdate) -> images::Image;
        fn delete_image(id: &str) -> ();
        fn add_tag(id: &str, tag: &str) -> ();
        fn remove_tag(id: &str, tag: &str) -> ();
        fn set_active(id: &str, active: bool) -> ();
        fn begin_upload(id: &str) -> u64;
        fn finish_upload(id: &str, blob: &str) -> ();
        fn open_download(id: &str) -> Option<images::Download>;
    }
    /// `skyloom:cloud/networks`.
    trait Networks in networks {
        fn list_networks(filter: &networks::NetworkFilter, page: &PageRequest) -> networks::NetworkPage;
        fn get_network(id: &str) -> networks::Network;
        fn create_networks(writes: &[networks::NetworkWrite]) -> Vec<networks::Network>;
        fn update_network(id: &str, write: &networks::NetworkWrite) -> networks::Network;
        fn delete_network(id: &str) -> ();
        fn list_subnets(filter: &networks::SubnetFilter, page: &PageRequest) -> networks::SubnetPage;
        fn get_subnet(id: &str) -> networks::Subnet;
        fn create_subnets(writes: &[networks::SubnetWrite]) -> Vec<networks::Subnet>;
        fn update_subnet(id: &str, write: &networks::SubnetWrite) -> networks::Subnet;
        fn delete_subnet(id: &str) -> ();
        fn list_ports(filter: &networks::PortFilter, page: &PageRequest) -> networks::PortPage;
        fn get_port(id: &str) -> networks::Port;
        fn create_ports(writes: &[networks::PortWrite]) -> Vec<networks::Port>;
        fn update_port(id: &str, write: &networks::PortWrite) -> networks::Port;
        fn delete_port(id: &str) -> ();
        fn list_security_groups(filter: &networks::GroupFilter, page: &PageRequest) -> networks::GroupPage;
        fn get_security_group(id: &str) -> networks::SecurityGroup;
        fn create_security_groups(writes: &[networks::GroupWrite]) -> Vec<networks::SecurityGroup>;
        fn update_security_group(id: &str, write: &networks::GroupWrite) -> networks::SecurityGroup;
        fn delete_security_group(id: &str) -> ();
        fn list_security_group_rules(filter: &networks::RuleFilter, page: &PageRequest) -> networks::RulePage;
        fn get_security_group_rule(id: &str) -> networks::SecurityGroupRule;
        fn create_security_group_rules(creates: &[networks::RuleCreate]) -> Vec<networks::SecurityGroupRule>;
        fn delete_security_group_rule(id: &str) -> ();
        fn list_routers(filter: &networks::RouterFilter, page: &PageRequest) -> networks::RouterPage;
        fn get_router(id: &str) -> networks::Router;
    }
    /// `skyloom:cloud/volumes`.
    trait Volumes in volumes {
        fn list_volumes(server_id: Option<&str>, page: &PageRequest) -> volumes::VolumePage;
        fn get_volume(id: &str) -> volumes::Volume;
    }
    /// `skyloom:cloud/billing`.
    trait Billing in billing {
        fn get_consumption(query: &billing::ConsumptionQuery) -> billing::ConsumptionReport;
    }
    /// `skyloom:cloud/identity`.
    trait Identity in identity {
        fn authenticate(login: &identity::Login) -> identity::Issued;
        fn validate_token(subject: &str) -> identity::TokenInfo;
        fn revoke_token(subject: &str) -> ();
        fn catalog(project_id: Option<&str>) -> Vec<identity::Service>;
        fn list_domains(filter: &identity::IdentityFilter, page: &PageRequest) -> identity::DomainPage;
        fn get_domain(id: &str) -> identity::Domain;
        fn create_domain(write: &identity::DomainWrite) -> identity::Domain;
        fn update_domain(id: &str, write: &identity::DomainWrite) -> identity::Domain;
        fn delete_domain(id: &str) -> ();
        fn list_projects(filter: &identity::IdentityFilter, page: &PageRequest) -> identity::ProjectPage;
        fn list_own_projects(page: &PageRequest) -> identity::ProjectPage;
        fn list_own_domains(page: &PageRequest) -> identity::DomainPage;
        fn list_user_projects(user_id: &str, page: &PageRequest) -> identity::ProjectPage;
        fn get_project(id: &str) -> identity::Project;
        fn create_project(write: &identity::ProjectWrite) -> identity::Project;
        fn update_project(id: &str, write: &identity::ProjectWrite) -> identity::Project;
        fn delete_project(id: &str) -> ();
        fn list_users(filter: &identity::IdentityFilter, page: &PageRequest) -> identity::UserPage;
        fn get_user(id: &str) -> identity::User;
        fn create_user(write: &identity::UserWrite) -> identity::User;
        fn update_user(id: &str, write: &identity::UserWrite) -> identity::User;
        fn delete_user(id: &str) -> ();
        fn change_password(user_id: &str, original: &str, password: &str) -> ();
        fn list_roles(name: Option<&str>, domain_id: Option<&str>, page: &PageRequest) -> identity::RolePage;
        fn get_role(id: &str) -> identity::Role;
        fn create_role(write: &identity::RoleWrite) -> identity::Role;
        fn update_role(id: &str, write: &identity::RoleWrite) -> identity::Role;
        fn delete_role(id: &str) -> ();
        fn list_assignments(filter: &identity::AssignmentFilter, page: &PageRequest) -> identity::AssignmentPage;
        fn grant_role(role_id: &str, user_id: &str, target: &identity::Target) -> ();
        fn revoke_role(role_id: &str, user_id: &str, target: &identity::Target) -> ();
        fn has_role(role_id: &str, user_id: &str, target: &identity::Target) -> bool;
    }
}
