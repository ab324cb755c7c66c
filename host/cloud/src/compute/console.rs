//! The serial console's log, from the platform through the node's driver, whichever process has it.

use skyloom_model::{Action, Error, ErrorCode, Result};
use skyloom_runtime::context::CallContext;
use skyloom_store::servers as store;

use super::Compute;
use super::rules::{self, Verb};

impl Compute {
    pub(super) async fn read_console(&self, context: &CallContext, id: &str, lines: Option<u32>) -> Result<String> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersConsole)?;
        let caller = context.caller()?;
        let mut conn = self.db().read().await?;
        let server = store::brief(&mut conn, id, &reach).await?;
        drop(conn);
        let server = server.filter(|server| !server.deleted).ok_or_else(|| Error::not_found("server", id))?;
        rules::check(Verb::Console, &server, caller)?;
        if server.node.is_empty() {
            let message = format!("Server {id} has no console yet.");
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("server", id));
        }
        let log = self.reader(&server.node).await?.console_output(id, self.settings.console_bytes()).await?;
        Ok(match lines {
            Some(lines) => last_lines(&log, lines as usize).to_owned(),
            None => log,
        })
    }
}

/// What stands behind a line break at the very end counts as a line, empty as it is: that is how clients count them.
fn last_lines(log: &str, lines: usize) -> &str {
    if lines == 0 {
        return "";
    }
    match log.rmatch_indices('\n').nth(lines - 1) {
        Some((at, _)) => &log[at + 1..],
        None => log,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole() {
        let log = "one\ntwo\nthree\n";
        assert_eq!(last_lines(log, 1), "");
        assert_eq!(last_lines(log, 2), "three\n");
        assert_eq!(last_lines(log, 3), "two\nthree\n");
        assert_eq!(last_lines(log, 4), log);
        assert_eq!(last_lines(log, 9), log);
        assert_eq!(last_lines(log, 0), "");
        assert_eq!(last_lines("", 3), "");
        assert_eq!(last_lines("one\ntwo", 1), "two");
    }
}
