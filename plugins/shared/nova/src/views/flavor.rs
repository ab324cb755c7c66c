//! A flavor.

use skyloom_sdk::cloud::flavors::Flavor;
use skyloom_sdk::json::Writer;
use skyloom_sdk::key;

use super::Links;

const FLAVORS: &str = "/flavors/";

/// `id`, `name`, `links`, from 2.55 on the description.
pub fn write_short(writer: &mut Writer, flavor: &Flavor, links: &Links, minor: u32) {
    writer.begin_object();
    writer.key(key!("id")).string(&flavor.id);
    writer.key(key!("name")).string(&flavor.name);
    links.write(writer, FLAVORS, &flavor.id);
    if minor >= 55 {
        writer.key(key!("description")).optional_string(flavor.description.as_deref());
    }
    writer.end_object();
}

pub fn write(writer: &mut Writer, flavor: &Flavor, links: &Links, minor: u32) {
    writer.begin_object();
    writer.key(key!("id")).string(&flavor.id);
    writer.key(key!("name")).string(&flavor.name);
    writer.key(key!("ram")).unsigned(u64::from(flavor.memory_mib));
    writer.key(key!("disk")).unsigned(u64::from(flavor.disk_gib));
    writer.key(key!("vcpus")).unsigned(u64::from(flavor.vcpus));
    writer.key(key!("swap"));
    if flavor.swap_mib == 0 && minor < 75 {
        writer.raw("\"\"");
    } else {
        writer.unsigned(u64::from(flavor.swap_mib));
    }
    writer.key(key!("OS-FLV-EXT-DATA:ephemeral")).unsigned(u64::from(flavor.ephemeral_gib));
    writer.key(key!("OS-FLV-DISABLED:disabled")).boolean(flavor.disabled);
    writer.key(key!("os-flavor-access:is_public")).boolean(flavor.is_public);
    writer.key(key!("rxtx_factor")).raw(&factor(flavor.rxtx_factor_milli));
    links.write(writer, FLAVORS, &flavor.id);
    if minor >= 55 {
        writer.key(key!("description")).optional_string(flavor.description.as_deref());
    }
    if minor >= 61 {
        writer.key(key!("extra_specs")).string_map(&flavor.extra_specs);
    }
    writer.end_object();
}

/// Thousandths as a decimal: 1000 is 1.0, 1250 is 1.25.
fn factor(milli: u32) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    let cut = text.trim_end_matches('0');
    if cut.ends_with('.') { format!("{cut}0") } else { cut.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::factor;

    #[test]
    fn factors_are_decimals() {
        assert_eq!(factor(1000), "1.0");
        assert_eq!(factor(1250), "1.25");
        assert_eq!(factor(5), "0.005");
        assert_eq!(factor(0), "0.0");
    }
}
