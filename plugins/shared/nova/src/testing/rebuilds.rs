//! Cores that make a server's system disk anew.

use skyloom_sdk::Error;
use skyloom_sdk::cloud::compute::{PasswordChoice, Server, ServerRebuild, ServerRebuilt, TaskState};
use skyloom_sdk::testing::{FakeCloud, Seen};

use super::with_server;

/// A core that knows one server and makes its system disk anew; what it becomes is kept. It refuses all of it in this way.
pub fn with_rebuild(server: Server, refusal: Option<Error>) -> (FakeCloud, Seen<ServerRebuild>) {
    let (mut cloud, seen) = (with_server(server.clone()), Seen::default());
    let keep = seen.clone();
    cloud.compute.rebuild_server = Some(Box::new(move |id, rebuild| {
        assert_eq!(id, server.id);
        keep.push(rebuild.clone());
        if let Some(refusal) = &refusal {
            return Err(refusal.clone());
        }
        let rebuilt = Server {
            image_id: rebuild.image_id.clone(),
            name: rebuild.name.clone().unwrap_or_else(|| server.name.clone()),
            task_state: Some(TaskState::Rebuilding),
            ..server.clone()
        };
        let admin_password = if rebuild.admin_password == PasswordChoice::Keep { "" } else { "secret:1" };
        Ok(ServerRebuilt {
            operation_id: "ff808082-889b-4969-8189-061140c235fe".to_owned(),
            admin_password: admin_password.to_owned(),
            server: rebuilt,
        })
    }));
    (cloud, seen)
}
