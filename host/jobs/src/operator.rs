//! The operator's verbs: `skyloom operation list | show | retry`.

use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_store::listing::{Listed, Page};
use skyloom_store::operations::{self as store, Filter, Operation, State, Step};
use skyloom_store::operations_log as log;

use crate::engine::Engine;

impl Engine {
    /// A page, newest first.
    pub async fn list(&self, filter: &Filter, page: &Page) -> Result<Listed<Operation>> {
        store::list(&mut self.db().read().await?, filter, page).await
    }

    /// One operation with its steps, then its children, without theirs. `not-found`.
    pub async fn show(&self, id: &str) -> Result<(Operation, Vec<Step>, Vec<Operation>)> {
        let mut conn = self.db().read().await?;
        let operation = store::get(&mut conn, id).await?.ok_or_else(|| Error::not_found("operation", id))?;
        let steps = store::steps(&mut conn, id).await?;
        let children = store::children(&mut conn, id).await?;
        Ok((operation, steps, children))
    }

    /// Lets a stuck operation go on where it stood. `wrong-state` for one that isn't stuck, `not-found`.
    pub async fn retry(&self, id: &str) -> Result<Operation> {
        let mut tx = self.db().begin().await?;
        let operation = store::get(&mut tx, id).await?.ok_or_else(|| Error::not_found("operation", id))?;
        if !log::retry(&mut tx, id, Timestamp::now()).await? {
            let message =
                format!("Operation {id} is {}; only a stuck operation can be retried.", operation.state.as_str());
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("operation", id));
        }
        tx.commit().await?;
        self.wake();
        let mut conn = self.db().read().await?;
        store::get(&mut conn, id).await?.ok_or_else(|| Error::not_found("operation", id))
    }

    /// How many of the operations that haven't ended stand in each state, for the operator's page.
    pub async fn states(&self) -> Result<Vec<(State, i64)>> {
        store::count_open(&mut self.db().read().await?).await
    }

    /// Removes operations that ended before the time, in small transactions. Gives their number.
    pub async fn sweep(&self, before: Timestamp) -> Result<usize> {
        const AT_ONCE: u32 = 500;
        let mut removed = 0;
        loop {
            let mut tx = self.db().begin().await?;
            let now = store::remove_ended(&mut tx, before, AT_ONCE).await?;
            tx.commit().await?;
            removed += now;
            if now < AT_ONCE as usize {
                return Ok(removed);
            }
        }
    }
}
