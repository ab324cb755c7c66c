//! What the XML that libvirt gives says.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use skyloom_model::{Error, Result};

/// A disk of a domain, by its file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DiskOf {
    pub file: String,
    /// The guest's, e.g. `vdb`.
    pub target: String,
}

/// A network card of a domain, by its hardware address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CardOf {
    pub mac: String,
    /// `network` or `user`.
    pub kind: String,
    /// Empty: none.
    pub network: String,
    pub model: String,
}

/// The disks that the XML of a domain, or of one disk, has.
pub fn disks(text: &str) -> Result<Vec<DiskOf>> {
    devices(text, b"disk", |disk: &mut DiskOf, element| {
        match element.name().as_ref() {
            // What the disk is made of behind it has a source of its own.
            b"source" if disk.file.is_empty() => disk.file = value(element, "file")?,
            b"target" => disk.target = value(element, "dev")?,
            _ => {}
        }
        Ok(())
    })
}

/// The network cards that the XML of a domain, or of one card, has.
pub fn cards(text: &str) -> Result<Vec<CardOf>> {
    devices(text, b"interface", |card: &mut CardOf, element| {
        match element.name().as_ref() {
            b"interface" => card.kind = value(element, "type")?,
            b"mac" => card.mac = value(element, "address")?.to_ascii_lowercase(),
            b"source" => card.network = value(element, "network")?,
            b"model" => card.model = value(element, "type")?,
            _ => {}
        }
        Ok(())
    })
}

/// What `read` makes of the elements of each device of this kind, its own first.
fn devices<D: Default>(
    text: &str,
    kind: &[u8],
    read: impl Fn(&mut D, &BytesStart<'_>) -> Result<()>,
) -> Result<Vec<D>> {
    let mut reader = Reader::from_str(text);
    let (mut found, mut within) = (Vec::new(), false);
    loop {
        let event = reader.read_event().map_err(Error::internal)?;
        match &event {
            Event::Eof => return Ok(found),
            Event::Start(element) if element.name().as_ref() == kind => {
                within = true;
                found.push(D::default());
            }
            Event::End(element) if element.name().as_ref() == kind => within = false,
            _ => {}
        }
        if let (true, Event::Start(element) | Event::Empty(element), Some(device)) = (within, &event, found.last_mut())
        {
            read(device, element)?;
        }
    }
}

/// Of an attribute; empty: it isn't there.
fn value(element: &BytesStart<'_>, name: &str) -> Result<String> {
    let value = element.try_get_attribute(name).map_err(Error::internal)?;
    let value = value.map(|value| value.unescape_value().map(std::borrow::Cow::into_owned));
    Ok(value.transpose().map_err(Error::internal)?.unwrap_or_default())
}

/// The text of one element as libvirt gave it.
pub fn text_of(element: &str) -> Result<String> {
    let start = element.find('>').ok_or_else(|| Error::internal("metadata is no element"))?;
    let end = element.rfind("</").unwrap_or(element.len()).max(start + 1);
    quick_xml::escape::unescape(element.get(start + 1..end).unwrap_or_default())
        .map(std::borrow::Cow::into_owned)
        .map_err(Error::internal)
}

/// Whether a network's XML gives this card this address. An entry of an IPv6 address has no MAC.
pub fn holds_host(network: &str, mac: &str, address: &str) -> Result<bool> {
    let mut reader = Reader::from_str(network);
    loop {
        match reader.read_event().map_err(Error::internal)? {
            Event::Eof => return Ok(false),
            Event::Start(host) | Event::Empty(host) if host.name().as_ref() == b"host" => {
                let value = |name: &str| -> Result<Option<String>> {
                    let found = host.try_get_attribute(name).map_err(Error::internal)?;
                    found.map(|found| Ok(found.unescape_value().map_err(Error::internal)?.into_owned())).transpose()
                };
                let same_card = value("mac")?.is_none_or(|found| found.eq_ignore_ascii_case(mac));
                if same_card && value("ip")?.as_deref() == Some(address) {
                    return Ok(true);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_of_a_domain_are_found_by_their_files() {
        let xml = "<domain><devices><disk><source file='/d/a&amp;b'/><backingStore><source file='/blobs/x'/></backingStore>\
                   <target dev='vda'/></disk><interface><source network='n'/><target dev='vnet0'/></interface>\
                   <disk><target dev='vdzz'/></disk></devices></domain>";
        let found = disks(xml).unwrap();
        let shown: Vec<(&str, &str)> = found.iter().map(|disk| (&*disk.file, &*disk.target)).collect();
        assert_eq!(shown, [("/d/a&b", "vda"), ("", "vdzz")]);
    }

    #[test]
    fn the_cards_of_a_domain_are_found_by_their_hardware_addresses() {
        let xml = "<domain><devices><disk><source file='/d/a'/></disk><interface type='network'>\
                   <mac address='52:54:00:00:00:0A'/><source network='n' bridge='b'/><target dev='vnet0'/><model type='virtio'/>\
                   </interface><interface type='user'><mac address='52:54:00:00:00:0b'/></interface></devices></domain>";
        let card = |mac: &str, kind: &str, network: &str, model: &str| CardOf {
            mac: mac.to_owned(),
            kind: kind.to_owned(),
            network: network.to_owned(),
            model: model.to_owned(),
        };
        let wanted = [card("52:54:00:00:00:0a", "network", "n", "virtio"), card("52:54:00:00:00:0b", "user", "", "")];
        assert_eq!(cards(xml).unwrap(), wanted);
    }

    #[test]
    fn a_host_entry_is_found_by_card_and_address() {
        let network = "<network><ip family='ipv4'><dhcp><range start='10.0.0.2' end='10.0.0.9'/>\
                       <host mac='52:54:00:00:00:0A' name='a' ip='10.0.0.3'/></dhcp></ip>\
                       <ip family='ipv6'><dhcp><host name='b' ip='fd00::3'/></dhcp></ip></network>";
        assert!(holds_host(network, "52:54:00:00:00:0a", "10.0.0.3").unwrap());
        assert!(holds_host(network, "52:54:00:00:00:0b", "fd00::3").unwrap());
        assert!(!holds_host(network, "52:54:00:00:00:0a", "10.0.0.4").unwrap());
        assert!(!holds_host(network, "52:54:00:00:00:0b", "10.0.0.3").unwrap());
        assert!(!holds_host("<network/>", "52:54:00:00:00:0b", "10.0.0.3").unwrap());
    }

    #[test]
    fn the_text_of_an_element_is_what_was_written() {
        let element =
            "<skyloom:server xmlns:skyloom=\"urn:skyloom:server\">{&quot;a&quot;:&quot;&lt;&quot;}</skyloom:server>";
        assert_eq!(text_of(element).unwrap(), "{\"a\":\"<\"}");
        assert_eq!(text_of("<a/>").unwrap(), "");
    }
}
