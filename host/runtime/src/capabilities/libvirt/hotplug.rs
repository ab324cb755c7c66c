//! What comes to a domain that runs, and goes. Each is idempotent as `wit/libvirt` says.

use skyloom_model::{Error, Result};
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt::sys;

use super::answers::CardOf;
use super::connection::Failure;
use super::domains::require_active;
use super::networks::check_mac;
use super::{Libvirt, METADATA_NAMESPACE, METADATA_PREFIX, answers, xml};

impl Libvirt {
    pub async fn attach_disk(&self, uuid: &str, text: &str) -> Result<()> {
        let (file, xml) = xml::check_disk(text, &|kind, name| self.storage.existing(kind, name))?;
        self.with_existing(uuid, move |domain| {
            for definition in running(&domain)? {
                if definition.disk(&domain, &file)?.is_none() {
                    domain.attach_device_flags(&xml, definition.change)?;
                }
            }
            Ok(())
        })
        .await
    }

    pub async fn detach_disk(&self, uuid: &str, volume: &str) -> Result<bool> {
        let path = self.storage.resolve("volume", volume)?;
        let file = path.into_os_string().into_string().map_err(|_| Error::internal("a storage path is no UTF-8"))?;
        self.with_existing(uuid, move |domain| {
            for definition in running(&domain)? {
                let Some(target) = definition.disk(&domain, &file)? else { continue };
                let (file, target) = (xml::escape(&file), xml::escape(&target));
                let disk =
                    format!("<disk type='file' device='disk'><source file='{file}'/><target dev='{target}'/></disk>");
                definition.detach(&domain, &disk)?;
            }
            Ok(LIVE.disk(&domain, &file)?.is_none())
        })
        .await
    }

    pub async fn attach_interface(&self, uuid: &str, text: &str) -> Result<()> {
        let (mac, xml) = xml::check_interface(text, &|network| self.permit_network(network))?;
        self.with_existing(uuid, move |domain| {
            for definition in running(&domain)? {
                if definition.card(&domain, &mac)?.is_none() {
                    domain.attach_device_flags(&xml, definition.change)?;
                }
            }
            Ok(())
        })
        .await
    }

    pub async fn detach_interface(&self, uuid: &str, mac: &str) -> Result<bool> {
        check_mac(mac)?;
        let mac = mac.to_ascii_lowercase();
        self.with_existing(uuid, move |domain| {
            for definition in running(&domain)? {
                let Some(card) = definition.card(&domain, &mac)? else { continue };
                definition.detach(&domain, &element(&card))?;
            }
            Ok(LIVE.card(&domain, &mac)?.is_none())
        })
        .await
    }

    pub async fn set_metadata(&self, uuid: &str, text: &str) -> Result<()> {
        let element = format!("<server>{}</server>", xml::escape(text));
        self.with_existing(uuid, move |domain| {
            let mut flags = sys::VIR_DOMAIN_AFFECT_CONFIG;
            if domain.is_active()? {
                flags |= sys::VIR_DOMAIN_AFFECT_LIVE;
            }
            let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or(2);
            domain.set_metadata(kind, Some(&element), Some(METADATA_PREFIX), Some(METADATA_NAMESPACE), flags)?;
            Ok(())
        })
        .await
    }
}

/// As much of the card as libvirt finds it by.
fn element(card: &CardOf) -> String {
    let CardOf { mac, kind, network, model } = card;
    let part = |name: &str, attribute: &str, value: &str| match value {
        "" => String::new(),
        value => format!("<{name} {attribute}='{}'/>", xml::escape(value)),
    };
    let parts = [part("mac", "address", mac), part("source", "network", network), part("model", "type", model)];
    format!("<interface type='{}'>{}</interface>", xml::escape(kind), parts.concat())
}

/// One of the two definitions of a domain that runs, by the flags that read and change it.
#[derive(Clone, Copy, Debug)]
struct Definition {
    read: u32,
    change: u32,
    /// What the guest has; else what it has after its next start.
    live: bool,
}

const LIVE: Definition = Definition { read: 0, change: sys::VIR_DOMAIN_AFFECT_LIVE, live: true };
const KEPT: Definition =
    Definition { read: sys::VIR_DOMAIN_XML_INACTIVE, change: sys::VIR_DOMAIN_AFFECT_CONFIG, live: false };

impl Definition {
    /// The target of the disk with this file; none: there is no such disk.
    fn disk(self, domain: &Domain, file: &str) -> std::result::Result<Option<String>, Failure> {
        let found = answers::disks(&domain.get_xml_desc(self.read)?)?;
        Ok(found.into_iter().find(|disk| disk.file == file).map(|disk| disk.target))
    }

    fn card(self, domain: &Domain, mac: &str) -> std::result::Result<Option<CardOf>, Failure> {
        Ok(answers::cards(&domain.get_xml_desc(self.read)?)?.into_iter().find(|card| card.mac == mac))
    }

    /// Takes the device out; of a guest, which may keep it, that is asked.
    fn detach(self, domain: &Domain, device: &str) -> std::result::Result<(), Failure> {
        match domain.detach_device_flags(device, self.change) {
            // The guest has been asked already.
            Err(error) if self.live && error.code() != ErrorNumber::NoDomain => {
                tracing::debug!(device, error = error.message(), "a device is still in use");
                Ok(())
            }
            answer => {
                answer?;
                Ok(())
            }
        }
    }
}

/// Both; a domain that is off is `wrong-state`.
fn running(domain: &Domain) -> std::result::Result<[Definition; 2], Failure> {
    require_active(domain).map(|()| [KEPT, LIVE])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_named_by_what_it_has() {
        let card = CardOf {
            mac: "52:54:00:00:00:01".to_owned(),
            kind: "network".to_owned(),
            network: "a'b".to_owned(),
            model: "virtio".to_owned(),
        };
        assert_eq!(
            element(&card),
            "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='a&apos;b'/><model type='virtio'/></interface>"
        );
        let user = CardOf { kind: "user".to_owned(), network: String::new(), model: String::new(), ..card };
        assert_eq!(element(&user), "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>");
    }
}
