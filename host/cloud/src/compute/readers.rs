//! Who is asked what only looks at a node: its driver, or another process that drives it.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::driver::{ReadCall, Reader, Reading};
use skyloom_store::nodes as store;

use super::Compute;

/// The other processes that share the database.
#[async_trait]
pub trait Processes: Send + Sync + 'static {
    /// Has the process at this internal address read from the driver of a node. What the driver says is passed on; `unavailable` or
    /// `timed-out` where there is no answer that can be believed.
    async fn read(&self, address: &str, node: &str, call: ReadCall<'_>) -> Result<Reading>;
}

/// How this process and the others find one another.
pub(crate) struct Reached {
    /// Where this one answers; empty: nowhere.
    own_address: String,
    others: Arc<dyn Processes>,
}

/// The driver of a node that another process drives.
struct Elsewhere {
    others: Arc<dyn Processes>,
    address: String,
    node: String,
}

#[async_trait]
impl Reader for Elsewhere {
    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        self.others.read(&self.address, &self.node, call).await
    }
}

/// Nobody can be asked about a node at the moment; why is for the log only.
pub fn out_of_reach(internal: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Unavailable, "The compute node is not available at the moment.").with_internal(internal)
}

impl Compute {
    /// To be called before nodes are attached: their records say with `own_address` where other processes ask about them (none:
    /// nowhere). The first call holds.
    pub fn set_processes(&self, own_address: Option<String>, others: Arc<dyn Processes>) {
        let reached = Reached { own_address: own_address.unwrap_or_default(), others };
        if self.processes.set(reached).is_err() {
            tracing::warn!("the core knows already how other processes are reached");
        }
    }

    /// Where other processes ask about this one's nodes; empty: nowhere.
    pub(super) fn own_address(&self) -> &str {
        self.processes.get().map_or("", |reached| &reached.own_address)
    }

    /// Whom to ask what only looks at a node. `unavailable`: nobody can be asked.
    pub async fn reader(&self, node: &str) -> Result<Arc<dyn Reader>> {
        let not_here = match self.node(node) {
            Ok(here) => return Ok(Arc::new(here.driver)),
            Err(error) => error,
        };
        let Some(reached) = self.processes.get() else { return Err(not_here) };
        let found = store::get(&mut self.db().read().await?, node).await?;
        let lately = Timestamp::now().minus(self.settings.attach.away);
        let Some(found) = found.filter(|found| found.updated_at >= lately) else {
            return Err(out_of_reach(format!("no process has said lately that it drives node {node}")));
        };
        if found.internal_address.is_empty() {
            return Err(out_of_reach(format!(
                "node {node} is driven by another process, which cannot be asked about it: say in its deployment file \
                 where it answers, `[internal] address`"
            )));
        }
        let (others, address) = (reached.others.clone(), found.internal_address);
        Ok(Arc::new(Elsewhere { others, address, node: node.to_owned() }))
    }

    /// What another process asks, which has looked already whether its client may know. None: this one doesn't drive the node.
    pub async fn read_for_another(&self, node: &str, call: ReadCall<'_>) -> Option<Result<Reading>> {
        let driver = self.node(node).ok()?.driver;
        let call = match call {
            // No process gives more than it gives its own clients.
            ReadCall::ConsoleOutput { server_id, max_bytes } => {
                ReadCall::ConsoleOutput { server_id, max_bytes: max_bytes.min(self.settings.console_bytes()) }
            }
            other => other,
        };
        Some(driver.read(call).await)
    }
}
