//! Ports.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::Filter;
use skyloom_store::networks::{self as store, FixedRequest, Network, NewPort, Port, PortUpdate};
use skyloom_store::public_addresses;
use skyloom_store::quotas::Quota;

use super::Networks;
use super::{Asking, MAX_GROUPS, at_most, bounded, convert, network, not_theirs, read_only, rules, text};
use crate::attributes;
use crate::events::{self, Owner};
use crate::lists::{conditions, page, spell, spelled_address};

impl Networks {
    pub(super) async fn ports_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::PortPage> {
        let asking = self.asking(context, Action::PortsRead)?;
        let mut wanted = conditions(wanted)?;
        spell(&mut wanted, "mac", |text| mac(text).ok());
        spell(&mut wanted, "address", spelled_address);
        let filter = Filter::new(&asking.reach, wanted);
        let mut conn = self.db().read().await?;
        let listed = store::list_ports(&mut conn, &filter, &page(request)).await?;
        let ports = listed.items.into_iter().map(|port| shown(port, &asking)).collect::<Result<_>>()?;
        Ok(wit::PortPage { ports, next: listed.next })
    }

    pub(super) async fn ports_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::Port> {
        let asking = self.asking(context, Action::PortsRead)?;
        let mut conn = self.db().read().await?;
        shown(seen(&mut conn, id, &asking).await?, &asking)
    }

    pub(super) async fn ports_create(
        &self,
        context: &Arc<CallContext>,
        writes: Vec<wit::PortWrite>,
    ) -> Result<Vec<wit::Port>> {
        let asking = self.asking(context, Action::PortsCreate)?;
        bounded("ports", writes.len())?;
        let mut tx = self.db().begin().await?;
        let mut made = Vec::with_capacity(writes.len());
        for write in writes {
            let port = self.make_port(&mut tx, &asking, write).await?;
            made.push(shown(port, &asking)?);
        }
        tx.commit().await?;
        Ok(made)
    }

    async fn make_port(&self, tx: &mut Conn, asking: &Asking<'_>, write: wit::PortWrite) -> Result<Port> {
        let project_id = self.project_for(tx, asking, write.project_id).await?;
        let network_id = write.network_id.ok_or_else(|| Error::invalid("network-id", "A port needs a network."))?;
        let network = network::seen(tx, &network_id, asking).await?;
        if !network.shared {
            // Seen because it is external: its addresses are not for everybody's ports.
            self.as_owner(tx, asking, &network.project_id).await?;
        }
        let fixed_ips = write.fixed_ips.map(|wanted| self.fixed(wanted)).transpose()?;
        let choices = Choices {
            mac: write.mac.is_some(),
            address: fixed_ips.iter().flatten().any(|fixed| fixed.address.is_some()),
            open: write.port_security == Some(false),
            device_owner: write.device_owner.as_deref(),
        };
        self.may_choose(tx, asking, &network, &choices).await?;
        let port_security = write.port_security.unwrap_or(network.port_security);
        let groups = self.groups_for(tx, asking, &project_id, write.security_group_ids, port_security).await?;
        let new = NewPort {
            id: new_id(),
            project_id,
            network_id,
            name: text("name", write.name)?.unwrap_or_default(),
            description: text("description", write.description)?.unwrap_or_default(),
            mac: write.mac.as_deref().map(mac).transpose()?,
            enabled: write.enabled.unwrap_or(true),
            port_security,
            device_id: text("device-id", write.device_id)?.unwrap_or_default(),
            device_owner: text("device-owner", write.device_owner)?.unwrap_or_default(),
            of_core: false,
            with_device: false,
            position: 0,
            fixed_ips,
            security_group_ids: groups,
            attributes: attributes_of(asking, attributes::NONE, write.attributes.as_deref())?,
        };
        self.check_room(tx, asking, &new.project_id, &[(Quota::Ports, 1)]).await?;
        events::changed(tx, asking.context, Action::PortsCreate, ("port", &new.id), Owner::Project(&new.project_id))
            .await?;
        store::insert_port(tx, &new).await
    }

    pub(super) async fn ports_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::PortWrite,
    ) -> Result<wit::Port> {
        let asking = self.asking(context, Action::PortsUpdate)?;
        let mut tx = self.db().begin().await?;
        // Held before it is read for the change.
        store::lock_port(&mut tx, id).await?;
        let port = seen(&mut tx, id, &asking).await?;
        let network = store::get_network(&mut tx, &port.network_id, &Reach::All).await?;
        let network = network.ok_or_else(|| Error::not_found("network", &port.network_id))?;
        let update = self.changes(&asking, &port, write)?;
        let choices = Choices {
            mac: update.mac.is_some(),
            address: update.fixed_ips.iter().flatten().any(|fixed| !has(&port, fixed)),
            open: update.port_security == Some(false),
            device_owner: update.device_owner.as_deref(),
        };
        self.may_choose(&mut tx, &asking, &network, &choices).await?;
        // The machine would keep what its port no longer has.
        let moved = update.device_id.is_some() || update.device_owner.is_some();
        if port.of_core && (moved || update.mac.is_some() || update.fixed_ips.is_some()) {
            return Err(used(&port));
        }
        let port_security = update.port_security.unwrap_or(port.port_security);
        let groups = match update.security_group_ids {
            None if port_security || port.security_group_ids.is_empty() => None,
            wanted => {
                let wanted = Some(wanted.unwrap_or(port.security_group_ids));
                Some(self.groups_for(&mut tx, &asking, &port.project_id, wanted, port_security).await?)
            }
        };
        let update = PortUpdate { security_group_ids: groups, ..update };
        events::changed(&mut tx, context, Action::PortsUpdate, ("port", id), Owner::Project(&port.project_id)).await?;
        let port = store::update_port(&mut tx, id, &update).await?;
        if update.fixed_ips.is_some() {
            public_addresses::leave_port(&mut tx, id, &port.fixed_ips, Timestamp::now()).await?;
        }
        tx.commit().await?;
        shown(port, &asking)
    }

    /// What is asked for and isn't so already: a client that sends the whole port back changes nothing.
    fn changes(&self, asking: &Asking<'_>, port: &Port, write: wit::PortWrite) -> Result<PortUpdate> {
        for (field, old, wanted) in
            [("network-id", &port.network_id, &write.network_id), ("project-id", &port.project_id, &write.project_id)]
        {
            if wanted.as_ref().is_some_and(|wanted| wanted != old) {
                return Err(read_only(field));
            }
        }
        let fixed_ips = write.fixed_ips.map(|wanted| self.fixed(wanted)).transpose()?;
        Ok(PortUpdate {
            name: text("name", write.name)?,
            description: text("description", write.description)?,
            mac: write.mac.as_deref().map(mac).transpose()?.filter(|mac| *mac != port.mac),
            enabled: write.enabled,
            port_security: write.port_security.filter(|wanted| *wanted != port.port_security),
            device_id: text("device-id", write.device_id)?.filter(|device| *device != port.device_id),
            device_owner: text("device-owner", write.device_owner)?.filter(|owner| *owner != port.device_owner),
            fixed_ips: fixed_ips.filter(|wanted| !store::same_addresses(&port.fixed_ips, wanted)),
            security_group_ids: write.security_group_ids,
            attributes: attributes_of(asking, &port.attributes, write.attributes.as_deref())?,
        })
    }

    /// A port that a server has stays: the machine would go on using its address, which might be given to another one. (Upstream
    /// of one personality removes it and tells its compute service to unplug; that needs an operation on the server.)
    pub(super) async fn ports_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::PortsDelete)?;
        let mut tx = self.db().begin().await?;
        // Held, so that nobody leads a public address to it meanwhile.
        store::lock_port(&mut tx, id).await?;
        let port = seen(&mut tx, id, &asking).await?;
        if port.of_core {
            return Err(used(&port));
        }
        events::changed(&mut tx, context, Action::PortsDelete, ("port", id), Owner::Project(&port.project_id)).await?;
        public_addresses::leave_port(&mut tx, id, &[], Timestamp::now()).await?;
        store::delete_port(&mut tx, id).await?;
        tx.commit().await
    }

    async fn may_choose(
        &self,
        conn: &mut Conn,
        asking: &Asking<'_>,
        network: &Network,
        choices: &Choices<'_>,
    ) -> Result<()> {
        let for_network = choices.device_owner.is_some_and(|owner| owner.starts_with("network:"));
        for (field, chosen) in [
            ("device-owner", for_network),
            ("mac", choices.mac),
            ("fixed-ips", choices.address),
            ("port-security", choices.open),
        ] {
            if chosen {
                self.as_owner(conn, asking, &network.project_id).await.map_err(not_theirs(field))?;
            }
        }
        match choices.device_owner {
            // Where a port says it of itself, it is a text and no more: nothing here goes by it.
            Some(owner) if owner == public_addresses::DEVICE_OWNER => {
                let message = format!("Invalid device_owner '{owner}': only the cloud itself says that of a port.");
                Err(Error::invalid("device-owner", message))
            }
            _ => Ok(()),
        }
    }

    fn fixed(&self, wanted: Vec<wit::FixedIpRequest>) -> Result<Vec<FixedRequest>> {
        let most = self.settings.max_addresses_per_port;
        if wanted.len() > most {
            return Err(Error::invalid("fixed-ips", format!("A port has at most {most} addresses.")));
        }
        let parse = |fixed: wit::FixedIpRequest| {
            if fixed.subnet_id.is_none() && fixed.address.is_none() {
                return Err(Error::invalid("fixed-ips", "IP allocation requires subnet_id or ip_address."));
            }
            let address = fixed.address.as_deref().map(|text| rules::address("fixed-ips", text)).transpose()?;
            Ok(FixedRequest { subnet_id: fixed.subnet_id, address })
        };
        let fixed: Vec<FixedRequest> = wanted.into_iter().map(parse).collect::<Result<_>>()?;
        let mut addresses: Vec<_> = fixed.iter().filter_map(|fixed| fixed.address).collect();
        addresses.sort_unstable();
        if addresses.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid("fixed-ips", "Duplicate IP address in the request.").with_reason("duplicate"));
        }
        Ok(fixed)
    }

    /// The groups of a port: those asked for, or the project's default one.
    async fn groups_for(
        &self,
        tx: &mut Conn,
        asking: &Asking<'_>,
        project_id: &str,
        wanted: Option<Vec<String>>,
        port_security: bool,
    ) -> Result<Vec<String>> {
        let Some(wanted) = wanted else {
            return if port_security {
                Ok(vec![store::default_group(tx, project_id, Timestamp::now()).await?])
            } else {
                Ok(Vec::new())
            };
        };
        at_most("security-group-ids", wanted.len(), MAX_GROUPS)?;
        if !wanted.is_empty() && !port_security {
            let message =
                "Port security must be enabled and port must have an IP address in order to use security groups.";
            return Err(Error::new(ErrorCode::WrongState, message).with_field("security-group-ids"));
        }
        let reach = if asking.reach.is_all() { Reach::All } else { Reach::project(project_id) };
        for id in &wanted {
            if store::get_group(tx, id, &reach).await?.is_none() {
                return Err(Error::not_found("security-group", id));
            }
        }
        Ok(wanted)
    }
}

/// What of a port only the network's owner and operators may choose, or nobody.
struct Choices<'a> {
    mac: bool,
    address: bool,
    /// Without port security.
    open: bool,
    device_owner: Option<&'a str>,
}

/// Whether a request names no address but one that the port has.
fn has(port: &Port, fixed: &FixedRequest) -> bool {
    fixed.address.is_none_or(|wanted| port.fixed_ips.iter().any(|fixed| fixed.address == wanted.to_string()))
}

fn used(port: &Port) -> Error {
    let message = format!(
        "Unable to complete operation on port {} for network {}. Port already has an attached device {}.",
        port.id, port.network_id, port.device_id
    );
    Error::new(ErrorCode::InUse, message).with_resource("port", &port.id)
}

/// As [`attributes::with`]; none: they stay.
fn attributes_of(asking: &Asking<'_>, all: &str, write: Option<&str>) -> Result<Option<String>> {
    write.map(|own| attributes::with(asking.context, all, own)).transpose()
}

/// Where a server runs is for operators to see.
fn shown(port: Port, asking: &Asking<'_>) -> Result<wit::Port> {
    let mut port = convert::port(asking.context, port)?;
    if !asking.caller.admin {
        port.node = String::new();
    }
    Ok(port)
}

/// A port that the caller sees.
async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Port> {
    store::get_port(conn, id, &asking.reach).await?.ok_or_else(|| Error::not_found("port", id))
}

/// A hardware address in its one form, lower case with colons; given are 12 digits, in groups or not. Not all zero.
fn mac(text: &str) -> Result<String> {
    let wrong = || Error::invalid("mac", format!("'{text}' is not a valid MAC address.")).with_reason("malformed");
    let separator = text.chars().find(|sign| matches!(sign, ':' | '-' | '.')).unwrap_or(':');
    let groups: Vec<&str> = text.split(separator).collect();
    let width = 12 / groups.len();
    let digits = |group: &&str| {
        // The zeros before a group's digits may be left out; a single group has all.
        let short = groups.len() > 1 && !group.is_empty() && group.len() < width;
        (short || group.len() == width) && group.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    if !matches!(groups.len(), 1 | 2 | 3 | 6) || !groups.iter().all(digits) {
        return Err(wrong());
    }
    let groups: Vec<String> = groups.iter().map(|group| format!("{group:0>width$}")).collect();
    let digits = groups.concat().to_ascii_lowercase();
    if digits.bytes().all(|digit| digit == b'0') {
        return Err(wrong());
    }
    let bytes: Vec<&str> = (0..6).map(|at| &digits[2 * at..2 * at + 2]).collect();
    Ok(bytes.join(":"))
}

#[cfg(test)]
mod tests {
    use super::mac;

    #[test]
    fn a_hardware_address_has_one_form() {
        for given in [
            "FA-16-3E-00-0a-01",
            "fa:16:3e:00:0a:01",
            "fa:16:3e:0:a:1",
            "fa163e000a01",
            "fa16.3e00.0a01",
            "fa163e-000a01",
        ] {
            assert_eq!(mac(given).expect(given), "fa:16:3e:00:0a:01", "{given}");
        }
        // Of many machines.
        assert_eq!(mac("01:00:5E:00:00:01").expect("multicast"), "01:00:5e:00:00:01");
        assert_eq!(mac("ff:ff:ff:ff:ff:ff").expect("broadcast"), "ff:ff:ff:ff:ff:ff");
        for wrong in [
            "",
            "x",
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:00:00",
            "fa:16:3e:00:00:0g",
            "fa:16:3e:00:00:",
            "fa:16-3e:00-00:00",
            "00:00:00:00:00:00",
            "000000000000",
            "fa163e00000",
            "+a:16:3e:00:00:00",
            "fa:16:3e:00:00:é",
        ] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }
}
