//! What the core offers to personalities: the traits that `cloud` implements, and the one place where a guest's call to
//! them is permitted.

use std::sync::Arc;

use crate::bindings::cloud::{
    billing, compute, flavors, identity, images, keypairs, networks, operations, quotas, volumes,
};
use crate::bindings::types::common::{PageRequest, Pair};
use crate::bindings::types::errors::Error;
use crate::context::{CallContext, Streams};
use crate::guest::{Effect, GuestState};
use crate::manifest::Capability;

// Under `Changes` stands what leaves something behind: see `Effect`.
macro_rules! interfaces {
    ($($(#[$meta:meta])* trait $name:ident in $module:ident needs $capability:ident {
        $($effect:ident {
            $(fn $function:ident($($arg:ident: $kind:ty),*) -> $answer:ty $(, then $grant:expr)?;)*
        })*
    })*) => {
        $(
            $(#[$meta])*
            #[async_trait::async_trait]
            pub trait $name: Send + Sync {
                $($(
                    #[cfg(not(any(test, feature = "testing")))]
                    async fn $function(&self, context: &Arc<CallContext>, $($arg: $kind),*) -> Result<$answer, Error>;

                    // A core of a test implements what it needs.
                    #[cfg(any(test, feature = "testing"))]
                    async fn $function(&self, _context: &Arc<CallContext>, $($arg: $kind),*) -> Result<$answer, Error> {
                        let _unused = ($($arg,)*);
                        Err(not_faked(stringify!($function)))
                    }
                )*)*
            }

            impl $module::Host for GuestState {
                $($(async fn $function(&mut self, $($arg: $kind),*) -> wasmtime::Result<Result<$answer, Error>> {
                    let (cloud, context) = self.cloud(Capability::$capability, Effect::$effect)?;
                    let answer = cloud.$function(context, $($arg),*).await;
                    $(if let Ok(answer) = &answer {
                        $grant(&context.streams, answer.clone());
                    })?
                    self.resume();
                    Ok(answer)
                })*)*
            }
        )*
    };
}

fn grant_upload(streams: &Streams, limit: u64) {
    streams.grant_upload(limit);
}

fn grant_download(streams: &Streams, download: Option<images::Download>) {
    if let Some(download) = download {
        streams.grant_download(&download.blob);
    }
}

#[cfg(any(test, feature = "testing"))]
fn not_faked(function: &str) -> Error {
    let code = skyloom_model::ErrorCode::NotSupported;
    skyloom_model::Error::new(code, format!("the test's core has no {function}")).into()
}

/// All of the core.
pub trait CloudApi:
    ComputeApi
    + FlavorsApi
    + KeypairsApi
    + OperationsApi
    + QuotasApi
    + ImagesApi
    + NetworksApi
    + VolumesApi
    + BillingApi
    + IdentityApi
{
}
impl<T> CloudApi for T where
    T: ComputeApi
        + FlavorsApi
        + KeypairsApi
        + OperationsApi
        + QuotasApi
        + ImagesApi
        + NetworksApi
        + VolumesApi
        + BillingApi
        + IdentityApi
{
}

interfaces! {
    /// `skyloom:cloud/compute`.
    trait ComputeApi in compute needs Compute {
        Reads {
            fn list_servers(filter: compute::ServerFilter, page: PageRequest) -> compute::ServerPage;
            fn get_server(id: String) -> compute::Server;
            fn console_output(id: String, lines: Option<u32>) -> String;
            fn list_zones() -> Vec<compute::Zone>;
        }
        Changes {
            fn create_servers(create: compute::ServerCreate) -> compute::ServerCreated;
            fn update_server(id: String, update: compute::ServerUpdate) -> compute::Server;
            fn change_power(ids: Vec<String>, change: compute::PowerChange, as_batch: bool, strict: bool) -> String;
            fn delete_servers(ids: Vec<String>, options: compute::DeleteOptions, as_batch: bool, strict: bool) -> String;
            fn set_metadata(id: String, items: Vec<Pair>, mode: compute::MetadataMode) -> Vec<Pair>;
            fn delete_metadata(id: String, key: String) -> ();
        }
    }
    /// `skyloom:cloud/flavors`.
    trait FlavorsApi in flavors needs Flavors {
        Reads {
            fn list_flavors(filter: flavors::FlavorFilter, page: PageRequest) -> flavors::FlavorPage;
            fn get_flavor(id: String) -> flavors::Flavor;
            fn list_flavor_access(id: String) -> Vec<String>;
        }
        Changes {
            fn create_flavor(create: flavors::FlavorCreate) -> flavors::Flavor;
            fn update_flavor(id: String, description: Option<String>) -> flavors::Flavor;
            fn delete_flavor(id: String) -> ();
            fn set_extra_specs(id: String, items: Vec<Pair>) -> Vec<Pair>;
            fn delete_extra_spec(id: String, key: String) -> ();
            fn add_flavor_access(id: String, project_id: String) -> ();
            fn remove_flavor_access(id: String, project_id: String) -> ();
        }
    }
    /// `skyloom:cloud/keypairs`.
    trait KeypairsApi in keypairs needs Keypairs {
        Reads {
            fn list_keypairs(user_id: Option<String>, page: PageRequest) -> keypairs::KeypairPage;
            fn get_keypair(name: String, user_id: Option<String>) -> keypairs::Keypair;
        }
        Changes {
            fn create_keypair(create: keypairs::KeypairCreate) -> keypairs::Keypair;
            fn delete_keypair(name: String, user_id: Option<String>) -> ();
        }
    }
    /// `skyloom:cloud/operations`.
    trait OperationsApi in operations needs Operations {
        Reads {
            fn get_operation(id: String) -> operations::OperationTree;
            fn list_operations(filter: operations::OperationFilter, page: PageRequest) -> operations::OperationPage;
        }
    }
    /// `skyloom:cloud/quotas`.
    trait QuotasApi in quotas needs Quotas {
        Reads {
            fn get_quotas(project_id: Option<String>) -> Vec<quotas::Quota>;
            fn default_quotas() -> Vec<quotas::Quota>;
        }
    }
    /// `skyloom:cloud/images`.
    trait ImagesApi in images needs Images {
        Reads {
            fn list_images(filter: images::ImageFilter, page: PageRequest) -> images::ImagePage;
            fn get_image(id: String) -> images::Image;
            fn open_download(id: String) -> Option<images::Download>, then grant_download;
        }
        Changes {
            fn create_image(create: images::ImageCreate) -> images::Image;
            fn update_image(id: String, update: images::ImageUpdate) -> images::Image;
            fn delete_image(id: String) -> ();
            fn add_tag(id: String, tag: String) -> ();
            fn remove_tag(id: String, tag: String) -> ();
            fn set_active(id: String, active: bool) -> ();
            fn begin_upload(id: String) -> u64, then grant_upload;
            fn finish_upload(id: String, blob: String) -> ();
        }
    }
    /// `skyloom:cloud/networks`.
    trait NetworksApi in networks needs Networks {
        Reads {
            fn list_networks(filter: networks::NetworkFilter, page: PageRequest) -> networks::NetworkPage;
            fn get_network(id: String) -> networks::Network;
            fn list_subnets(filter: networks::SubnetFilter, page: PageRequest) -> networks::SubnetPage;
            fn get_subnet(id: String) -> networks::Subnet;
            fn list_ports(filter: networks::PortFilter, page: PageRequest) -> networks::PortPage;
            fn get_port(id: String) -> networks::Port;
            fn list_security_groups(filter: networks::GroupFilter, page: PageRequest) -> networks::GroupPage;
            fn get_security_group(id: String) -> networks::SecurityGroup;
            fn list_security_group_rules(filter: networks::RuleFilter, page: PageRequest) -> networks::RulePage;
            fn get_security_group_rule(id: String) -> networks::SecurityGroupRule;
            fn list_routers(filter: networks::RouterFilter, page: PageRequest) -> networks::RouterPage;
            fn get_router(id: String) -> networks::Router;
        }
        Changes {
            fn create_networks(writes: Vec<networks::NetworkWrite>) -> Vec<networks::Network>;
            fn update_network(id: String, write: networks::NetworkWrite) -> networks::Network;
            fn delete_network(id: String) -> ();
            fn create_subnets(writes: Vec<networks::SubnetWrite>) -> Vec<networks::Subnet>;
            fn update_subnet(id: String, write: networks::SubnetWrite) -> networks::Subnet;
            fn delete_subnet(id: String) -> ();
            fn create_ports(writes: Vec<networks::PortWrite>) -> Vec<networks::Port>;
            fn update_port(id: String, write: networks::PortWrite) -> networks::Port;
            fn delete_port(id: String) -> ();
            fn create_security_groups(writes: Vec<networks::GroupWrite>) -> Vec<networks::SecurityGroup>;
            fn update_security_group(id: String, write: networks::GroupWrite) -> networks::SecurityGroup;
            fn delete_security_group(id: String) -> ();
            fn create_security_group_rules(creates: Vec<networks::RuleCreate>) -> Vec<networks::SecurityGroupRule>;
            fn delete_security_group_rule(id: String) -> ();
        }
    }
    /// `skyloom:cloud/volumes`.
    trait VolumesApi in volumes needs Volumes {
        Reads {
            fn list_volumes(server_id: Option<String>, page: PageRequest) -> volumes::VolumePage;
            fn get_volume(id: String) -> volumes::Volume;
        }
    }
    /// `skyloom:cloud/billing`.
    trait BillingApi in billing needs Billing {
        Reads {
            fn get_consumption(query: billing::ConsumptionQuery) -> billing::ConsumptionReport;
        }
    }
    /// `skyloom:cloud/identity`.
    trait IdentityApi in identity needs Identity {
        Reads {
            fn validate_token(subject: String) -> identity::TokenInfo;
            fn catalog(project_id: Option<String>) -> Vec<identity::Service>;
            fn list_domains(filter: identity::IdentityFilter, page: PageRequest) -> identity::DomainPage;
            fn get_domain(id: String) -> identity::Domain;
            fn list_projects(filter: identity::IdentityFilter, page: PageRequest) -> identity::ProjectPage;
            fn list_own_projects(page: PageRequest) -> identity::ProjectPage;
            fn list_own_domains(page: PageRequest) -> identity::DomainPage;
            fn list_user_projects(user_id: String, page: PageRequest) -> identity::ProjectPage;
            fn get_project(id: String) -> identity::Project;
            fn list_users(filter: identity::IdentityFilter, page: PageRequest) -> identity::UserPage;
            fn get_user(id: String) -> identity::User;
            fn list_roles(name: Option<String>, domain_id: Option<String>, page: PageRequest) -> identity::RolePage;
            fn get_role(id: String) -> identity::Role;
            fn list_assignments(filter: identity::AssignmentFilter, page: PageRequest) -> identity::AssignmentPage;
            fn has_role(role_id: String, user_id: String, target: identity::Target) -> bool;
        }
        Changes {
            fn authenticate(login: identity::Login) -> identity::Issued;
            fn revoke_token(subject: String) -> ();
            fn create_domain(write: identity::DomainWrite) -> identity::Domain;
            fn update_domain(id: String, write: identity::DomainWrite) -> identity::Domain;
            fn delete_domain(id: String) -> ();
            fn create_project(write: identity::ProjectWrite) -> identity::Project;
            fn update_project(id: String, write: identity::ProjectWrite) -> identity::Project;
            fn delete_project(id: String) -> ();
            fn create_user(write: identity::UserWrite) -> identity::User;
            fn update_user(id: String, write: identity::UserWrite) -> identity::User;
            fn delete_user(id: String) -> ();
            fn change_password(user_id: String, original: String, password: String) -> ();
            fn create_role(write: identity::RoleWrite) -> identity::Role;
            fn update_role(id: String, write: identity::RoleWrite) -> identity::Role;
            fn delete_role(id: String) -> ();
            fn grant_role(role_id: String, user_id: String, target: identity::Target) -> ();
            fn revoke_role(role_id: String, user_id: String, target: identity::Target) -> ();
        }
    }
}
