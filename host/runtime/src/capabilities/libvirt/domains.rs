//! Domains: define, power, look, remove. Each is idempotent as `wit/libvirt` says.

use std::sync::Arc;
use std::time::Duration;

use skyloom_model::{Error, ErrorCode, Result};
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::sys;

use super::connection::Failure;
use super::{DomainInfo, DomainState, Libvirt, METADATA_NAMESPACE, answers, xml};

/// So long a call waits for a guest's memory to be kept before it answers that this goes on.
const PATIENCE: Duration = Duration::from_secs(5);

impl Libvirt {
    pub async fn define(&self, text: &str) -> Result<()> {
        let checked =
            xml::check(text, &|kind, name| self.storage.existing(kind, name), &|network| self.permit_network(network))?;
        self.storage.prepare_console(&checked.uuid)?;
        let uuid = checked.uuid.clone();
        self.connections
            .in_turn(&uuid, move |connection| {
                // A domain of somebody else with this UUID must not be replaced.
                if let Some(domain) = lookup(connection, &checked.uuid)? {
                    own_metadata(&domain)?.ok_or_else(not_ours)?;
                }
                Domain::define_xml(connection, &checked.xml)?;
                Ok(())
            })
            .await
    }

    pub async fn undefine(&self, uuid: &str) -> Result<()> {
        self.with_own(uuid, |domain| match domain {
            Some(domain) => {
                power_off(&domain)?;
                let flags = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                    | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                    | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
                tolerate_absence(domain.undefine_flags(flags))
            }
            None => Ok(()),
        })
        .await
    }

    pub async fn start(&self, uuid: &str) -> Result<()> {
        self.with_existing(uuid, |domain| {
            if domain.is_active()? {
                return Ok(());
            }
            match domain.create() {
                Ok(_) => Ok(()),
                // Another call was quicker.
                Err(error) if error.code() == ErrorNumber::OperationInvalid && domain.is_active()? => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    pub async fn shutdown(&self, uuid: &str) -> Result<()> {
        self.with_existing(uuid, |domain| {
            if !domain.is_active()? {
                return Ok(());
            }
            match domain.shutdown() {
                Ok(_) => Ok(()),
                Err(error) if error.code() == ErrorNumber::OperationInvalid => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    pub async fn destroy(&self, uuid: &str) -> Result<()> {
        self.with_existing(uuid, |domain| {
            power_off(&domain)?;
            forget_saved(&domain)
        })
        .await
    }

    pub async fn pause(&self, uuid: &str) -> Result<()> {
        self.with_existing(uuid, |domain| {
            require_active(&domain)?;
            domain.suspend()?;
            Ok(())
        })
        .await
    }

    pub async fn unpause(&self, uuid: &str) -> Result<()> {
        self.with_existing(uuid, |domain| {
            require_active(&domain)?;
            match domain.resume() {
                Ok(_) => Ok(()),
                // It runs already.
                Err(error) if error.code() == ErrorNumber::OperationInvalid && runs(&domain)? => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Keeping the memory takes as long as it is large, so it is in no turn: who looks meanwhile, or pulls the plug, doesn't wait.
    pub async fn save(&self, uuid: &str) -> Result<()> {
        let to_do = self.with_existing(uuid, |domain| {
            let saved = is_saved(&domain)?;
            if !saved {
                require_active(&domain)?;
            }
            Ok(!saved)
        });
        if !to_do.await? {
            return Ok(());
        }
        let uuid = valid_uuid(uuid)?;
        let saving = async move {
            let place = Arc::clone(&self.saves).acquire_owned().await.map_err(Error::internal)?;
            self.connections
                .run(move |connection| {
                    let _place = place;
                    let domain = own(connection, &uuid)?.ok_or_else(|| Error::not_found("domain", uuid.as_str()))?;
                    // Whoever asked may be told no more.
                    keep_memory(&domain)
                        .inspect_err(|failure| tracing::warn!(uuid, ?failure, "a guest's memory is not kept"))
                })
                .await
        };
        tokio::time::timeout(PATIENCE, saving).await.unwrap_or(Ok(()))
    }

    pub async fn inspect(&self, uuid: &str) -> Result<Option<DomainInfo>> {
        self.with_own(uuid, |domain| domain.map_or(Ok(None), |domain| describe(&domain))).await
    }

    pub async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DomainInfo>> {
        let after = after.map(ToOwned::to_owned);
        self.connections
            .run(move |connection| {
                let mut found = Vec::new();
                for domain in connection.list_all_domains(0)? {
                    let uuid = domain.get_uuid_string()?;
                    if after.as_ref().is_none_or(|after| uuid > *after) {
                        found.push((uuid, domain));
                    }
                }
                found.sort_by(|one, other| one.0.cmp(&other.0));
                let mut infos = Vec::new();
                for (_, domain) in found {
                    if infos.len() >= limit as usize {
                        break;
                    }
                    // A domain that goes while we look is no error.
                    infos.extend(describe(&domain)?);
                }
                Ok(infos)
            })
            .await
    }

    /// The domain if it exists and is ours; a foreign one is `forbidden`.
    async fn with_own<T: Send + 'static>(
        &self,
        uuid: &str,
        work: impl FnOnce(Option<Domain>) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let uuid = valid_uuid(uuid)?;
        let thing = uuid.clone();
        self.connections.in_turn(&thing, move |connection| work(own(connection, &uuid)?)).await
    }

    pub(super) async fn with_existing<T: Send + 'static>(
        &self,
        uuid: &str,
        work: impl FnOnce(Domain) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let id = uuid.to_owned();
        self.with_own(uuid, move |domain| match domain {
            Some(domain) => work(domain),
            None => Err(Error::not_found("domain", id).into()),
        })
        .await
    }
}

pub(super) fn require_active(domain: &Domain) -> std::result::Result<(), Failure> {
    if domain.is_active()? {
        return Ok(());
    }
    Err(Error::new(ErrorCode::WrongState, "The server does not run.").into())
}

fn runs(domain: &Domain) -> std::result::Result<bool, Failure> {
    Ok(domain.get_state()?.0 == sys::VIR_DOMAIN_RUNNING)
}

/// Whether it is off with its memory kept.
fn is_saved(domain: &Domain) -> std::result::Result<bool, Failure> {
    Ok(!domain.is_active()? && domain.has_managed_save(0)?)
}

/// Without it the next start is a boot.
fn forget_saved(domain: &Domain) -> std::result::Result<(), Failure> {
    match domain.has_managed_save(0) {
        Ok(true) => tolerate_absence(domain.managed_save_remove(0).map(drop)),
        Ok(false) => Ok(()),
        Err(error) => tolerate_absence(Err(error)),
    }
}

fn valid_uuid(text: &str) -> Result<String> {
    uuid::Uuid::parse_str(text)
        .map(|uuid| uuid.to_string())
        .map_err(|_| Error::invalid("uuid", format!("{text:?} is no UUID")))
}

fn lookup(connection: &Connect, uuid: &str) -> std::result::Result<Option<Domain>, Failure> {
    match Domain::lookup_by_uuid_string(connection, uuid) {
        Ok(domain) => Ok(Some(domain)),
        Err(error) if error.code() == ErrorNumber::NoDomain => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One that isn't ours is `forbidden`.
fn own(connection: &Connect, uuid: &str) -> std::result::Result<Option<Domain>, Failure> {
    let Some(domain) = lookup(connection, uuid)? else { return Ok(None) };
    own_metadata(&domain)?.ok_or_else(not_ours)?;
    Ok(Some(domain))
}

/// Switches it off. A guest that was paused goes on when it comes back.
fn keep_memory(domain: &Domain) -> std::result::Result<(), Failure> {
    match domain.managed_save(sys::VIR_DOMAIN_SAVE_RUNNING) {
        Ok(_) => Ok(()),
        // An earlier call was quicker.
        Err(error) if error.code() == ErrorNumber::OperationInvalid && is_saved(domain)? => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn power_off(domain: &Domain) -> std::result::Result<(), Failure> {
    match domain.destroy() {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.code(), ErrorNumber::OperationInvalid | ErrorNumber::NoDomain) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn tolerate_absence(answer: std::result::Result<(), virt::error::Error>) -> std::result::Result<(), Failure> {
    match answer {
        Err(error) if error.code() != ErrorNumber::NoDomain => Err(error.into()),
        _ => Ok(()),
    }
}

/// Text of our metadata element; none: the domain isn't ours (or just went).
fn own_metadata(domain: &Domain) -> std::result::Result<Option<String>, Failure> {
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or(2);
    match domain.get_metadata(kind, Some(METADATA_NAMESPACE), 0) {
        Ok(element) => Ok(Some(answers::text_of(&element)?)),
        Err(error) if matches!(error.code(), ErrorNumber::NoDomainMetadata | ErrorNumber::NoDomain) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn describe(domain: &Domain) -> std::result::Result<Option<DomainInfo>, Failure> {
    let Some(metadata) = own_metadata(domain)? else { return Ok(None) };
    let (state, reason) = match domain.get_state() {
        Ok(found) => found,
        Err(error) if error.code() == ErrorNumber::NoDomain => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(DomainInfo {
        name: domain.get_name()?,
        uuid: domain.get_uuid_string()?,
        state: state_of(domain, state, reason)?,
        metadata,
    }))
}

fn state_of(domain: &Domain, state: sys::virDomainState, reason: i32) -> std::result::Result<DomainState, Failure> {
    if is_between(state, reason, domain.is_active()?) {
        return Ok(DomainState::Other);
    }
    if state != sys::VIR_DOMAIN_SHUTOFF {
        return Ok(translate_state(state));
    }
    match domain.has_managed_save(0) {
        Ok(true) => Ok(DomainState::Saved),
        Ok(false) => Ok(DomainState::ShutOff),
        // It went while we look.
        Err(error) if error.code() == ErrorNumber::NoDomain => Ok(DomainState::ShutOff),
        Err(error) => Err(error.into()),
    }
}

/// libvirt lists a domain as active before QEMU runs, and lets QEMU wait until everything is ready, while its memory is saved, and while
/// it comes back.
fn is_between(state: sys::virDomainState, reason: i32, active: bool) -> bool {
    match state {
        sys::VIR_DOMAIN_SHUTOFF => active,
        sys::VIR_DOMAIN_PAUSED => matches!(
            reason as sys::virDomainPausedReason,
            sys::VIR_DOMAIN_PAUSED_STARTING_UP | sys::VIR_DOMAIN_PAUSED_SAVE | sys::VIR_DOMAIN_PAUSED_MIGRATION
        ),
        _ => false,
    }
}

fn translate_state(state: sys::virDomainState) -> DomainState {
    match state {
        sys::VIR_DOMAIN_NOSTATE => DomainState::NoState,
        sys::VIR_DOMAIN_RUNNING => DomainState::Running,
        sys::VIR_DOMAIN_BLOCKED => DomainState::Blocked,
        sys::VIR_DOMAIN_PAUSED => DomainState::Paused,
        sys::VIR_DOMAIN_SHUTDOWN => DomainState::ShuttingDown,
        sys::VIR_DOMAIN_SHUTOFF => DomainState::ShutOff,
        sys::VIR_DOMAIN_CRASHED => DomainState::Crashed,
        sys::VIR_DOMAIN_PMSUSPENDED => DomainState::Suspended,
        _ => DomainState::Other,
    }
}

fn not_ours() -> Failure {
    Failure::Ours(Error::new(ErrorCode::Forbidden, "A domain of this UUID exists that Skyloom did not make."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_starts_or_is_saved_is_neither_off_nor_paused() {
        assert!(is_between(sys::VIR_DOMAIN_SHUTOFF, 0, true));
        assert!(!is_between(sys::VIR_DOMAIN_SHUTOFF, 1, false));
        // It starts, its memory is saved, or comes back.
        for reason in [11, 3, 2] {
            assert!(is_between(sys::VIR_DOMAIN_PAUSED, reason, true), "{reason}");
        }
        // Somebody paused it.
        assert!(!is_between(sys::VIR_DOMAIN_PAUSED, 1, true));
        assert!(!is_between(sys::VIR_DOMAIN_RUNNING, 11, true));
    }
}
