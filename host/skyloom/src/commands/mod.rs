//! One file per group of commands.

pub mod plugin;

/// `skyloom version`.
pub fn version(json: bool) {
    let libvirt = cfg!(feature = "libvirt");
    if json {
        print_json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "contracts": skyloom_runtime::manifest::CONTRACTS,
            "libvirt": libvirt,
        }));
    } else {
        println!("skyloom {}", env!("CARGO_PKG_VERSION"));
        println!("contracts: {}", skyloom_runtime::manifest::CONTRACTS.join(", "));
        println!("libvirt: {}", if libvirt { "yes" } else { "no (not found when this program was built)" });
    }
}

pub fn print_json(value: &serde_json::Value) {
    println!("{value:#}");
}
