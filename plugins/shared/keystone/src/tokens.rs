//! Tokens: what a login asks for, and what a token says.

use serde_json::{Map, Value, json};
use skyloom_sdk::cloud::identity::{
    DomainRef, Login, Named, NamedRef, PasswordLogin, Placed, Scope, ScopeRequest, Service, TokenInfo,
};
use skyloom_sdk::query::Query;
use skyloom_sdk::{Error, ErrorCode, Identity, Request, Response, respond, time};

use crate::bodies::Body;
use crate::{Answer, Fault};

const SUBJECT: &str = "X-Subject-Token";

pub fn issue<C: Identity>(cloud: &C, request: &Request) -> Answer {
    issue_of(cloud, request, &read_login(request)?, |_| {})
}

/// What the body asks for.
pub fn read_login(request: &Request) -> Result<Login, Fault> {
    let auth = Body::read(request, "auth")?;
    login(&Value::Object(auth.fields().object("identity")?.clone()), auth.fields().value("scope"))
}

/// Issues what `login` asks for; `touch` changes what the answer says of the token.
pub fn issue_of<C: Identity>(
    cloud: &C,
    request: &Request,
    login: &Login,
    touch: impl FnOnce(&mut TokenInfo),
) -> Answer {
    let mut issued = cloud.authenticate(login)?;
    touch(&mut issued.info);
    Ok(token(request, 201, &issued.info, &issued.token))
}

pub fn validate<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let subject = subject(request)?;
    let info = cloud.validate_token(subject).map_err(not_valid)?;
    Ok(token(request, 200, &info, subject))
}

pub fn revoke<C: Identity>(cloud: &C, request: &Request) -> Answer {
    cloud.revoke_token(subject(request)?).map_err(not_valid)?;
    Ok(respond::empty(204))
}

/// The handle of the token that is asked about.
fn subject(request: &Request) -> Result<&str, Fault> {
    respond::header(request, "x-subject-token").filter(|handle| !handle.is_empty()).ok_or_else(|| {
        Fault::bad_request("The X-Subject-Token header is missing: it names the token that the request is about.")
    })
}

fn not_valid(error: Error) -> Fault {
    match error.code {
        ErrorCode::NotFound => Fault::new(404, "Failed to validate token"),
        _ => error.into(),
    }
}

fn login(identity: &Value, scope: Option<&Value>) -> Result<Login, Fault> {
    let methods =
        identity.get("methods").and_then(Value::as_array).ok_or_else(|| Fault::missing("methods", "identity"))?;
    let methods: Vec<String> =
        methods
            .iter()
            .map(|method| method.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| Fault::bad_request("Invalid input for field 'identity/methods': is not of type 'string'"))?;
    if let Some(method) = methods.iter().find(|method| identity.get(method.as_str()).is_none()) {
        return Err(Fault::missing(method, "identity"));
    }
    let mut login = Login { methods, password: None, token: None, scope: self::scope(scope)? };
    for method in &login.methods {
        let part = identity.get(method);
        match method.as_str() {
            "password" => login.password = Some(password(part.ok_or_else(|| Fault::missing("password", "identity"))?)?),
            "token" => {
                let id = part.and_then(|part| part.get("id")).and_then(Value::as_str);
                login.token = Some(id.ok_or_else(|| Fault::missing("id", "token"))?.to_owned());
            }
            _ => return Err(Fault::new(401, "Attempted to authenticate with an unsupported method.")),
        }
    }
    Ok(login)
}

fn password(part: &Value) -> Result<PasswordLogin, Fault> {
    let user = part.get("user").ok_or_else(|| Fault::missing("user", "password"))?;
    let password = user.get("password").and_then(Value::as_str).ok_or_else(|| Fault::missing("password", "user"))?;
    Ok(PasswordLogin { user: reference(user, "identity/password/user")?, password: password.to_owned() })
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// By id or by name; a name wins over an id beside it.
fn by_name_or_id(value: &Value, path: &str) -> Result<DomainRef, Fault> {
    match (text(value, "id"), text(value, "name")) {
        (None, None) => Err(Fault::bad_request(format!("Invalid input for field {path}: id or name must be present."))),
        (_, Some(name)) if !name.is_empty() => Ok(DomainRef { id: None, name: Some(name) }),
        (id, _) => Ok(DomainRef { id: id.or_else(|| Some(String::new())), name: None }),
    }
}

/// By id, or by name and domain; a domain beside an id means nothing, but has to be well formed.
fn reference(value: &Value, path: &str) -> Result<NamedRef, Fault> {
    let DomainRef { id, name } = by_name_or_id(value, path)?;
    let domain = value.get("domain").map(|value| by_name_or_id(value, &format!("{path}/domain"))).transpose()?;
    match id {
        Some(_) => Ok(NamedRef { id, name, domain: None }),
        None if domain.is_some() => Ok(NamedRef { id, name, domain }),
        None => Err(Fault::missing("domain", path.rsplit('/').next().unwrap_or(path))),
    }
}

/// Upstream's kinds of a scope; one that it doesn't know says nothing.
const SCOPES: &[&str] = &["system", "project", "domain", "OS-TRUST:trust", "unscoped"];

fn scope(scope: Option<&Value>) -> Result<ScopeRequest, Fault> {
    let malformed = || Fault::missing("system, project, domain, OS-TRUST:trust or unscoped", "scope");
    let scope = match scope {
        None | Some(Value::Null) => return Ok(ScopeRequest::Unspecified),
        Some(Value::String(word)) if word == "unscoped" => return Ok(ScopeRequest::Unscoped),
        Some(Value::Object(scope)) => scope,
        Some(_) => return Err(malformed()),
    };
    let mut kinds = SCOPES.iter().filter_map(|kind| Some((*kind, scope.get(*kind)?)));
    let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else { return Err(malformed()) };
    match kind {
        "unscoped" => Ok(ScopeRequest::Unscoped),
        "project" => reference(value, "scope/project").map(ScopeRequest::Project),
        "domain" => by_name_or_id(value, "scope/domain").map(ScopeRequest::Domain),
        "system" if value.get("all") == Some(&Value::Bool(true)) => Ok(ScopeRequest::System),
        "system" => Err(Fault::missing("all", "system")),
        _ => Err(Fault::not_implemented(&format!("a scope of '{kind}'"))),
    }
}

/// The answer that tells a token; its value stands in a header, which the host fills in.
fn token(request: &Request, status: u16, info: &TokenInfo, handle: &str) -> Response {
    let with_catalog = !Query(&request.query).has("nocatalog");
    let response = crate::json(status, &json!({"token": view(info, with_catalog)}));
    respond::with_header(respond::with_header(response, SUBJECT, handle), "Vary", "X-Auth-Token")
}

fn named(named: &Named) -> Value {
    json!({"id": named.id, "name": named.name})
}

fn placed(placed: &Placed) -> Value {
    json!({"id": placed.id, "name": placed.name, "domain": named(&placed.domain)})
}

/// A service with its endpoints, as it stands in a token.
pub fn service(service: &Service) -> Value {
    json!({
        "id": service.id,
        "type": service.kind,
        "name": service.name,
        "endpoints": service.endpoints.iter().map(|endpoint| json!({
            "id": endpoint.id,
            "interface": endpoint.interface,
            "region": endpoint.region,
            "region_id": endpoint.region,
            "url": endpoint.url,
        })).collect::<Vec<_>>(),
    })
}

fn view(info: &TokenInfo, with_catalog: bool) -> Value {
    let mut token = Map::new();
    let mut put = |name: &str, value: Value| token.insert(name.to_owned(), value);
    let mut user = placed(&info.user);
    user["password_expires_at"] = Value::Null;
    put("methods", json!(info.methods));
    put("user", user);
    put("audit_ids", json!(info.audit_ids));
    put("issued_at", json!(time::micros_z(info.issued_at)));
    put("expires_at", json!(time::micros_z(info.expires_at)));
    match &info.scope {
        Scope::Unscoped => return Value::Object(token),
        Scope::Project(project) => {
            put("project", placed(project));
            put("is_domain", json!(info.is_domain));
        }
        Scope::Domain(domain) => {
            put("domain", named(domain));
        }
        Scope::System => {
            put("system", json!({"all": true}));
        }
    }
    put("roles", info.roles.iter().map(named).collect());
    if with_catalog {
        put("catalog", info.catalog.iter().map(service).collect());
    }
    Value::Object(token)
}
