//! Lists of servers: which of the query's filters the core is asked for, and the page.

use serde_json::Value;
use skyloom_sdk::cloud::compute::{PowerState, ServerPage, TaskState, VmState};
use skyloom_sdk::conditions::{all_of, any_of, before, from, is, none_of, not_all_of, part, part_any_case, pattern};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::packed::Packed;
use skyloom_sdk::paging::Paging;
use skyloom_sdk::states::{POWER_STATES, power_state, task_state, vm_state};
use skyloom_sdk::{Cloud, Condition, Error, ErrorCode, Response, key, respond, time};

use super::sort::sort;
use super::{changed, hosts_up, shown_parts, view};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::status::{Wanted, task_of_word, vm_of_word, wanted};
use crate::unsupported::{is_listed, refuse};
use crate::views::server::{size, write, write_short};
use crate::violations::python;

pub(super) const LIST: &str = "servers.list";
const ROOT_DEVICE: &str = "/dev/vda";
/// Nova's filters that compare a text, the core's field of each.
const TEXTS: &[(&str, &str)] = &[
    ("image", "image-id"),
    ("image_ref", "image-id"),
    ("availability_zone", "zone"),
    ("host", "node"),
    ("node", "node"),
    ("key_name", "key-name"),
    ("user_id", "user-id"),
    ("reservation_id", "reservation-id"),
    ("hostname", "hostname"),
    ("description", "description"),
    ("display_description", "description"),
    ("access_ip_v4", "access-ipv4"),
    ("access_ip_v6", "access-ipv6"),
    ("project_id", "project-id"),
    ("tenant_id", "project-id"),
];

pub fn index<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let Some(packed) = fetch(context, &[])? else { return Ok(nothing()) };
    let page = packed.rows()?;
    let mut writer = Writer::with_capacity(256 + page.servers.len() * 512);
    writer.begin_object().key(key!("servers")).begin_array();
    for server in &page.servers {
        write_short(&mut writer, server, &context.links);
    }
    Ok(finish(context, writer, page.next, "/servers"))
}

pub fn detail<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let Some(packed) = fetch(context, shown_parts(context))? else { return Ok(nothing()) };
    let page = packed.rows()?;
    let hosts = hosts_up(context)?;
    let view = view(context, hosts.as_deref(), false);
    let mut writer = Writer::with_capacity(256 + page.servers.iter().map(size).sum::<usize>());
    writer.begin_object().key(key!("servers")).begin_array();
    for server in &page.servers {
        write(&mut writer, server, &view);
    }
    Ok(finish(context, writer, page.next, "/servers/detail"))
}

fn finish<C>(context: &Context<'_, C>, mut writer: Writer, next: Option<&str>, collection: &str) -> Response {
    writer.end_array();
    if let Some(next) = next {
        writer.key(key!("servers_links"));
        context.links.write_next(&mut writer, collection, &context.request.query, next);
    }
    writer.end_object();
    respond::json(200, writer.finish())
}

fn nothing() -> Response {
    respond::json(200, b"{\"servers\":[]}".to_vec())
}

/// The page; none: nothing can be in it.
fn fetch<C: Cloud>(context: &Context<'_, C>, parts: &[&str]) -> Result<Option<Packed<ServerPage>>, Fault> {
    let query = context.query();
    if context.rules.image_filter_is_void && query.has("image") {
        return Ok(None);
    }
    let Some(conditions) = conditions(context)? else { return Ok(None) };
    let sort = sort(context)?;
    let paging =
        Paging::from_query(&query).map_err(|bad| Fault::bad_request(format!("limit '{}' is no number", bad.0)))?;
    if paging.limit == Some(0) {
        return Ok(None);
    }
    let marker = paging.marker.clone();
    let rules = context.rules;
    let request = paging.request(rules.default_page, rules.max_page, sort);
    let page = context.cloud.list_servers(&conditions, &skyloom_sdk::conditions::parts(parts), &request);
    page.map(Some).map_err(|error| refusal(context, marker.as_deref(), error))
}

fn refusal<C>(context: &Context<'_, C>, marker: Option<&str>, error: Error) -> Fault {
    match (&error.code, error.field.as_deref(), marker) {
        (ErrorCode::Invalid | ErrorCode::NotFound, Some("marker"), Some(marker)) => {
            Fault::bad_request(format!("marker [{marker}] not found"))
        }
        (ErrorCode::Invalid, Some("name"), _) => no_pattern(context, &["name", "display_name"]),
        (ErrorCode::Invalid, Some("addresses"), _) => no_pattern(context, &["ip", "ip6"]),
        _ => error.into(),
    }
}

/// A filter that is no regular expression, as Nova's schema of the query says it.
fn no_pattern<C>(context: &Context<'_, C>, names: &[&str]) -> Fault {
    let given = |(name, _): &&(String, String)| names.contains(&name.as_str());
    let (name, value) = context
        .request
        .query
        .iter()
        .rev()
        .find(given)
        .map_or(("", ""), |(name, value)| (name.as_str(), value.as_str()));
    let shown = python(&Value::from(value));
    Fault::bad_request(format!("Invalid input for query parameters {name}. Value: {value}. {shown} is not a 'regex'"))
}

/// Whether everybody may filter by this; the other filters are an operator's, and overlooked in another's query.
fn for_everybody<C>(context: &Context<'_, C>, name: &str) -> bool {
    match name {
        "reservation_id" | "name" | "status" | "image" | "flavor" | "ip" | "changes-since" | "all_tenants" => true,
        // Who sees several projects names one, or a user.
        "project_id" | "tenant_id" => context.sees_projects(),
        "user_id" if context.sees_projects() => true,
        "ip6" => context.since(5),
        "tags" | "not-tags" | "tags-any" | "not-tags-any" => context.since(26),
        "changes-before" => context.since(66),
        "locked" => context.since(73),
        "availability_zone" | "config_drive" | "key_name" | "created_at" | "launched_at" | "terminated_at"
        | "power_state" | "task_state" | "vm_state" | "progress" | "user_id" => context.since(83),
        "hostname" => context.since(90),
        _ => false,
    }
}

/// Members of Nova's tables that are no filters.
fn is_internal(name: &str) -> bool {
    name.starts_with('_')
        || matches!(
            name,
            "block_device_mapping"
                | "services"
                | "metadata"
                | "system_metadata"
                | "info_cache"
                | "security_groups"
                | "pci_devices"
        )
}

struct Reader<'c, 'a, C> {
    context: &'c Context<'a, C>,
    /// One a field and test: of two values of one name the last holds.
    conditions: Vec<Condition>,
    all_projects: bool,
    deleted: Option<bool>,
    soft_deleted: Option<bool>,
    changed_since: Option<(i64, i64)>,
    changed_before: Option<(i64, i64)>,
    vm_states: Vec<VmState>,
    task_states: Vec<TaskState>,
    ids: Vec<String>,
    /// IP version and text in turn.
    addresses: Vec<String>,
    /// No server can match.
    void: bool,
}

/// None: no server can match.
fn conditions<C: Cloud>(context: &Context<'_, C>) -> Result<Option<Vec<Condition>>, Fault> {
    let mut reader = Reader {
        context,
        conditions: Vec::new(),
        all_projects: false,
        deleted: None,
        soft_deleted: None,
        changed_since: None,
        changed_before: None,
        vm_states: Vec::new(),
        task_states: Vec::new(),
        ids: Vec::new(),
        addresses: Vec::new(),
        void: false,
    };
    for (name, value) in &context.request.query {
        if is_internal(name) {
            return Err(Fault::bad_request(format!("Invalid filter field: {name}.")));
        }
        let version_knows = match name.as_str() {
            "changes-before" => context.since(66),
            "locked" => context.since(73),
            _ => true,
        };
        let in_the_rules = context.rules.filters_for_all.contains(&name.as_str());
        if in_the_rules || (version_knows && (context.admin() || for_everybody(context, name))) {
            reader.read(name, value)?;
        }
    }
    reader.read_status()?;
    reader.finish()
}

impl<C> Reader<'_, '_, C> {
    fn put(&mut self, condition: Condition) {
        self.conditions.retain(|known| known.field != condition.field || known.test != condition.test);
        self.conditions.push(condition);
    }

    fn put_all(&mut self, conditions: impl IntoIterator<Item = Condition>) {
        conditions.into_iter().for_each(|condition| self.put(condition));
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        if let Some((_, field)) = TEXTS.iter().find(|(known, _)| *known == name) {
            self.put(is(field, value));
            return Ok(());
        }
        let is_fuzzy = self.context.rules.fuzzy_filters;
        match name {
            // Upstream takes a regular expression; the vendor a part of the name.
            "name" | "display_name" if is_fuzzy => self.put(part("name", [value])),
            "name" | "display_name" => self.put(pattern("name", [value])),
            "flavor" if is_fuzzy => self.put(part_any_case("flavor-id", value)),
            "flavor" => self.put(is("flavor-id", value)),
            "uuid" => self.ids.push(value.to_owned()),
            "ip" => self.read_address(value, "4"),
            "ip6" => self.read_address(value, "6"),
            "locked" => self.put(is("locked", flag(name, value)?)),
            "config_drive" => self.put(is("config-drive", !value.is_empty() && flag(name, value)?)),
            "launch_index" => self.put(is("launch-index", number::<u32>(name, value)?)),
            "progress" => self.put(is("progress", number::<u8>(name, value)?)),
            "power_state" => self.read_power_state(number(name, value)?),
            "created_at" => self.put_all(within("created-at", time::second_of(span(name, value)?.0))),
            "launched_at" => self.put_all(within("launched-at", span(name, value)?)),
            "terminated_at" => self.put_all(within("terminated-at", span(name, value)?)),
            "locked_by" => match value {
                "owner" => self.put(is("locked-by", "owner")),
                "admin" => self.put(is("locked-by", "operator")),
                other => self.void |= !other.is_empty(),
            },
            // Every server has the same of these here: no kernel of its own, its system disk as the first one.
            "kernel_id" | "ramdisk_id" => self.void |= !value.is_empty(),
            "root_device_name" => self.void |= value != ROOT_DEVICE,
            "changes-since" => self.changed_since = Some(span(name, value)?),
            // The time of a server's last change is shown in whole seconds.
            "changes-before" => self.changed_before = Some(time::second_of(span(name, value)?.0)),
            "all_tenants" => self.all_projects = value.is_empty() || flag(name, value)?,
            "deleted" => self.deleted = Some(boolean_text(value).unwrap_or(false)),
            "soft_deleted" => self.soft_deleted = Some(boolean_text(value).unwrap_or(false)),
            "vm_state" => match vm_of_word(value) {
                Some(state) => self.vm_states.push(state),
                None => self.void = true,
            },
            "task_state" => match task_of_word(value) {
                Some(state) => self.task_states.push(state),
                None => self.void = true,
            },
            "tags" => self.read_tags(all_of, value),
            "tags-any" => self.read_tags(any_of, value),
            "not-tags" => self.read_tags(not_all_of, value),
            "not-tags-any" => self.read_tags(none_of, value),
            // Every filter that Nova knows and the core doesn't.
            other if is_listed(LIST, other) => return Err(refuse(LIST, other)),
            _ => {}
        }
        Ok(())
    }

    fn read_tags(&mut self, test: fn(&str, Vec<String>) -> Condition, value: &str) {
        let tags: Vec<String> = value.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
        if !tags.is_empty() {
            self.put(test("tags", tags));
        }
    }

    /// Upstream searches addresses by a regular expression from their beginning on, the vendor looks for a part. Of both
    /// versions' filters one must find something.
    fn read_address(&mut self, value: &str, version: &str) {
        if let Some(at) = self.addresses.iter().step_by(2).position(|known| known == version) {
            self.addresses.drain(2 * at..2 * at + 2);
        }
        self.addresses.extend([version.to_owned(), value.to_owned()]);
    }

    /// Those of the core's states that the dialect shows with this number.
    fn read_power_state(&mut self, number: u64) {
        let shown = |state: &PowerState| self.context.rules.power_state(*state) == number;
        let words: Vec<&str> = POWER_STATES.into_iter().filter(shown).map(power_state).collect();
        self.void |= words.is_empty();
        self.put(any_of("power-state", words));
    }

    fn read_status(&mut self) -> Result<(), Fault> {
        let words: Vec<String> = self.context.query().all("status").map(str::to_uppercase).collect();
        if words.is_empty() {
            return Ok(());
        }
        let known: Vec<String> =
            words.into_iter().filter(|word| self.context.rules.statuses.contains(&word.as_str())).collect();
        if known.is_empty() && self.context.since(38) {
            return Err(Fault::bad_request("Invalid status value"));
        }
        let Wanted { vm_states, task_states } = wanted(&known);
        if vm_states.is_empty() {
            self.void = true;
        }
        self.vm_states = vm_states;
        if !task_states.is_empty() {
            self.task_states = task_states;
        }
        Ok(())
    }

    /// Whether the bin's servers and the deleted ones are meant; none: as the core does by itself.
    fn life(&self) -> Option<&'static [&'static str]> {
        match (self.vm_states.as_slice(), self.deleted, self.soft_deleted) {
            ([VmState::Deleted], ..) | (_, Some(true), Some(false)) => Some(&["deleted"]),
            ([VmState::SoftDeleted], ..) => Some(&["recycled"]),
            (_, Some(true), _) if !self.context.admin() => Some(&["recycled"]),
            (_, Some(true), _) => Some(&["recycled", "deleted"]),
            (_, _, Some(true)) => Some(&["living", "recycled"]),
            (_, Some(false), _) => Some(&["living"]),
            _ => None,
        }
    }

    fn finish(mut self) -> Result<Option<Vec<Condition>>, Fault> {
        let life = self.life();
        let mut conditions = std::mem::take(&mut self.conditions);
        conditions.extend(changed(self.changed_since, self.changed_before)?);
        if !self.ids.is_empty() {
            conditions.push(any_of("id", self.ids));
        }
        if !self.addresses.is_empty() {
            let test = if self.context.rules.fuzzy_filters { part } else { pattern };
            conditions.push(test("addresses", self.addresses));
        }
        // One project among all is meant, or the caller's own.
        if self.all_projects {
            conditions.push(is("all-projects", true));
        } else if !self.context.sees_projects() {
            conditions.retain(|condition| condition.field != "project-id");
        }
        if let Some(words) = life {
            if words.contains(&"deleted") && !self.context.admin() {
                return Err(Fault::new(403, "Only administrators may list deleted instances"));
            }
            conditions.push(any_of("life", words));
        }
        if !self.vm_states.is_empty() {
            conditions.push(any_of("vm-state", self.vm_states.into_iter().map(vm_state)));
        }
        if !self.task_states.is_empty() {
            conditions.push(any_of("task-state", self.task_states.into_iter().map(task_state)));
        }
        Ok((!self.void).then_some(conditions))
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Fault> {
    boolean_text(value)
        .ok_or_else(|| Fault::bad_request(format!("Invalid value '{value}' for {name}: it is no boolean")))
}

/// The first and the last moment that are meant.
pub(crate) fn span(name: &str, value: &str) -> Result<(i64, i64), Fault> {
    time::parse_span(value).ok_or_else(|| {
        Fault::bad_request(format!(
            "Invalid input for query parameters {name}. Value: {value}. '{value}' is not a 'date-time'"
        ))
    })
}

/// From the first moment to the last.
fn within(field: &str, (first, last): (i64, i64)) -> [Condition; 2] {
    [from(field, first), before(field, last.saturating_add(1))]
}

pub(crate) fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Fault> {
    value.parse().map_err(|_| Fault::bad_request(format!("Invalid value '{value}' for {name}: it is no number")))
}
