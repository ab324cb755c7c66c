//! The host's small services as guests call them. Each function passes [`GuestState::permit`] first.

use rand::RngCore;

use crate::bindings::host::{clock, config, documents, log, random};
use crate::bindings::types;
use crate::bindings::types::errors::Error;
use crate::guest::{Effect, GuestState};
use crate::limits;
use crate::manifest::Capability;

/// Most random bytes a call.
const RANDOM_BYTES: u32 = 4096;

impl types::common::Host for GuestState {}
impl types::errors::Host for GuestState {}

impl log::Host for GuestState {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.permit(Capability::Log)?;
        let sandbox = &self.sandbox;
        if sandbox.counters.log_line(sandbox.limits.log_lines_per_second) {
            let (plugin, operation) = (&*sandbox.plugin, &*self.operation);
            let (request_id, message) = (&*self.context.request_id, one_line(message));
            macro_rules! line {
                ($level:ident) => {
                    tracing::$level!(target: "plugin", plugin, operation, request_id, "{message}")
                };
            }
            match level {
                log::Level::Trace => line!(trace),
                log::Level::Debug => line!(debug),
                log::Level::Info => line!(info),
                log::Level::Warn => line!(warn),
                log::Level::Error => line!(error),
            }
        }
        self.resume();
        Ok(())
    }
}

/// At most the limit's bytes. What could forge another line, move a terminal's cursor or turn its writing around is escaped.
fn one_line(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(limits::LOG_LINE_BYTES));
    if message.contains(forges) {
        let mut line = String::with_capacity(message.len() + 64);
        for sign in message.chars() {
            if forges(sign) { line.extend(sign.escape_default()) } else { line.push(sign) }
        }
        line.truncate(line.floor_char_boundary(limits::LOG_LINE_BYTES));
        return line;
    }
    message
}

/// Controls, line and paragraph separators, marks of the writing's direction.
fn forges(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

impl clock::Host for GuestState {
    async fn now(&mut self) -> wasmtime::Result<i64> {
        self.permit(Capability::Clock)?;
        let now = skyloom_model::Timestamp::now().0;
        self.resume();
        Ok(now)
    }
}

impl random::Host for GuestState {
    async fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        self.permit(Capability::Random)?;
        if len > RANDOM_BYTES {
            return Err(wasmtime::Error::msg(format!("{len} random bytes at once, {RANDOM_BYTES} are allowed")));
        }
        let mut bytes = vec![0; len as usize];
        rand::rng().fill_bytes(&mut bytes);
        self.resume();
        Ok(bytes)
    }

    async fn uuid(&mut self) -> wasmtime::Result<String> {
        self.permit(Capability::Random)?;
        let uuid = skyloom_model::new_id();
        self.resume();
        Ok(uuid)
    }
}

impl config::Host for GuestState {
    async fn get(&mut self) -> wasmtime::Result<String> {
        self.permit(Capability::Config)?;
        let config = self.sandbox.config.as_ref().to_owned();
        self.resume();
        Ok(config)
    }
}

impl From<crate::documents::Document> for documents::Document {
    fn from(document: crate::documents::Document) -> Self {
        Self { id: document.id, body: document.body, version: document.version }
    }
}

impl GuestState {
    fn documents(&mut self, effect: Effect) -> wasmtime::Result<(&dyn crate::documents::Documents, &str)> {
        self.permit(Capability::Documents)?;
        self.may_change(effect);
        let documents = self.sandbox.documents.as_deref();
        Ok((documents.ok_or_else(|| wasmtime::Error::msg("this host keeps no documents"))?, &self.sandbox.owner))
    }
}

impl documents::Host for GuestState {
    async fn get(
        &mut self,
        collection: String,
        id: String,
    ) -> wasmtime::Result<Result<Option<documents::Document>, Error>> {
        let (documents, owner) = self.documents(Effect::Reads)?;
        let answer = documents.get(owner, &collection, &id).await;
        self.resume();
        Ok(answer.map(|found| found.map(Into::into)).map_err(Into::into))
    }

    async fn list(
        &mut self,
        collection: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<documents::Document>, Error>> {
        let (documents, owner) = self.documents(Effect::Reads)?;
        let answer = documents.list(owner, &collection, after.as_deref(), limit).await;
        self.resume();
        Ok(answer.map(|found| found.into_iter().map(Into::into).collect()).map_err(Into::into))
    }

    async fn put(
        &mut self,
        collection: String,
        id: String,
        body: String,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let (documents, owner) = self.documents(Effect::Changes)?;
        let answer = documents.put(owner, &collection, &id, &body, expected).await;
        self.resume();
        Ok(answer.map_err(Into::into))
    }

    async fn delete(
        &mut self,
        collection: String,
        id: String,
        expected: Option<u64>,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let (documents, owner) = self.documents(Effect::Changes)?;
        let answer = documents.delete(owner, &collection, &id, expected).await;
        self.resume();
        Ok(answer.map_err(Into::into))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_is_one_line() {
        assert_eq!(one_line("a\nWARN forged\u{1b}[2J\u{202e}".into()), r"a\nWARN forged\u{1b}[2J\u{202e}");
        assert_eq!(one_line("\u{1b}".repeat(limits::LOG_LINE_BYTES)).len(), limits::LOG_LINE_BYTES);
        let long = one_line("é".repeat(limits::LOG_LINE_BYTES));
        assert_eq!(long.len(), limits::LOG_LINE_BYTES);
        assert_eq!(one_line("plain".into()), "plain");
    }
}
