//! The domain's XML. Every text that a user chose goes through [`escape`].

use std::fmt::Write;

use skyloom_sdk::driver::types::{Disk, DomainSpec, Nic};

use crate::record::{Record, USER_NETWORK};

/// Files by the placeholders that the host gave.
pub struct Files {
    /// In the order of the spec's.
    pub disks: Vec<String>,
    pub seed: String,
    pub console: String,
    pub kernel: Option<String>,
    pub ramdisk: Option<String>,
}

pub struct Machine<'a> {
    pub domain_type: &'a str,
    pub machine: Option<&'a str>,
}

/// What a kernel without arguments of its own is told: speak on the console that we keep.
const DEFAULT_KERNEL_ARGUMENTS: &str = "console=ttyS0";

pub fn domain(spec: &DomainSpec, record: &Record, files: &Files, machine: &Machine<'_>) -> String {
    let mut xml = String::with_capacity(4096);
    let _ = write!(
        xml,
        "<domain type='{}'><name>skyloom-{id}</name><uuid>{id}</uuid><title>{title}</title>\
         <metadata><skyloom:server xmlns:skyloom='urn:skyloom:server'>{record}</skyloom:server></metadata>\
         <memory unit='MiB'>{memory}</memory><vcpu>{vcpus}</vcpu>",
        machine.domain_type,
        id = escape(&spec.server_id),
        title = escape(&title(&spec.name)),
        record = escape(&record.text()),
        memory = spec.memory_mib,
        vcpus = spec.vcpus,
    );
    write_boot(&mut xml, spec, files, machine);
    xml.push_str("<features><acpi/><apic/></features><clock offset='utc'/>");
    xml.push_str(
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash><devices>",
    );
    for (disk, file) in spec.disks.iter().zip(&files.disks) {
        xml.push_str(&self::disk(disk, file));
    }
    write_disk(&mut xml, &files.seed, "raw", SEED_TARGET, "<readonly/>");
    for nic in &spec.nics {
        xml.push_str(&self::nic(nic));
    }
    let _ = write!(
        xml,
        "<serial type='file'><source path='{console}' append='on'/><target port='0'/></serial>\
         <rng model='virtio'><backend model='builtin'/></rng></devices></domain>",
        console = escape(&files.console),
    );
    xml
}

fn write_boot(xml: &mut String, spec: &DomainSpec, files: &Files, machine: &Machine<'_>) {
    xml.push_str("<os><type arch='x86_64'");
    if let Some(machine) = machine.machine {
        let _ = write!(xml, " machine='{}'", escape(machine));
    }
    xml.push_str(">hvm</type>");
    if let Some(kernel) = &files.kernel {
        let _ = write!(xml, "<kernel>{}</kernel>", escape(kernel));
        if let Some(ramdisk) = &files.ramdisk {
            let _ = write!(xml, "<initrd>{}</initrd>", escape(ramdisk));
        }
        let arguments = spec.kernel_arguments.as_deref().unwrap_or(DEFAULT_KERNEL_ARGUMENTS);
        let _ = write!(xml, "<cmdline>{}</cmdline>", escape(arguments));
    } else {
        xml.push_str("<boot dev='hd'/>");
    }
    xml.push_str("</os>");
}

/// Behind every disk that a server can have.
const SEED_TARGET: &str = "vdzz";
/// What QEMU shows a guest of a disk's serial number.
const SERIAL: usize = 20;

/// One disk. By the beginning of its id, which is its serial number, the guest can tell it from others.
pub fn disk(disk: &Disk, file: &str) -> String {
    let serial = disk.id.get(..SERIAL).unwrap_or(&disk.id);
    let target = disk.device.strip_prefix("/dev/").unwrap_or(&disk.device);
    let mut xml = String::new();
    write_disk(&mut xml, file, "qcow2", target, &format!("<serial>{}</serial>", escape(serial)));
    xml
}

fn write_disk(xml: &mut String, source: &str, format: &str, target: &str, more: &str) {
    let _ = write!(
        xml,
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{}'/>\
         <target dev='{}' bus='virtio'/>{more}</disk>",
        escape(source),
        escape(target),
    );
}

/// One network card.
pub fn nic(nic: &Nic) -> String {
    let mac = escape(&nic.mac);
    if nic.platform_network == USER_NETWORK {
        return format!("<interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>");
    }
    let network = escape(&nic.platform_network);
    format!(
        "<interface type='network'><mac address='{mac}'/><source network='{network}'/><model type='virtio'/></interface>"
    )
}

/// libvirt takes no line break in a title.
fn title(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Text or attribute value. Characters that XML 1.0 cannot hold at all are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&apos;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
            letter if letter < ' ' || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_out_of_its_element() {
        assert_eq!(escape("</title><devices a='\"&"), "&lt;/title&gt;&lt;devices a=&apos;&quot;&amp;");
        assert_eq!(escape("a\u{0}b\u{8}"), "a\u{fffd}b\u{fffd}");
    }
}
