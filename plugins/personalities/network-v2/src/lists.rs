//! Lists: filters, order, pages, fields. A filter that isn't known is refused, as upstream does with its extension
//! `filter-validation`.

use serde_json::{Map, Value, json};
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::query::{self, Query};
use skyloom_sdk::violations::python;
use skyloom_sdk::{Error, ErrorCode, PageRequest, Request, Response, SortKey, respond};

use crate::{Fault, Object};

/// The largest page of the core.
const MAX_PAGE: u32 = 1000;

/// Items of one answer without a limit; more don't fit the sandbox's memory.
const MOST: usize = 4000;
/// What isn't a filter.
const OWN: &[&str] = &["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"];
/// Upstream's sort keys with the core's; none: all rows have the same value.
type Keys = &'static [(&'static str, Option<&'static str>)];

/// What every list can be ordered by.
const KEYS: Keys = &[
    ("id", Some("id")),
    ("project_id", Some("project-id")),
    ("tenant_id", Some("project-id")),
    ("created_at", Some("created-at")),
    ("updated_at", Some("updated-at")),
];

/// What the list of a collection can be ordered by beyond that.
fn keys_of(collection: &str) -> Keys {
    match collection {
        "networks" => &[
            ("name", Some("name")),
            ("admin_state_up", Some("enabled")),
            ("status", None),
            ("mtu", Some("mtu")),
            ("availability_zone_hints", None),
        ],
        "subnets" => &[
            ("name", Some("name")),
            ("network_id", Some("network-id")),
            ("ip_version", Some("ip-version")),
            ("cidr", Some("cidr")),
            ("gateway_ip", Some("gateway")),
            ("enable_dhcp", Some("dhcp")),
            ("subnetpool_id", None),
            ("ipv6_ra_mode", None),
            ("ipv6_address_mode", None),
        ],
        "ports" => &[
            ("name", Some("name")),
            ("admin_state_up", Some("enabled")),
            ("network_id", Some("network-id")),
            ("mac_address", Some("mac")),
            ("device_id", Some("device-id")),
            ("device_owner", Some("device-owner")),
            ("status", Some("down")),
        ],
        "security-group-rules" => &[
            ("security_group_id", Some("group-id")),
            ("remote_group_id", Some("remote-group-id")),
            ("direction", Some("ingress")),
            ("ethertype", Some("ip-version")),
            ("protocol", Some("protocol")),
            ("port_range_min", Some("port-min")),
            ("port_range_max", Some("port-max")),
            ("remote_ip_prefix", Some("remote-cidr")),
        ],
        "routers" => &[("name", Some("name")), ("admin_state_up", Some("enabled")), ("status", None)],
        _ => &[("name", Some("name"))],
    }
}

/// Why there is no page.
pub enum NoPage {
    /// Nobody knows where the marker stood.
    Marker,
    Refused(Fault),
}

impl From<Error> for NoPage {
    fn from(error: Error) -> Self {
        match (&error.code, error.field.as_deref()) {
            (ErrorCode::Invalid, Some("marker")) => Self::Marker,
            _ => Self::Refused(error.into()),
        }
    }
}

/// The query of a list.
pub struct Wanted<'a> {
    query: Query<'a>,
    used: Vec<&'static str>,
}

impl<'a> Wanted<'a> {
    pub fn new(request: &'a Request) -> Self {
        Self { query: Query(&request.query), used: Vec::new() }
    }

    fn take(&mut self, name: &'static str) -> Vec<String> {
        self.used.push(name);
        self.query.all(name).map(str::to_owned).collect()
    }

    /// Any of these.
    pub fn any(&mut self, name: &'static str) -> Vec<String> {
        self.take(name)
    }

    /// One value; two different ones are more than the core compares.
    pub fn one(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        let mut values = self.take(name);
        values.dedup();
        match values.len() {
            0 | 1 => Ok(values.pop()),
            _ => Err(Fault::bad_request(format!("Filtering by several values of {name} is not supported."))),
        }
    }

    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Fault> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        boolean_text(&text)
            .map(Some)
            .ok_or_else(|| Fault::invalid(name, &format!("'{text}' cannot be converted to boolean")))
    }

    pub fn project(&mut self) -> Result<Option<String>, Fault> {
        let (project, tenant) = (self.one("project_id")?, self.one("tenant_id")?);
        Ok(project.or(tenant))
    }

    /// Reads all pages, or the one that was asked for, and writes the answer. `fetch` gives a page, `show` an item.
    ///
    /// In the order of the ids, which is upstream's, a list goes on behind a marker that was deleted meanwhile: so clients can
    /// list and delete. (Upstream refuses it or begins anew.) In another order nobody knows where it stood: 404, as upstream.
    pub fn answer<T>(
        self,
        request: &Request,
        name: &str,
        fetch: impl FnMut(&PageRequest) -> Result<(Vec<T>, Option<String>), NoPage>,
        show: impl Fn(T) -> Object,
    ) -> Result<Response, Fault> {
        for (filter, _) in &request.query {
            if !OWN.contains(&filter.as_str()) && !self.used.contains(&filter.as_str()) {
                let message = format!("{} is invalid attribute for filtering", python(&json!([filter])));
                return Err(Fault::bad_request(message));
            }
        }
        let limit = self.limit()?;
        let reverse = match self.query.last("page_reverse") {
            None => false,
            Some(text) => boolean_text(text).unwrap_or(false) && limit.is_some(),
        };
        let page = PageRequest {
            limit: limit.unwrap_or(MAX_PAGE),
            marker: self.query.last("marker").map(str::to_owned),
            sort: self.sort(name, reverse)?,
        };
        let marked = page.marker.is_some();
        let (mut objects, more) = walk(name, page, limit.is_some(), fetch, show)?;
        if reverse {
            objects.reverse();
        }
        let mut body = Map::new();
        if limit.is_some() || more {
            let links = links(
                request,
                name,
                &objects,
                if reverse { marked } else { more },
                if reverse { more } else { marked },
            );
            if !links.is_empty() {
                body.insert(format!("{}_links", name.replace('-', "_")), Value::Array(links));
            }
        }
        let fields: Vec<&str> = self.query.all("fields").collect();
        let objects = objects.into_iter().map(|object| Value::Object(picked(object, &fields))).collect();
        body.insert(name.replace('-', "_"), Value::Array(objects));
        Ok(respond::json(200, Value::Object(body).to_string().into_bytes()))
    }

    /// None: everything. 0 means everything too, as upstream.
    fn limit(&self) -> Result<Option<u32>, Fault> {
        let Some(text) = self.query.last("limit") else { return Ok(None) };
        let wrong = || Fault::bad_request(format!("Limit must be an integer 0 or greater and not '{text}'"));
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let limit: u32 = text.parse().unwrap_or(u32::MAX);
        Ok((limit > 0).then(|| limit.min(MAX_PAGE)))
    }

    fn sort(&self, collection: &str, reverse: bool) -> Result<Vec<SortKey>, Fault> {
        let keys: Vec<&str> = self.query.all("sort_key").collect();
        let directions: Vec<&str> = self.query.all("sort_dir").collect();
        if keys.len() != directions.len() && !(directions.is_empty() && keys.len() == 1) {
            return Err(Fault::bad_request("The number of sort_keys and sort_dirs must be same"));
        }
        let mut sort = Vec::new();
        for (at, name) in keys.iter().enumerate() {
            let known = KEYS.iter().chain(keys_of(collection)).find(|(known, _)| known == name);
            let (_, field) = known.ok_or_else(|| {
                Fault::bad_request(format!("{} is invalid attribute for sort_keys", python(&json!([name]))))
            })?;
            let descending = match directions.get(at) {
                None | Some(&"asc") => false,
                Some(&"desc") => true,
                Some(other) => {
                    return Err(Fault::bad_request(format!(
                        "{} is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
                        python(&json!([other]))
                    )));
                }
            };
            if let Some(field) = field {
                sort.push(SortKey { field: (*field).to_owned(), descending: descending != reverse });
            }
        }
        if !sort.iter().any(|key| key.field == "id") {
            sort.push(SortKey { field: "id".to_owned(), descending: reverse });
        }
        Ok(sort)
    }
}

/// The one page, or from it on the whole list; and whether there is more of it.
fn walk<T>(
    name: &str,
    mut page: PageRequest,
    one: bool,
    mut fetch: impl FnMut(&PageRequest) -> Result<(Vec<T>, Option<String>), NoPage>,
    show: impl Fn(T) -> Object,
) -> Result<(Vec<Object>, bool), Fault> {
    let first = page.marker.clone();
    let mut objects: Vec<Object> = Vec::new();
    loop {
        match fetch(&page) {
            Ok((items, next)) => {
                // A page that was cut at its bytes, and so many items, are all that an answer holds: what is left is behind
                // the link to the next page.
                let cut = items.len() < MAX_PAGE as usize;
                objects.extend(items.into_iter().map(&show));
                if one || cut || next.is_none() || objects.len() >= MOST {
                    return Ok((objects, next.is_some()));
                }
                page.marker = next;
            }
            // Deleted since it was read: no part of the list any more, which goes on behind the one before.
            Err(NoPage::Marker) if objects.pop().is_some() => {
                page.marker = objects.last().map(|last| id(last).to_owned()).or_else(|| first.clone());
            }
            Err(NoPage::Marker) => return Err(Fault::no_marker(name, first.as_deref().unwrap_or_default())),
            Err(NoPage::Refused(fault)) => return Err(fault),
        }
    }
}

fn id(object: &Object) -> &str {
    object["id"].as_str().unwrap_or_default()
}

/// Links to the neighbouring pages, from the first and the last item of this one.
fn links(request: &Request, name: &str, objects: &[Object], next: bool, previous: bool) -> Vec<Value> {
    let id = |object: Option<&Object>| object.map(id).unwrap_or_default().to_owned();
    let mut links = Vec::new();
    for (wanted, rel, marker, reverse) in
        [(next, "next", id(objects.last()), ""), (previous, "previous", id(objects.first()), "&page_reverse=True")]
    {
        if wanted && !marker.is_empty() {
            let own: Vec<_> = request.query.iter().filter(|(name, _)| name != "page_reverse").cloned().collect();
            let href = format!("{}/v2.0/{name}?{}{reverse}", request.base_url, query::with_marker(&own, &marker));
            links.push(serde_json::json!({"rel": rel, "href": href}));
        }
    }
    links
}

/// Only the fields that were asked for; all where none was. A name that isn't there is left out.
pub fn picked(object: Object, fields: &[&str]) -> Object {
    if fields.is_empty() {
        return object;
    }
    object.into_iter().filter(|(name, _)| fields.contains(&name.as_str())).collect()
}

/// [`picked`] by the query of a request for one resource.
pub fn shown(request: &Request, object: Object) -> Object {
    let fields: Vec<&str> = Query(&request.query).all("fields").collect();
    picked(object, &fields)
}
