//! Ports.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::networks::{self as store, FixedRequest, Network, NewPort, Port, PortFilter, PortUpdate};
use skyloom_store::quotas::Quota;
use skyloom_store::servers;

use super::{Asking, convert, network, nothing_has, rules, text};
use crate::Cloud;

impl Cloud {
    pub(super) async fn ports_list(
        &self,
        context: &Arc<CallContext>,
        filter: wit::PortFilter,
        request: PageRequest,
    ) -> Result<wit::PortPage> {
        let asking = self.asking(context, Action::NetworksRead)?;
        if nothing_has(&filter.tags) {
            return Ok(wit::PortPage { ports: Vec::new(), next: None });
        }
        let filter = PortFilter {
            viewer: asking.viewer_owned(),
            ids: filter.ids,
            names: filter.names,
            project_id: filter.project_id,
            network_ids: filter.network_ids,
            device_ids: filter.device_ids,
            device_owner: filter.device_owner,
            macs: filter.macs.iter().map(|mac| mac.to_ascii_lowercase()).collect(),
            address: filter.address,
            subnet_id: filter.subnet_id,
            security_group_ids: filter.security_group_ids,
        };
        let mut conn = self.db().read().await?;
        let listed = store::list_ports(&mut conn, &filter, &convert::page(request)).await?;
        let show_node = asking.caller.admin;
        let ports = listed.items.into_iter().map(|port| shown(port, show_node)).collect();
        Ok(wit::PortPage { ports, next: listed.next })
    }

    pub(super) async fn ports_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::Port> {
        let asking = self.asking(context, Action::NetworksRead)?;
        let mut conn = self.db().read().await?;
        Ok(shown(seen(&mut conn, id, &asking).await?, asking.caller.admin))
    }

    pub(super) async fn ports_create(&self, context: &Arc<CallContext>, write: wit::PortWrite) -> Result<wit::Port> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let project_id = self.project_for(&asking, write.project_id.clone())?;
        let network_id =
            write.network_id.clone().ok_or_else(|| Error::invalid("network-id", "A port needs a network."))?;
        let mut tx = self.db().begin().await?;
        let network = network::seen(&mut tx, &network_id, &asking).await?;
        if !network.shared {
            // Seen because it is external: its addresses are not for everybody's ports.
            self.as_owner(&asking, &network.project_id)?;
        }
        self.may_say(&asking, &network, &write)?;
        no_server(&mut tx, write.device_id.as_deref()).await?;
        let port_security = write.port_security.unwrap_or(network.port_security);
        let groups = self.groups_for(&mut tx, &asking, &project_id, write.security_group_ids, port_security).await?;
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
            with_device: false,
            position: 0,
            fixed_ips: write.fixed_ips.map(|wanted| self.fixed(wanted)).transpose()?,
            security_group_ids: groups,
        };
        self.check_quota(&mut tx, &new.project_id, &[(Quota::Ports, 1)]).await?;
        let port = store::insert_port(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(shown(port, asking.caller.admin))
    }

    pub(super) async fn ports_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::PortWrite,
    ) -> Result<wit::Port> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let mut tx = self.db().begin().await?;
        let port = seen(&mut tx, id, &asking).await?;
        let network = store::get_network(&mut tx, &port.network_id, None).await?;
        let network = network.ok_or_else(|| Error::not_found("network", &port.network_id))?;
        for (field, other) in [
            ("network-id", write.network_id.as_ref().is_some_and(|wanted| *wanted != port.network_id)),
            ("project-id", write.project_id.as_ref().is_some_and(|wanted| *wanted != port.project_id)),
        ] {
            if other {
                return Err(Error::invalid(field, format!("Cannot update read-only attribute {field}")));
            }
        }
        self.may_say(&asking, &network, &write)?;
        no_server(&mut tx, write.device_id.as_deref().filter(|device| *device != port.device_id)).await?;
        let mac = write.mac.as_deref().map(mac).transpose()?.filter(|mac| *mac != port.mac);
        let of_a_server = port.with_device || port.device_owner.starts_with("compute:");
        let moved = write.device_id.as_ref().is_some_and(|device| *device != port.device_id)
            || write.device_owner.as_ref().is_some_and(|owner| *owner != port.device_owner);
        // The machine would keep what its port no longer has.
        if of_a_server && (moved || mac.is_some() || write.fixed_ips.is_some()) {
            return Err(used(&port));
        }
        let port_security = write.port_security.unwrap_or(port.port_security);
        let groups = match write.security_group_ids {
            None if port_security || port.security_group_ids.is_empty() => None,
            wanted => Some(
                self.groups_for(
                    &mut tx,
                    &asking,
                    &port.project_id,
                    Some(wanted.unwrap_or(port.security_group_ids)),
                    port_security,
                )
                .await?,
            ),
        };
        let update = PortUpdate {
            name: text("name", write.name)?,
            description: text("description", write.description)?,
            mac,
            enabled: write.enabled,
            port_security: write.port_security,
            device_id: text("device-id", write.device_id)?,
            device_owner: text("device-owner", write.device_owner)?,
            fixed_ips: write.fixed_ips.map(|wanted| self.fixed(wanted)).transpose()?,
            security_group_ids: groups,
        };
        let port = store::update_port(&mut tx, id, &update).await?;
        tx.commit().await?;
        Ok(shown(port, asking.caller.admin))
    }

    /// A port that a server has stays: the machine would go on using its address, which might be given to another one. (Upstream
    /// of one personality removes it and tells its compute service to unplug; that needs an operation on the server.)
    pub(super) async fn ports_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let mut tx = self.db().begin().await?;
        let port = seen(&mut tx, id, &asking).await?;
        if port.with_device || port.device_owner.starts_with("compute:") {
            return Err(used(&port));
        }
        store::delete_port(&mut tx, id).await?;
        tx.commit().await
    }

    /// What only the network's owner and operators may choose.
    fn may_say(&self, asking: &Asking<'_>, network: &Network, write: &wit::PortWrite) -> Result<()> {
        let address = write.fixed_ips.iter().flatten().any(|fixed| fixed.address.is_some());
        let for_network = write.device_owner.as_ref().is_some_and(|owner| owner.starts_with("network:"));
        if write.mac.is_some() || address || for_network || write.port_security == Some(false) {
            self.as_owner(asking, &network.project_id)?;
        }
        if write.device_owner.as_ref().is_some_and(|owner| owner.starts_with("compute:")) {
            // Only the compute side says so, in the same transaction as the server.
            self.permit(Some(asking.caller), Action::NetworksWriteAll)?;
        }
        Ok(())
    }

    fn fixed(&self, wanted: Vec<wit::FixedIpRequest>) -> Result<Vec<FixedRequest>> {
        let most = self.inner.networks.settings.max_addresses_per_port;
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
            return Err(Error::invalid("fixed-ips", "Duplicate IP address in the request."));
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
        if !wanted.is_empty() && !port_security {
            let message =
                "Port security must be enabled and port must have an IP address in order to use security groups.";
            return Err(Error::new(ErrorCode::WrongState, message).with_field("security-group-ids"));
        }
        for id in &wanted {
            let viewer = if asking.caller.admin { None } else { Some(project_id) };
            if store::get_group(tx, id, viewer).await?.is_none() {
                return Err(Error::not_found("security-group", id));
            }
        }
        Ok(wanted)
    }
}

/// A server has the ports that its creation gave it: one that says by itself that it is a server's would be shown, plugged in and
/// given back with it, whoever made it.
async fn no_server(tx: &mut Conn, device_id: Option<&str>) -> Result<()> {
    let Some(id) = device_id.filter(|id| !id.is_empty()) else { return Ok(()) };
    if servers::brief(tx, id, None).await?.is_none() {
        return Ok(());
    }
    let message = format!("Device {id} is a server; a port becomes a server's when the server is created.");
    Err(Error::invalid("device-id", message))
}

fn used(port: &Port) -> Error {
    let message = format!(
        "Unable to complete operation on port {} for network {}. Port already has an attached device {}.",
        port.id, port.network_id, port.device_id
    );
    Error::new(ErrorCode::InUse, message).with_resource("port", &port.id)
}

/// Where a server runs is for operators to see.
fn shown(port: Port, show_node: bool) -> wit::Port {
    let mut port = convert::port(port);
    if !show_node {
        port.node = String::new();
    }
    port
}

/// A port that the caller sees.
async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Port> {
    store::get_port(conn, id, asking.viewer()).await?.ok_or_else(|| Error::not_found("port", id))
}

/// A hardware address in its one form: lower case, colons, of one machine and not all zero.
fn mac(text: &str) -> Result<String> {
    let wrong = || Error::invalid("mac", format!("'{text}' is not a valid MAC address."));
    let parts: Vec<&str> = text.split(if text.contains('-') { '-' } else { ':' }).collect();
    let byte = |part: &&str| match part.len() {
        2 if part.bytes().all(|digit| digit.is_ascii_hexdigit()) => u8::from_str_radix(part, 16).ok(),
        _ => None,
    };
    let bytes: Vec<u8> = parts.iter().map(byte).collect::<Option<_>>().ok_or_else(wrong)?;
    if bytes.len() != 6 || bytes[0] & 1 == 1 || bytes.iter().all(|byte| *byte == 0) {
        return Err(wrong());
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use super::mac;

    #[test]
    fn a_hardware_address_has_one_form() {
        assert_eq!(mac("FA-16-3E-00-0a-01").expect("dashes"), "fa:16:3e:00:0a:01");
        for wrong in [
            "",
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:0g",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "fa163e000000",
            "+a:16:3e:00:00:00",
        ] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }
}
