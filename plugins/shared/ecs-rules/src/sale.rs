//! Whether the vendor sells a flavor, as two of its extra specs say: one for the whole region, one that names zones.

const REGION: &str = "cond:operation:status";
const ZONES: &str = "cond:operation:az";

/// The state in a zone (none: of the region). A zone that isn't named has the region's; a region without one is `normal`.
#[must_use]
pub fn state<'a>(extra_specs: &'a [(String, String)], zone: Option<&str>) -> &'a str {
    let spec = |name: &str| extra_specs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let of_zone = zone.and_then(|zone| spec(ZONES)?.split(',').find_map(|entry| in_zone(entry, zone)));
    of_zone.or(spec(REGION)).map(str::trim).filter(|state| !state.is_empty()).unwrap_or("normal")
}

/// The state of `az1(sellout)`; an empty pair of brackets is none.
fn in_zone<'a>(entry: &'a str, zone: &str) -> Option<&'a str> {
    let (name, state) = entry.trim().strip_suffix(')')?.split_once('(')?;
    (name.trim() == zone && !state.trim().is_empty()).then(|| state.trim())
}

/// Whether servers are made of it.
#[must_use]
pub fn is_sold(state: &str) -> bool {
    !matches!(state, "abandon" | "sellout" | "obt_sellout")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(items: &[(&str, &str)]) -> Vec<(String, String)> {
        items.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_zone_has_its_own_state_or_the_regions() {
        let flavor = specs(&[(REGION, "abandon"), (ZONES, "az0(normal), az1(sellout), az2(), az3")]);
        for (zone, expected) in [
            (None, "abandon"),
            (Some("az0"), "normal"),
            (Some("az1"), "sellout"),
            (Some("az2"), "abandon"),
            (Some("az3"), "abandon"),
            (Some("az9"), "abandon"),
        ] {
            assert_eq!(state(&flavor, zone), expected, "{zone:?}");
        }
        assert_eq!(state(&specs(&[]), Some("az0")), "normal");
        assert_eq!(state(&specs(&[(REGION, "")]), None), "normal");
        assert_eq!(state(&specs(&[(REGION, " sellout ")]), Some("az0")), "sellout");
        assert_eq!(state(&specs(&[(ZONES, "az1(obt)")]), Some("az1")), "obt");
        for (state, sold) in [
            ("normal", true),
            ("promotion", true),
            ("obt", true),
            ("abandon", false),
            ("sellout", false),
            ("obt_sellout", false),
        ] {
            assert_eq!(is_sold(state), sold, "{state}");
        }
    }
}
