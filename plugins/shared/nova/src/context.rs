//! What every handler has at hand.

use serde_json::{Map, Value};
use skyloom_sdk::query::Query;
use skyloom_sdk::{Request, Response, json, respond};

use crate::errors::Fault;
use crate::microversions::{LEGACY, minor_of};
use crate::rules::Rules;
use crate::views::Links;

pub type Answer = Result<Response, Fault>;

pub struct Context<'a, C> {
    pub cloud: &'a C,
    pub request: &'a Request,
    pub rules: &'static Rules,
    /// The microversion 2.`minor`; 1 on `/v2`.
    pub minor: u32,
    /// The request came to `/v2`, which has no microversions and overlooks what it doesn't know.
    pub legacy: bool,
    pub links: Links,
}

impl<'a, C> Context<'a, C> {
    pub fn new(cloud: &'a C, rules: &'static Rules, request: &'a Request) -> Self {
        let legacy = request.path == "/v2" || request.path.starts_with("/v2/");
        let project = respond::param(request, "project_id");
        Self {
            cloud,
            request,
            rules,
            minor: if legacy { LEGACY } else { minor_of(request.version) },
            legacy,
            links: Links::new(&request.base_url, if legacy { "/v2" } else { "/v2.1" }, project),
        }
    }

    /// Whether the request's microversion is 2.`minor` or later.
    pub fn since(&self, minor: u32) -> bool {
        self.minor >= minor
    }

    pub fn param(&self, name: &str) -> &'a str {
        respond::param(self.request, name)
    }

    pub fn query(&self) -> Query<'a> {
        Query(&self.request.query)
    }

    /// Whether the caller is an operator. For what an answer shows; the core decides what is allowed.
    pub fn admin(&self) -> bool {
        self.request.caller.as_ref().is_some_and(|caller| caller.admin)
    }

    /// Whether the caller's token is for more than one project: a manager's for a domain.
    pub fn sees_projects(&self) -> bool {
        self.request.caller.as_ref().is_some_and(|caller| caller.project_id.is_none())
    }

    /// The caller's project.
    pub fn project(&self) -> &'a str {
        self.request.caller.as_ref().and_then(|caller| caller.project_id.as_deref()).unwrap_or_default()
    }

    /// The body, which must be an object.
    pub fn body(&self) -> Result<Map<String, Value>, Fault> {
        json::parse_object(&self.request.body).map_err(Fault::from)
    }

    /// The object that stands in the body under this name.
    pub fn body_member(&self, name: &str) -> Result<Map<String, Value>, Fault> {
        match self.body()?.remove(name) {
            Some(Value::Object(member)) => Ok(member),
            Some(_) => Err(Fault::invalid_type(name, "object")),
            None => Err(Fault::bad_request(format!("'{name}' is a required property"))),
        }
    }
}
