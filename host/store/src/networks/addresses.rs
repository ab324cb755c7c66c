//! Addresses as numbers: ranges, subnets, and which addresses are free.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use skyloom_model::{Error, ErrorCode, Result};

use crate::statement::insert_into;
use crate::{Conn, args};

/// How many taken addresses are read at a time while a gap is looked for.
const STRIDE: usize = 256;
/// How often another transaction may snatch a free address before the subnet counts as contended.
const ATTEMPTS: usize = 64;

/// A subnet in CIDR form: the network's address and its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub base: IpAddr,
    pub prefix: u8,
}

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "(IpAddr, IpAddr)", into = "(IpAddr, IpAddr)")]
pub struct Range {
    pub start: IpAddr,
    pub end: IpAddr,
}

impl From<(IpAddr, IpAddr)> for Range {
    fn from((start, end): (IpAddr, IpAddr)) -> Self {
        Self { start, end }
    }
}

impl From<Range> for (IpAddr, IpAddr) {
    fn from(range: Range) -> Self {
        (range.start, range.end)
    }
}

pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(v6: bool, number: u128) -> IpAddr {
    if v6 { IpAddr::V6(Ipv6Addr::from(number)) } else { IpAddr::V4(Ipv4Addr::from(number as u32)) }
}

/// 32 hex digits, so that the order of the text is the order of the addresses.
pub(crate) fn sortable(address: IpAddr) -> String {
    format!("{:032x}", number(address))
}

/// An address with the length of its network's prefix; bits beyond the prefix may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixed {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Prefixed {
    /// `10.0.0.5/24`, `10.0.0.5/255.255.255.0`, or an address alone, whose prefix is all of it.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix)),
            None => (text.parse().ok()?, None),
        };
        let prefix = match prefix {
            None => width(address),
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(mask) => mask_length(address, mask)?,
        };
        (prefix <= width(address)).then_some(Self { address, prefix })
    }

    /// The network that the address is of.
    #[must_use]
    pub fn network(&self) -> Cidr {
        let mut cidr = Cidr { base: self.address, prefix: self.prefix };
        cidr.base = address(self.address.is_ipv6(), number(self.address) & !cidr.host_mask());
        cidr
    }
}

impl std::fmt::Display for Prefixed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

/// Of a mask as version 4 writes it: ones, then zeros.
fn mask_length(address: IpAddr, mask: &str) -> Option<u8> {
    let mask = u32::from(mask.parse::<Ipv4Addr>().ok()?);
    let length = mask.leading_ones();
    (address.is_ipv4() && mask.checked_shl(length).unwrap_or(0) == 0).then(|| u8::try_from(length).ok()).flatten()
}

impl Cidr {
    /// None: no subnet, or bits beyond the prefix are set.
    pub fn parse(text: &str) -> Option<Self> {
        let given = Prefixed::parse(text).filter(|_| text.contains('/'))?;
        let cidr = given.network();
        (cidr.base == given.address).then_some(cidr)
    }

    fn host_mask(&self) -> u128 {
        match u32::from(width(self.base) - self.prefix) {
            128 => u128::MAX,
            bits => (1 << bits) - 1,
        }
    }

    pub fn ip_version(&self) -> u8 {
        if self.base.is_ipv6() { 6 } else { 4 }
    }

    pub fn last(&self) -> IpAddr {
        address(self.base.is_ipv6(), number(self.base) | self.host_mask())
    }

    pub fn contains(&self, other: IpAddr) -> bool {
        other.is_ipv6() == self.base.is_ipv6() && (number(self.base)..=number(self.last())).contains(&number(other))
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }

    /// The addresses that a host may have: without the network's and, for version 4, the broadcast address. The two addresses
    /// of a /31 or /127 and the one of a /32 or /128 all count.
    pub fn hosts(&self) -> Range {
        let (first, last) = (number(self.base), number(self.last()));
        let v6 = self.base.is_ipv6();
        if width(self.base) - self.prefix < 2 {
            return Range { start: self.base, end: self.last() };
        }
        Range { start: address(v6, first + 1), end: address(v6, if v6 { last } else { last - 1 }) }
    }

    /// The host addresses in order, without the gateway: what a subnet hands out when nothing else is said.
    pub fn default_pools(&self, gateway: Option<IpAddr>) -> Vec<Range> {
        let hosts = self.hosts();
        let Some(gateway) = gateway.filter(|gateway| hosts.contains(*gateway)) else { return vec![hosts] };
        let v6 = self.base.is_ipv6();
        let at = number(gateway);
        let mut pools = Vec::new();
        if gateway != hosts.start {
            pools.push(Range { start: hosts.start, end: address(v6, at - 1) });
        }
        if gateway != hosts.end {
            pools.push(Range { start: address(v6, at + 1), end: hosts.end });
        }
        pools
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.base, self.prefix)
    }
}

impl Range {
    pub fn contains(&self, other: IpAddr) -> bool {
        other.is_ipv6() == self.start.is_ipv6() && (number(self.start)..=number(self.end)).contains(&number(other))
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.start) || other.contains(self.start)
    }
}

/// Takes an address for a port. `wanted`: this one, else a free one of the pools.
pub(crate) async fn take(
    tx: &mut Conn,
    subnet_id: &str,
    pools: &[Range],
    wanted: Option<IpAddr>,
    port_id: &str,
) -> Result<IpAddr> {
    if let Some(wanted) = wanted {
        return if insert(tx, subnet_id, wanted, port_id).await? {
            Ok(wanted)
        } else {
            Err(Error::new(
                ErrorCode::AddressInUse,
                format!("IP address {wanted} already allocated in subnet {subnet_id}"),
            )
            .with_resource("subnet", subnet_id)
            .with_field("address"))
        };
    }
    for attempt in 0..ATTEMPTS {
        let Some(place) = Place::random(pools) else { return Err(exhausted(subnet_id)) };
        // Seldom taken where the subnet isn't nearly full: then nothing is read.
        let found = if attempt == 0 { Some(place.address(pools)) } else { place.free(tx, subnet_id, pools).await? };
        let Some(found) = found else { return Err(exhausted(subnet_id)) };
        if insert(tx, subnet_id, found, port_id).await? {
            return Ok(found);
        }
    }
    Err(Error::new(ErrorCode::Busy, format!("Subnet {subnet_id} is contended; try again."))
        .with_resource("subnet", subnet_id))
}

pub(crate) fn exhausted(subnet_id: &str) -> Error {
    Error::new(ErrorCode::NoAddress, format!("No more IP addresses available on subnet {subnet_id}."))
        .with_resource("subnet", subnet_id)
}

/// False: somebody has it.
async fn insert(tx: &mut Conn, subnet_id: &str, address: IpAddr, port_id: &str) -> Result<bool> {
    let changed = tx
        .execute(
            insert_into("port_addresses", "(subnet_id, address, number, port_id) VALUES ($1, $2, $3, $4)")
                .on_conflict("DO NOTHING"),
            args![subnet_id, &address.to_string(), &sortable(address), port_id],
        )
        .await?;
    Ok(changed == 1)
}

/// An address of the pools, taken or not.
struct Place {
    pool: usize,
    number: u128,
}

impl Place {
    /// Random, because then transactions that run side by side seldom want the same one, and an address that was just given
    /// back is not at once another machine's. None: the pools hold nothing.
    fn random(pools: &[Range]) -> Option<Self> {
        let sizes: Vec<u128> = pools.iter().map(|pool| number(pool.end) - number(pool.start)).collect();
        let total = sizes.iter().fold(0_u128, |sum, size| sum.saturating_add(size.saturating_add(1)));
        if total == 0 {
            return None;
        }
        let mut place = uuid::Uuid::new_v4().as_u128() % (1 << 62) % total;
        let mut pool = 0;
        while place > sizes[pool] {
            place -= sizes[pool] + 1;
            pool += 1;
        }
        Some(Self { pool, number: number(pools[pool].start) + place })
    }

    fn address(&self, pools: &[Range]) -> IpAddr {
        address(pools[self.pool].start.is_ipv6(), self.number)
    }

    /// The first free address from here to the end of its pool, in the other pools in turn, and last in the part before.
    async fn free(&self, tx: &mut Conn, subnet_id: &str, pools: &[Range]) -> Result<Option<IpAddr>> {
        let own = pools[self.pool];
        if let Some(found) = gap(tx, subnet_id, own, self.number, number(own.end)).await? {
            return Ok(Some(found));
        }
        for step in 1..pools.len() {
            let pool = pools[(self.pool + step) % pools.len()];
            if let Some(found) = gap(tx, subnet_id, pool, number(pool.start), number(pool.end)).await? {
                return Ok(Some(found));
            }
        }
        if self.number == number(own.start) {
            return Ok(None);
        }
        gap(tx, subnet_id, own, number(own.start), self.number - 1).await
    }
}

/// The first address of `from..=to` that nobody has.
async fn gap(tx: &mut Conn, subnet_id: &str, pool: Range, from: u128, to: u128) -> Result<Option<IpAddr>> {
    let mut candidate = from;
    loop {
        let taken = tx
            .all(
                format!(
                    "SELECT number FROM port_addresses WHERE subnet_id = $1 AND number >= $2 AND number <= $3 ORDER BY number \
                     LIMIT {STRIDE}"
                ),
                args![subnet_id, &format!("{candidate:032x}"), &format!("{to:032x}")],
                |row| u128::from_str_radix(row.text_ref(0)?, 16).map_err(Error::internal),
            )
            .await?;
        for number in &taken {
            if *number != candidate {
                return Ok(Some(address(pool.start.is_ipv6(), candidate)));
            }
            if candidate == to {
                return Ok(None);
            }
            candidate += 1;
        }
        if taken.len() < STRIDE {
            return Ok(Some(address(pool.start.is_ipv6(), candidate)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_subnet_is_parsed_strictly() {
        for wrong in
            ["10.0.0.1/24", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/", "x/8", "fd00::1/64", "::/129"]
        {
            assert_eq!(Cidr::parse(wrong), None, "{wrong}");
        }
        for (right, last) in [
            ("10.0.0.0/24", "10.0.0.255"),
            ("0.0.0.0/0", "255.255.255.255"),
            ("10.0.0.7/32", "10.0.0.7"),
            ("fd00::/64", "fd00::ffff:ffff:ffff:ffff"),
            ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let cidr = Cidr::parse(right).expect(right);
            assert_eq!(cidr.to_string(), right);
            assert_eq!(cidr.last(), ip(last));
        }
    }

    #[test]
    fn an_address_with_a_prefix_keeps_its_own_bits() {
        for (given, shown, network) in [
            ("10.0.0.5/24", "10.0.0.5/24", "10.0.0.0/24"),
            ("10.0.0.5/255.255.255.0", "10.0.0.5/24", "10.0.0.0/24"),
            ("10.0.0.5/0", "10.0.0.5/0", "0.0.0.0/0"),
            ("10.0.0.5/0.0.0.0", "10.0.0.5/0", "0.0.0.0/0"),
            ("10.0.0.5/255.255.255.255", "10.0.0.5/32", "10.0.0.5/32"),
            ("10.0.0.5", "10.0.0.5/32", "10.0.0.5/32"),
            ("FD00:0::1/64", "fd00::1/64", "fd00::/64"),
            ("fd00::1", "fd00::1/128", "fd00::1/128"),
            ("::/0", "::/0", "::/0"),
        ] {
            let prefixed = Prefixed::parse(given).expect(given);
            assert_eq!((prefixed.to_string().as_str(), prefixed.network().to_string().as_str()), (shown, network));
        }
        for wrong in [
            "",
            "/",
            "10.0.0.5/",
            "10.0.0.5/33",
            "10.0.0.5/+8",
            "10.0.0.5/255.0.255.0",
            "fd00::/255.0.0.0",
            "fd00::/129",
            "x/8",
        ] {
            assert_eq!(Prefixed::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pools_leave_out_the_gateway_and_the_edges() {
        let cidr = Cidr::parse("10.0.0.0/24").expect("cidr");
        assert_eq!(cidr.default_pools(Some(ip("10.0.0.1"))), [Range { start: ip("10.0.0.2"), end: ip("10.0.0.254") }]);
        assert_eq!(
            cidr.default_pools(Some(ip("10.0.0.9"))),
            [
                Range { start: ip("10.0.0.1"), end: ip("10.0.0.8") },
                Range { start: ip("10.0.0.10"), end: ip("10.0.0.254") }
            ]
        );
        assert_eq!(cidr.default_pools(None), [Range { start: ip("10.0.0.1"), end: ip("10.0.0.254") }]);
        let tiny = Cidr::parse("10.0.0.4/32").expect("cidr");
        assert_eq!(tiny.default_pools(Some(ip("10.0.0.4"))), []);
        assert_eq!(tiny.hosts(), Range { start: ip("10.0.0.4"), end: ip("10.0.0.4") });
        let v6 = Cidr::parse("fd00::/120").expect("cidr");
        assert_eq!(v6.hosts(), Range { start: ip("fd00::1"), end: ip("fd00::ff") });
    }

    #[test]
    fn overlaps_are_seen_from_both_sides() {
        let (wide, narrow) = (Cidr::parse("10.0.0.0/8").expect("wide"), Cidr::parse("10.1.0.0/16").expect("narrow"));
        assert!(wide.overlaps(&narrow) && narrow.overlaps(&wide));
        assert!(!narrow.overlaps(&Cidr::parse("10.2.0.0/16").expect("other")));
        assert!(!wide.overlaps(&Cidr::parse("::/0").expect("v6")));
    }
}
