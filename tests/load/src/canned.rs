//! A core without a store: the same server again and again.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_runtime::api::{
    BillingApi, CollectionsApi, ComputeApi, FlavorsApi, IdentityApi, ImagesApi, KeypairsApi, NetworksApi,
    OperationsApi, QuotasApi, VolumesApi,
};
use skyloom_runtime::bindings::cloud::compute::{
    Address, Condition, PowerState, Server, ServerFlavor, ServerNic, ServerPage, ServerVolume, VmState,
};
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

pub const SERVER: &str = "5f0b4ee1-7a3e-4b57-9d3c-2c6a39d7a001";

/// Answers show and list.
pub struct Canned;

#[async_trait]
impl ComputeApi for Canned {
    async fn get_server(&self, _: &Arc<CallContext>, id: String, _: Vec<String>) -> Result<Server, Error> {
        Ok(server(id))
    }

    async fn list_servers(
        &self,
        _: &Arc<CallContext>,
        _: Vec<Condition>,
        _: Vec<String>,
        page: PageRequest,
    ) -> Result<ServerPage, Error> {
        let servers = (0..page.limit).map(|_| server(SERVER.to_owned())).collect();
        Ok(ServerPage { servers, next: Some(SERVER.to_owned()) })
    }
}

impl BillingApi for Canned {}
impl CollectionsApi for Canned {}
impl FlavorsApi for Canned {}
impl IdentityApi for Canned {}
impl ImagesApi for Canned {}
impl KeypairsApi for Canned {}
impl NetworksApi for Canned {}
impl OperationsApi for Canned {}
impl QuotasApi for Canned {}
impl VolumesApi for Canned {}

/// As large as a real one: the seeds of `scale` have the same fields.
fn server(id: String) -> Server {
    Server {
        id,
        name: "load-000001".into(),
        description: None,
        project_id: "0cc175b9c0f1b6a831c399e269772661".into(),
        user_id: "92eb5ffee6ae2fec3ad71c777531578f".into(),
        vm_state: VmState::Active,
        task_state: None,
        power_state: PowerState::Running,
        created_at: 1_790_000_000_000_000,
        updated_at: 1_790_000_001_000_000,
        launched_at: Some(1_790_000_001_000_000),
        terminated_at: None,
        purge_at: None,
        flavor: ServerFlavor {
            id: "1".into(),
            name: "m1.tiny".into(),
            vcpus: 1,
            memory_mib: 512,
            disk_gib: 1,
            ephemeral_gib: 0,
            swap_mib: 0,
            extra_specs: vec![],
        },
        image_id: Some("1189efbf-d48b-46ad-a823-94b942e2a000".into()),
        key_name: Some("key".into()),
        zone: "nova".into(),
        node: "node-1".into(),
        host_id: "2a1e9a1f2f2d4ac0a6f7d7d1f6b9a3c1".into(),
        hostname: "load-000001".into(),
        locked: false,
        locked_reason: None,
        progress: 100,
        access_ipv4: String::new(),
        access_ipv6: String::new(),
        config_drive: false,
        reservation_id: "r-00000001".into(),
        launch_index: 0,
        group_id: None,
        user_data: None,
        metadata: vec![("purpose".into(), "load".into())],
        tags: vec![],
        nics: vec![ServerNic {
            port_id: "157ee789-03ea-45b1-a698-76c92660dd83".into(),
            position: 0,
            network_id: "0dae26c9-9a70-4392-93f3-87d53115d171".into(),
            network_name: "private".into(),
            mac: "fa:16:3e:00:00:01".into(),
            addresses: vec![Address { address: "10.0.0.5".into(), ip_version: 4, floating: false }],
        }],
        security_groups: vec!["default".into()],
        volumes: vec![ServerVolume {
            id: "507ca48f-814c-4293-8706-300564d54620".into(),
            boot_index: 0,
            device: "/dev/vda".into(),
            delete_on_termination: true,
        }],
        fault: None,
        attributes: "{}".into(),
    }
}
