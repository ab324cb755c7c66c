/// One interface that a plugin may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    Log,
    Clock,
    Random,
    Config,
    Documents,
    Compute,
    Flavors,
    Keypairs,
    Operations,
    Quotas,
    Images,
    Networks,
    Volumes,
    Billing,
    Identity,
    Libvirt,
}
