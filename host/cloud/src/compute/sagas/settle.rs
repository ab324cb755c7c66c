//! Brings a server's record to what its platform says: states, and the spans that follow them.

use skyloom_jobs::Run;
use skyloom_model::{Error, ErrorClass, PowerState, Result, TaskState, Timestamp, VmState};
use skyloom_runtime::driver::Power;
use skyloom_store::servers::{self, Brief, Change, Fault};
use skyloom_store::{Conn, metering, resizes};

use super::context::{Platform, Seen};

/// What a domain's power makes of a server. None: there is no domain.
pub(crate) fn judge(power: Option<Power>) -> (VmState, PowerState) {
    match power {
        Some(Power::Running) => (VmState::Active, PowerState::Running),
        Some(Power::Stopped) => (VmState::Stopped, PowerState::ShutDown),
        Some(Power::Paused) => (VmState::Paused, PowerState::Paused),
        Some(Power::Suspended) => (VmState::Suspended, PowerState::Suspended),
        // A guest that crashed is off: it can be started again.
        Some(Power::Crashed) => (VmState::Stopped, PowerState::Crashed),
        Some(Power::Unknown) | None => (VmState::Error, PowerState::NoState),
    }
}

/// Writes the platform's word: states, no task, and the spans of running or not running. A server between two flavors stays there
/// until somebody decides, and one in the recycle bin until somebody takes it out.
pub(crate) async fn settle(tx: &mut Conn, server: &Brief, power: Option<Power>, now: Timestamp) -> Result<()> {
    let (judged, power_state) = judge(power);
    // Whoever stands still keeps what it has of the node, and is charged for it as one that runs.
    let running = matches!(judged, VmState::Active | VmState::Paused | VmState::Suspended);
    let vm_state = match judged {
        _ if server.recycled() => VmState::SoftDeleted,
        VmState::Error => judged,
        _ if is_between_flavors(tx, server).await? => VmState::Resized,
        _ => judged,
    };
    let change = Change {
        vm_state: Some(vm_state),
        task_state: Some(None),
        power_state: Some(power_state),
        fault: (vm_state != VmState::Error).then_some(None),
        ..Change::default()
    };
    servers::change(tx, &server.id, &change, now).await?;
    spans(tx, server, running, now).await
}

/// In error only the records tell.
async fn is_between_flavors(tx: &mut Conn, server: &Brief) -> Result<bool> {
    match server.vm_state {
        VmState::Resized => Ok(true),
        VmState::Error => Ok(resizes::get(tx, &server.id).await?.is_some()),
        _ => Ok(false),
    }
}

/// Writes what the run's last look at the platform said; where nobody looked only the task ends.
pub(super) async fn as_seen(tx: &mut Conn, run: &Run, platform: Option<&Platform>, now: Timestamp) -> Result<()> {
    let id = &run.operation.resource_id;
    let seen = platform.map(Platform::seen).unwrap_or_default();
    if let (Some(server), Seen::Power(power)) = (servers::lock(tx, id).await?, seen) {
        return settle(tx, &server, power, now).await;
    }
    task(tx, id, None, now).await
}

/// Opens or closes the spans of processors and memory.
pub(crate) async fn spans(tx: &mut Conn, server: &Brief, running: bool, now: Timestamp) -> Result<()> {
    if !running {
        return metering::close_running(tx, &server.id, now).await;
    }
    let (project, flavor) = (&server.project_id, &server.flavor_id);
    metering::open_running(tx, project, &server.id, flavor, server.vcpus, server.memory_mib, now).await
}

/// The fault that people see on a server in error: what the caller may know.
pub(crate) fn fault(error: &Error, now: Timestamp) -> Fault {
    let code = match error.class() {
        ErrorClass::Caller => 400,
        ErrorClass::Conflict | ErrorClass::Capacity | ErrorClass::Unavailable | ErrorClass::Bug => 500,
    };
    Fault { message: error.message.clone(), code, created_at: now }
}

/// Only the task changes.
pub(super) async fn task(tx: &mut Conn, server_id: &str, task: Option<TaskState>, now: Timestamp) -> Result<()> {
    let change = Change { task_state: Some(task), ..Change::default() };
    servers::change(tx, server_id, &change, now).await
}

/// A server whose operation is stuck: people see an error until the operator has helped.
pub(super) async fn stuck(tx: &mut Conn, server_id: &str, error: &Error, now: Timestamp) -> Result<()> {
    let change = Change {
        vm_state: Some(VmState::Error),
        task_state: Some(None),
        fault: Some(Some(fault(error, now))),
        ..Change::default()
    };
    servers::change(tx, server_id, &change, now).await
}
