//! What the XML that libvirt gives says.

use quick_xml::Reader;
use quick_xml::events::Event;
use skyloom_model::{Error, Result};

/// A disk of a domain, by its file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DiskOf {
    pub file: String,
    /// The guest's, e.g. `vdb`.
    pub target: String,
}

/// The disks that the XML of a domain, or of one disk, has.
pub fn disks(text: &str) -> Result<Vec<DiskOf>> {
    let mut reader = Reader::from_str(text);
    let (mut found, mut within) = (Vec::new(), false);
    loop {
        match reader.read_event().map_err(Error::internal)? {
            Event::Eof => return Ok(found),
            Event::Start(element) if element.name().as_ref() == b"disk" => {
                within = true;
                found.push(DiskOf::default());
            }
            Event::End(element) if element.name().as_ref() == b"disk" => within = false,
            Event::Start(element) | Event::Empty(element) if within => {
                let value = |name: &str| -> Result<String> {
                    let value = element.try_get_attribute(name).map_err(Error::internal)?;
                    let value = value.map(|value| value.unescape_value().map(std::borrow::Cow::into_owned));
                    Ok(value.transpose().map_err(Error::internal)?.unwrap_or_default())
                };
                let Some(disk) = found.last_mut() else { continue };
                match element.name().as_ref() {
                    // What the disk is made of behind it has a source of its own.
                    b"source" if disk.file.is_empty() => disk.file = value("file")?,
                    b"target" => disk.target = value("dev")?,
                    _ => {}
                }
            }
            _ => {}
        }
    }
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
