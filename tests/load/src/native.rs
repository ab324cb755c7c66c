//! The same handler code as the component's, linked natively: what the sandbox is measured against.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_gateway::{Body, Handler, Request, Response};
use skyloom_runtime::RunError;
use skyloom_runtime::api::CloudApi;
use skyloom_runtime::bindings::cloud::compute as host;
use skyloom_runtime::bindings::types::{common, errors};
use skyloom_runtime::context::CallContext;
use skyloom_sdk::cloud::compute as guest;
use skyloom_sdk::testing::FakeCloud;

pub struct Native {
    pub cloud: Arc<dyn CloudApi>,
    /// Whether the core waits for anything.
    pub waits: bool,
}

#[async_trait]
impl Handler for Native {
    /// The handler is synchronous, as in the sandbox, and its calls into the core are awaited on this thread. Where they wait,
    /// the thread's other tasks go to another one first: the pool of connections needs them.
    async fn handle(&self, context: Arc<CallContext>, request: Request) -> Result<Response, RunError> {
        let answer = || compute_v2::handle(&self.bridge(&context), request_to_guest(request));
        let response = if self.waits { tokio::task::block_in_place(answer) } else { answer() };
        Ok(Response { status: response.status, headers: response.headers, body: body_to_host(response.body) })
    }
}

impl Native {
    /// The two functions that are measured; the SDK's fake refuses the others.
    fn bridge(&self, context: &Arc<CallContext>) -> FakeCloud {
        let mut bridge = FakeCloud::default();
        let (cloud, of_call) = (self.cloud.clone(), context.clone());
        bridge.compute.get_server = Some(Box::new(move |id, parts| {
            futures_executor::block_on(cloud.get_server(&of_call, id.to_owned(), parts.to_vec()))
                .map(server_to_guest)
                .map_err(error_to_guest)
        }));
        let (cloud, of_call) = (self.cloud.clone(), context.clone());
        bridge.compute.list_servers = Some(Box::new(move |conditions, parts, page| {
            let listed =
                cloud.list_servers(&of_call, conditions_to_host(conditions), parts.to_vec(), page_to_host(page));
            let page = futures_executor::block_on(listed).map_err(error_to_guest)?;
            Ok(guest::ServerPage { servers: page.servers.into_iter().map(server_to_guest).collect(), next: page.next })
        }));
        bridge
    }
}

fn request_to_guest(request: Request) -> skyloom_sdk::Request {
    skyloom_sdk::Request {
        operation: request.operation,
        method: request.method,
        path: request.path,
        params: request.params,
        query: request.query,
        headers: request.headers,
        body: request.body,
        caller: request.caller.map(|caller| skyloom_sdk::Caller {
            user_id: caller.user_id,
            user_name: caller.user_name,
            domain_id: caller.domain_id,
            project_id: caller.project_id,
            project_name: caller.project_name,
            roles: caller.roles,
            admin: caller.admin,
        }),
        request_id: request.request_id,
        base_url: request.base_url,
        version: request.version,
        rule: request.rule,
        violations: Vec::new(),
        upload: None,
    }
}

fn body_to_host(body: skyloom_sdk::Body) -> Body {
    match body {
        skyloom_sdk::Body::Empty => Body::Empty,
        skyloom_sdk::Body::Bytes(bytes) => Body::Bytes(bytes),
        skyloom_sdk::Body::Blob(name) => Body::Blob(name),
        skyloom_sdk::Body::AcceptUpload(limit) => Body::AcceptUpload(limit),
    }
}

/// The measured handlers fail the run on any error, so its words are enough.
fn error_to_guest(error: errors::Error) -> skyloom_sdk::Error {
    skyloom_sdk::testing::error(skyloom_sdk::ErrorCode::Internal, &error.message)
}

fn conditions_to_host(conditions: &[skyloom_sdk::Condition]) -> Vec<common::Condition> {
    let condition = |condition: &skyloom_sdk::Condition| common::Condition {
        field: condition.field.clone(),
        test: condition.test.clone(),
        values: condition.values.clone(),
    };
    conditions.iter().map(condition).collect()
}

fn page_to_host(page: &skyloom_sdk::PageRequest) -> common::PageRequest {
    let sort = page.sort.iter().map(|key| common::SortKey { field: key.field.clone(), descending: key.descending });
    common::PageRequest { limit: page.limit, marker: page.marker.clone(), sort: sort.collect() }
}

/// Moves every field. The measured servers are active without a task; another state would be a defect of the run.
fn server_to_guest(server: host::Server) -> guest::Server {
    assert!(server.vm_state == host::VmState::Active && server.task_state.is_none(), "a measured server changed");
    guest::Server {
        id: server.id,
        name: server.name,
        description: server.description,
        project_id: server.project_id,
        user_id: server.user_id,
        vm_state: guest::VmState::Active,
        task_state: None,
        power_state: guest::PowerState::Running,
        created_at: server.created_at,
        updated_at: server.updated_at,
        launched_at: server.launched_at,
        terminated_at: server.terminated_at,
        purge_at: server.purge_at,
        flavor: guest::ServerFlavor {
            id: server.flavor.id,
            name: server.flavor.name,
            vcpus: server.flavor.vcpus,
            memory_mib: server.flavor.memory_mib,
            disk_gib: server.flavor.disk_gib,
            ephemeral_gib: server.flavor.ephemeral_gib,
            swap_mib: server.flavor.swap_mib,
            extra_specs: server.flavor.extra_specs,
        },
        image_id: server.image_id,
        key_name: server.key_name,
        zone: server.zone,
        node: server.node,
        host_id: server.host_id,
        hostname: server.hostname,
        locked: server.locked,
        locked_reason: server.locked_reason,
        progress: server.progress,
        access_ipv4: server.access_ipv4,
        access_ipv6: server.access_ipv6,
        config_drive: server.config_drive,
        reservation_id: server.reservation_id,
        launch_index: server.launch_index,
        group_id: server.group_id,
        user_data: server.user_data,
        metadata: server.metadata,
        tags: server.tags,
        nics: server.nics.into_iter().map(nic_to_guest).collect(),
        security_groups: server.security_groups,
        volumes: server.volumes.into_iter().map(volume_to_guest).collect(),
        fault: None,
        attributes: server.attributes,
    }
}

fn nic_to_guest(nic: host::ServerNic) -> guest::ServerNic {
    let addresses = nic.addresses.into_iter().map(|address| guest::Address {
        address: address.address,
        ip_version: address.ip_version,
        floating: address.floating,
    });
    guest::ServerNic {
        port_id: nic.port_id,
        position: nic.position,
        network_id: nic.network_id,
        network_name: nic.network_name,
        mac: nic.mac,
        addresses: addresses.collect(),
    }
}

fn volume_to_guest(volume: host::ServerVolume) -> guest::ServerVolume {
    guest::ServerVolume {
        id: volume.id,
        boot_index: volume.boot_index,
        device: volume.device,
        delete_on_termination: volume.delete_on_termination,
    }
}
