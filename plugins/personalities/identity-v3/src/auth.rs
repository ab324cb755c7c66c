//! Tokens: what a login asks for, and what a token says.

use serde_json::{Map, Value, json};
use skyloom_sdk::cloud::identity::{
    DomainRef, Login, Named, NamedRef, PasswordLogin, Placed, Scope, ScopeRequest, TokenInfo,
};
use skyloom_sdk::{Error, ErrorCode, Identity, Request, Response, respond, time};

use crate::bodies::Body;
use crate::{Answer, Fault, catalog, lists};

const SUBJECT: &str = "X-Subject-Token";

pub fn issue<C: Identity>(cloud: &C, request: &Request) -> Answer {
    let auth = Body::read(request, "auth")?;
    let login = login(&Value::Object(auth.fields().object("identity")?.clone()), auth.fields().value("scope"))?;
    let issued = cloud.authenticate(&login)?;
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

fn domain(value: &Value, path: &str) -> Result<DomainRef, Fault> {
    let reference = DomainRef { id: text(value, "id"), name: text(value, "name") };
    if reference.id.is_none() && reference.name.is_none() {
        return Err(Fault::bad_request(format!("Invalid input for field {path}: id or name must be present.")));
    }
    Ok(reference)
}

/// By id, or by name and domain.
fn reference(value: &Value, path: &str) -> Result<NamedRef, Fault> {
    let DomainRef { id, name } = domain(value, path)?;
    let domain = value.get("domain").map(|value| domain(value, &format!("{path}/domain"))).transpose()?;
    if id.is_none() && domain.is_none() {
        return Err(Fault::bad_request(format!("Invalid input for field {path}: domain must be present.")));
    }
    Ok(NamedRef { id, name, domain })
}

fn scope(scope: Option<&Value>) -> Result<ScopeRequest, Fault> {
    let malformed = || Fault::missing("project, domain, system, OS-TRUST:trust or unscoped", "scope");
    let scope = match scope {
        None | Some(Value::Null) => return Ok(ScopeRequest::Unspecified),
        Some(Value::String(word)) if word == "unscoped" => return Ok(ScopeRequest::Unscoped),
        Some(Value::Object(scope)) => scope,
        Some(_) => return Err(malformed()),
    };
    let mut members = scope.iter();
    let (Some((kind, value)), None) = (members.next(), members.next()) else { return Err(malformed()) };
    match kind.as_str() {
        "unscoped" => Ok(ScopeRequest::Unscoped),
        "project" => reference(value, "scope/project").map(ScopeRequest::Project),
        "domain" => domain(value, "scope/domain").map(ScopeRequest::Domain),
        "system" if value.get("all") == Some(&Value::Bool(true)) => Ok(ScopeRequest::System),
        "system" => Err(Fault::missing("all", "system")),
        "OS-TRUST:trust" => Err(Fault::not_implemented()),
        _ => Err(malformed()),
    }
}

/// The answer that tells a token; its value stands in a header, which the host fills in.
fn token(request: &Request, status: u16, info: &TokenInfo, handle: &str) -> Response {
    let with_catalog = !lists::query(request).has("nocatalog");
    let response = crate::json(status, &json!({"token": view(info, with_catalog)}));
    respond::with_header(respond::with_header(response, SUBJECT, handle), "Vary", "X-Auth-Token")
}

fn named(named: &Named) -> Value {
    json!({"id": named.id, "name": named.name})
}

fn placed(placed: &Placed) -> Value {
    json!({"id": placed.id, "name": placed.name, "domain": named(&placed.domain)})
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
        put("catalog", info.catalog.iter().map(catalog::entry).collect());
    }
    Value::Object(token)
}
