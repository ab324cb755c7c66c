//! The gate of `define`: a domain's XML passes only through a short list of elements and attributes, and every file or network
//! that it names is one that the grant holds. What isn't on the list is refused, whatever libvirt would make of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use skyloom_model::{Error, ErrorCode, Result};

use super::answers::{self, CardOf, DiskOf};
use super::networks::check_mac;

/// Larger than any domain that a driver writes.
const MAX_BYTES: usize = 256 * 1024;
const PLACEHOLDER: &str = "skyloom-file/";

/// What an attribute may say.
#[derive(Clone, Copy)]
enum Check {
    Any,
    OneOf(&'static [&'static str]),
    /// A placeholder of this kind.
    File(&'static str),
    Network,
}

use Check::{Any, File, Network, OneOf};

/// Every element that is taken, by its path, with its attributes.
const ELEMENTS: &[(&str, &[(&str, Check)])] = &[
    ("domain", &[("type", OneOf(&["kvm", "qemu", "test"]))]),
    ("domain/name", &[]),
    ("domain/uuid", &[]),
    ("domain/title", &[]),
    ("domain/metadata", &[]),
    ("domain/metadata/skyloom:server", &[("xmlns:skyloom", OneOf(&["urn:skyloom:server"]))]),
    ("domain/memory", &[("unit", Any)]),
    ("domain/currentMemory", &[("unit", Any)]),
    ("domain/vcpu", &[]),
    ("domain/os", &[]),
    ("domain/os/type", &[("arch", Any), ("machine", Any)]),
    ("domain/os/kernel", &[]),
    ("domain/os/initrd", &[]),
    ("domain/os/cmdline", &[]),
    ("domain/os/boot", &[("dev", OneOf(&["hd", "network", "cdrom"]))]),
    ("domain/features", &[]),
    ("domain/features/acpi", &[]),
    ("domain/features/apic", &[]),
    ("domain/cpu", &[("mode", OneOf(&["host-model", "host-passthrough", "maximum"]))]),
    ("domain/clock", &[("offset", OneOf(&["utc", "localtime"]))]),
    ("domain/on_poweroff", &[]),
    ("domain/on_reboot", &[]),
    ("domain/on_crash", &[]),
    ("domain/devices", &[]),
    ("domain/devices/disk", &[("type", OneOf(&["file"])), ("device", OneOf(&["disk", "cdrom"]))]),
    (
        "domain/devices/disk/driver",
        &[("name", OneOf(&["qemu"])), ("type", OneOf(&["qcow2", "raw"])), ("cache", Any), ("discard", Any)],
    ),
    ("domain/devices/disk/source", &[("file", File("volume"))]),
    ("domain/devices/disk/target", &[("dev", Any), ("bus", Any)]),
    ("domain/devices/disk/serial", &[]),
    ("domain/devices/disk/readonly", &[]),
    ("domain/devices/interface", &[("type", OneOf(&["network", "user"]))]),
    ("domain/devices/interface/mac", &[("address", Any)]),
    ("domain/devices/interface/source", &[("network", Network)]),
    ("domain/devices/interface/model", &[("type", Any)]),
    ("domain/devices/serial", &[("type", OneOf(&["file"]))]),
    ("domain/devices/serial/source", &[("path", File("console")), ("append", OneOf(&["on"]))]),
    ("domain/devices/serial/target", &[("port", Any)]),
    ("domain/devices/rng", &[("model", OneOf(&["virtio"]))]),
    ("domain/devices/rng/backend", &[("model", OneOf(&["builtin"]))]),
];

/// Elements that may stand more than once beside another. Of any other one libvirt might read the first and we the last.
const REPEATED: &[&str] = &[
    "domain/os/boot",
    "domain/devices/disk",
    "domain/devices/interface",
    "domain/devices/serial",
    "domain/devices/rng",
];

/// The element whose text says which domain this is.
const UUID: &str = "domain/uuid";

/// Elements whose text is a placeholder of an image's blob.
const FILE_TEXT: &[&str] = &["domain/os/kernel", "domain/os/initrd"];

/// XML for libvirt, with real paths.
#[derive(Debug)]
pub struct Checked {
    pub uuid: String,
    pub xml: String,
}

/// The text by which a driver's XML names a file.
pub fn reference(kind: &str, name: &str) -> String {
    format!("{PLACEHOLDER}{kind}/{name}")
}

/// Checks a domain's XML and puts paths in the place of placeholders.
pub fn check(
    text: &str,
    resolve: &dyn Fn(&str, &str) -> Result<PathBuf>,
    permit_network: &dyn Fn(&str) -> Result<()>,
) -> Result<Checked> {
    let mut gate = Gate::new(resolve, permit_network);
    gate.read(text)?;
    gate.finish()
}

/// As [`check`], for one disk of a domain: where it lies, and its XML.
pub fn check_disk(text: &str, resolve: &dyn Fn(&str, &str) -> Result<PathBuf>) -> Result<(String, String)> {
    let permit_nothing = |network: &str| Err(refused(&format!("a disk has no network {network:?}")));
    let xml = check_device("disk", text, Gate::new(resolve, &permit_nothing))?;
    match <[DiskOf; 1]>::try_from(answers::disks(&xml)?) {
        Ok([DiskOf { file, .. }]) if !file.is_empty() => Ok((file, xml)),
        _ => Err(refused("it is not one disk with a file")),
    }
}

/// As [`check`], for one network card of a domain: its hardware address, and its XML.
pub fn check_interface(text: &str, permit_network: &dyn Fn(&str) -> Result<()>) -> Result<(String, String)> {
    let resolve_nothing = |kind: &str, name: &str| Err(refused(&format!("a card has no {kind} {name:?}")));
    let xml = check_device("interface", text, Gate::new(&resolve_nothing, permit_network))?;
    match <[CardOf; 1]>::try_from(answers::cards(&xml)?) {
        Ok([CardOf { mac, .. }]) if check_mac(&mac).is_ok() => Ok((mac, xml)),
        _ => Err(refused("it is not one card with a hardware address")),
    }
}

/// One device of this kind, and nothing beside it.
fn check_device(kind: &str, text: &str, mut gate: Gate<'_>) -> Result<String> {
    gate.path = DEVICES.iter().map(|name| (*name).to_owned()).collect();
    gate.read(text)?;
    let [only] = gate.seen.as_slice() else { return Err(refused("it lacks its end")) };
    if gate.path != DEVICES || !only.iter().eq([kind]) {
        return Err(refused(&format!("it is no {kind}")));
    }
    String::from_utf8(gate.out.into_inner()).map_err(Error::internal)
}

/// Where a domain's devices stand.
const DEVICES: [&str; 2] = ["domain", "devices"];

struct Gate<'a> {
    resolve: &'a dyn Fn(&str, &str) -> Result<PathBuf>,
    permit_network: &'a dyn Fn(&str) -> Result<()>,
    path: Vec<String>,
    /// What stands in each open element, the document itself first.
    seen: Vec<BTreeSet<String>>,
    uuid: String,
    marked: bool,
    out: Writer<Vec<u8>>,
}

impl<'a> Gate<'a> {
    fn new(resolve: &'a dyn Fn(&str, &str) -> Result<PathBuf>, permit_network: &'a dyn Fn(&str) -> Result<()>) -> Self {
        Self {
            resolve,
            permit_network,
            path: Vec::new(),
            seen: vec![BTreeSet::new()],
            uuid: String::new(),
            marked: false,
            out: Writer::new(Vec::new()),
        }
    }

    fn read(&mut self, text: &str) -> Result<()> {
        if text.len() > MAX_BYTES || text.contains('\0') {
            return Err(refused("it is too large or holds a zero byte"));
        }
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        loop {
            match reader.read_event().map_err(|error| refused(&format!("it is no XML: {error}")))? {
                Event::Eof => return Ok(()),
                event => self.pass(event)?,
            }
        }
    }

    fn pass(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Start(start) => {
                let start = self.open(&start)?;
                self.write(Event::Start(start))
            }
            Event::Empty(start) => {
                let start = self.open(&start)?;
                self.close();
                self.write(Event::Empty(start))
            }
            Event::End(end) => {
                self.close();
                self.write(Event::End(end))
            }
            Event::Text(text) => self.text(&text),
            Event::GeneralRef(reference) => {
                let path = self.path.join("/");
                if path == UUID || FILE_TEXT.contains(&path.as_str()) {
                    return Err(refused(&format!("an entity stands in {path}")));
                }
                self.write(Event::GeneralRef(reference))
            }
            _ => Err(refused("it holds a comment, a declaration or an instruction")),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<BytesStart<'static>> {
        let name = std::str::from_utf8(start.name().as_ref()).map_err(|_| refused("a name is no UTF-8"))?.to_owned();
        self.path.push(name.clone());
        let path = self.path.join("/");
        let Some((_, allowed)) = ELEMENTS.iter().find(|(known, _)| *known == path) else {
            return Err(refused(&format!("the element {path} is not permitted")));
        };
        let first = self.seen.last_mut().is_some_and(|seen| seen.insert(name.clone()));
        if !first && !REPEATED.contains(&path.as_str()) {
            return Err(refused(&format!("the element {path} stands twice")));
        }
        self.seen.push(BTreeSet::new());
        self.marked |= path == "domain/metadata/skyloom:server";
        let mut copy = BytesStart::new(name);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| refused(&format!("an attribute of {path}: {error}")))?;
            let (key, value) = self.attribute(&path, allowed, &attribute)?;
            copy.push_attribute((key.as_str(), value.as_str()));
        }
        Ok(copy)
    }

    fn close(&mut self) {
        self.path.pop();
        self.seen.pop();
    }

    fn attribute(&self, path: &str, allowed: &[(&str, Check)], attribute: &Attribute<'_>) -> Result<(String, String)> {
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let value =
            attribute.unescape_value().map_err(|error| refused(&format!("{path}@{key}: {error}")))?.into_owned();
        let Some((_, check)) = allowed.iter().find(|(known, _)| *known == key) else {
            return Err(refused(&format!("the attribute {path}@{key} is not permitted")));
        };
        match check {
            Any => {}
            OneOf(values) if values.contains(&value.as_str()) => {}
            OneOf(_) => return Err(refused(&format!("{path}@{key} may not be {value:?}"))),
            File(kind) => return Ok((key, self.file(kind, &value)?)),
            Network => (self.permit_network)(&value)?,
        }
        if path == "domain/devices/interface" && value == "user" {
            (self.permit_network)("user")?;
        }
        Ok((key, value))
    }

    fn text(&mut self, text: &BytesText<'_>) -> Result<()> {
        let path = self.path.join("/");
        let plain = text.decode().map_err(|error| refused(&format!("{path}: {error}")))?.into_owned();
        if FILE_TEXT.contains(&path.as_str()) {
            let file = self.file("blob", plain.trim())?;
            return self.write(Event::Text(BytesText::new(&file)));
        }
        if path == UUID {
            let uuid = uuid::Uuid::parse_str(plain.trim()).map_err(|_| refused("its UUID is none"))?;
            self.uuid = uuid.to_string();
            // In the one form that every reader understands alike.
            return self.write(Event::Text(BytesText::new(&uuid.to_string())));
        }
        self.write(Event::Text(text.clone().into_owned()))
    }

    fn file(&self, kind: &str, placeholder: &str) -> Result<String> {
        let name = placeholder
            .strip_prefix(PLACEHOLDER)
            .and_then(|rest| rest.strip_prefix(kind))
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| refused(&format!("{placeholder:?} is no reference to a {kind}")))?;
        let path = (self.resolve)(kind, name)?;
        path.into_os_string().into_string().map_err(|_| Error::internal("a storage path is no UTF-8"))
    }

    fn write(&mut self, event: Event<'_>) -> Result<()> {
        self.out.write_event(event).map_err(Error::internal)
    }

    fn finish(self) -> Result<Checked> {
        if !self.path.is_empty() || self.uuid.is_empty() || !self.marked {
            return Err(refused("it lacks its end, its UUID or the metadata by which it is known as ours"));
        }
        let xml = String::from_utf8(self.out.into_inner()).map_err(Error::internal)?;
        Ok(Checked { uuid: self.uuid, xml })
    }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorCode::Forbidden, format!("The domain's XML is refused: {why}."))
}

/// For attribute values and texts that we write.
pub fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(xml: &str) -> Result<Checked> {
        let resolve = |kind: &str, name: &str| {
            if name.contains("..") {
                return Err(Error::invalid("name", "no"));
            }
            Ok(PathBuf::from(format!("/store/{kind}/{name}")))
        };
        let permit = |network: &str| match network {
            "default" => Ok(()),
            _ => Err(Error::new(ErrorCode::Forbidden, "no")),
        };
        check(xml, &resolve, &permit)
    }

    fn domain(os: &str, devices: &str) -> String {
        format!(
            "<domain type='qemu'><name>a</name><uuid>6f1c9d3e-0000-4000-8000-000000000001</uuid><metadata>\
             <skyloom:server xmlns:skyloom='urn:skyloom:server'>{{&quot;a&quot;:1}}</skyloom:server></metadata>\
             <os><type>hvm</type>{os}</os><devices>{devices}</devices></domain>"
        )
    }

    #[test]
    fn placeholders_become_paths_and_the_rest_passes() {
        let xml = domain(
            "<kernel>skyloom-file/blob/k</kernel><cmdline>a &lt;b&gt;</cmdline>",
            "<disk type='file' device='disk'><source file='skyloom-file/volume/s.d'/></disk>\
             <interface type='network'><source network='default'/></interface>",
        );
        let checked = run(&xml).unwrap();
        assert!(checked.xml.contains("<kernel>/store/blob/k</kernel>"), "{}", checked.xml);
        assert!(checked.xml.contains("file=\"/store/volume/s.d\""), "{}", checked.xml);
        assert!(checked.xml.contains("a &lt;b&gt;"), "{}", checked.xml);
        assert!(checked.xml.contains("{&quot;a&quot;:1}"), "{}", checked.xml);
        assert_eq!(checked.uuid, "6f1c9d3e-0000-4000-8000-000000000001");
    }

    #[test]
    fn what_reaches_outside_is_refused() {
        let outside = [
            domain("<kernel>/boot/vmlinuz</kernel>", ""),
            domain("<kernel>skyloom-file/blob/../x</kernel>", ""),
            domain("<kernel>skyloom-file/volume/x</kernel>", ""),
            domain("<loader>/x</loader>", ""),
            domain("", "<disk type='block' device='disk'><source dev='/dev/sda'/></disk>"),
            domain("", "<disk type='file' device='disk'><source file='/etc/shadow'/></disk>"),
            domain("", "<disk type='file' device='disk'><backingStore type='file'/></disk>"),
            domain("", "<hostdev mode='subsystem' type='pci'/>"),
            domain("", "<emulator>/bin/sh</emulator>"),
            domain("", "<filesystem type='mount'><source dir='/'/></filesystem>"),
            domain("", "<interface type='network'><source network='other'/></interface>"),
            domain("", "<interface type='user'/>"),
            domain("", "<interface type='bridge'><source bridge='br0'/></interface>"),
            domain("", "<serial type='unix'><source path='/run/x'/></serial>"),
            domain("", "<serial type='file'><source path='/etc/cron.d/x'/></serial>"),
            domain("", "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>"),
            domain("<!-- a -->", ""),
            format!("<!DOCTYPE a [<!ENTITY x SYSTEM '/etc/passwd'>]>{}", domain("", "")),
            domain("", "").replace("type='qemu'", "type='qemu' xmlns:qemu='urn:q'"),
            domain("", "").replace("</domain>", "<qemu:commandline/></domain>"),
        ];
        for xml in outside {
            assert!(run(&xml).is_err(), "passed: {xml}");
        }
        assert!(run(&domain("", "")).is_ok());
    }

    /// What stands twice is read by one reader as the first, by another as the last.
    #[test]
    fn what_a_domain_has_once_stands_once() {
        let uuid = "<uuid>6f1c9d3e-0000-4000-8000-000000000001</uuid>";
        let other = "<uuid>6f1c9d3e-0000-4000-8000-000000000002</uuid>";
        let twice = |element: &str, more: &str| domain("", "").replace(element, &format!("{element}{more}"));
        for xml in [
            twice(uuid, other),
            twice(uuid, uuid),
            twice(uuid, "<uuid/>"),
            domain("", "").replace("</uuid>", "<!-- --></uuid>"),
            domain("", "").replace("-0000-4000", "-0000&#45;4000"),
            twice("<name>a</name>", "<name>b</name>"),
            twice("</metadata>", "<metadata/>"),
            twice("</skyloom:server>", "<skyloom:server xmlns:skyloom='urn:skyloom:server'/>"),
            twice("</os>", "<os/>"),
            twice("</os>", "<memory>1</memory><memory>2</memory>"),
            twice("</devices>", "<devices/>"),
            domain("<kernel>skyloom-file/blob/a</kernel><kernel>skyloom-file/blob/b</kernel>", ""),
            domain(
                "",
                "<disk type='file' device='disk'><source file='skyloom-file/volume/a'/><source file='skyloom-file/volume/b'/></disk>",
            ),
            domain("", "<interface type='network'><mac address='a'/><mac address='b'/></interface>"),
            format!("{0}{0}", domain("", "")),
        ] {
            assert!(run(&xml).is_err(), "passed: {xml}");
        }
        let disk = "<disk type='file' device='disk'><source file='skyloom-file/volume/a'/></disk>";
        assert!(run(&domain("<boot dev='hd'/><boot dev='network'/>", &format!("{disk}{disk}"))).is_ok());
    }

    #[test]
    fn a_domain_without_our_mark_or_uuid_is_refused() {
        assert!(
            run("<domain type='qemu'><name>a</name><uuid>6f1c9d3e-0000-4000-8000-000000000001</uuid></domain>")
                .is_err()
        );
        assert!(run(&domain("", "").replace("6f1c9d3e-0000-4000-8000-000000000001", "x")).is_err());
        assert!(run("<domain type='qemu'>").is_err());
    }

    #[test]
    fn a_disk_alone_passes_as_it_would_in_a_domain() {
        let resolve = |kind: &str, name: &str| Ok(PathBuf::from(format!("/store/{kind}/{name}")));
        let disk = "<disk type='file' device='disk'><source file='skyloom-file/volume/d'/><target dev='vdb'/></disk>";
        let (file, xml) = check_disk(disk, &resolve).unwrap();
        assert_eq!(file, "/store/volume/d");
        assert_eq!(answers::disks(&xml).unwrap(), [DiskOf { file, target: "vdb".to_owned() }]);
        for other in [
            "",
            "<disk type='file' device='disk'>",
            "<disk type='file' device='disk'/>",
            &disk.replace("skyloom-file/volume/d", "/etc/shadow"),
            &format!("{disk}{disk}"),
            &format!("{disk}<interface type='network'/>"),
            &format!("{disk}</devices><devices>"),
            &format!("<devices>{disk}</devices>"),
            "<interface type='user'/>",
            "<serial type='file'><source path='skyloom-file/console/x'/></serial>",
        ] {
            assert!(check_disk(other, &resolve).is_err(), "passed: {other}");
        }
    }

    #[test]
    fn a_card_alone_passes_as_it_would_in_a_domain() {
        let permit = |network: &str| match network {
            "default" => Ok(()),
            _ => Err(Error::new(ErrorCode::Forbidden, "no")),
        };
        let card =
            "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>";
        let (mac, xml) = check_interface(card, &permit).unwrap();
        assert_eq!(mac, "52:54:00:00:00:01");
        let kept = CardOf { mac, kind: "network".to_owned(), network: "default".to_owned(), model: String::new() };
        assert_eq!(answers::cards(&xml).unwrap(), [kept]);
        for other in [
            "",
            "<interface type='network'>",
            "<interface type='network'><source network='default'/></interface>",
            "<disk type='file' device='disk'><source file='skyloom-file/volume/d'/></disk>",
            &card.replace("default", "other"),
            &card.replace("52:54:00:00:00:01", "52:54:00:00:00:1"),
            &card.replace("type='network'", "type='bridge'"),
            &card.replace("type='network'", "type='user'"),
            &format!("{card}{card}"),
            &format!("{card}</devices><devices>"),
            &format!("<devices>{card}</devices>"),
        ] {
            assert!(check_interface(other, &permit).is_err(), "passed: {other}");
        }
    }
}
