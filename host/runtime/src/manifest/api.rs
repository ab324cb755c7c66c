//! The part of a manifest that only personalities have: `[api]` and the operations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_model::{Action, Least};

use super::{ApiVersion, Map, Signature};

/// `[api]`: what holds for all operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Api {
    /// Entry in the service catalogue; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<CatalogService>,
    /// Appended to the mount's public URL in the catalogue; `{project_id}` is filled in.
    #[serde(default)]
    pub endpoint_path: String,
    /// Header that carries the token.
    #[serde(default = "default_token_header")]
    pub token_header: String,
    /// Word before the token in that header, e.g. `Bearer` in `Authorization: Bearer TOKEN`; clients may write it in either case.
    /// Left out: the header is the token and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_scheme: Option<String>,
    /// Requests may also be signed with an access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Set on every answer.
    #[serde(default)]
    pub request_id_headers: Vec<String>,
    /// Largest body of an operation that isn't a stream.
    #[serde(default = "default_max_body_kib")]
    pub max_body_kib: u32,
    /// An empty segment of a path, a slash at its end too, is one that no route has, but for those whose template ends with a
    /// slash; otherwise it doesn't count.
    #[serde(default)]
    pub strict_slashes: bool,
    /// Path parameter that must be the caller's project; for a token of a domain it is the project that is acted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_param: Option<String>,
    /// Header that must name the caller's project where a request has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    /// The vendor's names of permissions that no operation has for itself, because others depend on them: each with the neutral
    /// action that it means.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub rules: Map<String>,
    /// How the host words its own refusals.
    #[serde(default)]
    pub errors: ApiErrors,
}

fn default_token_header() -> String {
    "X-Auth-Token".to_owned()
}

fn default_max_body_kib() -> u32 {
    1024
}

/// An entry of the service catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CatalogService {
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// Other types that clients look it up by: the catalogue has an entry for each, of the same name and endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// `[api.versioning]`: how a client chooses the version of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Versioning {
    /// The first one that a request has decides.
    pub headers: Vec<VersioningHeader>,
    /// Without a header.
    pub default: ApiVersion,
    pub min: ApiVersion,
    /// `latest` means this one.
    pub max: ApiVersion,
    /// The host sets the headers and `Vary` on the answers.
    #[serde(default)]
    pub echo: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VersioningHeader {
    pub name: String,
    /// The value is `<prefix> <version>`; a header with another prefix says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// `[api.errors]`: refusals that the host makes itself. In `body` (JSON-escaped) and in header values
/// [`super::PLACEHOLDERS`] are filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApiErrors {
    pub content_type: String,
    pub body: String,
    /// What a caller is told whom the policy refuses an operation: `{rule}` is the operation's. Left out, or where an operation has
    /// none: the host's own sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forbidden: Option<String>,
    /// Other forms for clients that accept them, the preferred ones first. What an override words has its one form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<ErrorForm>,
    /// By error code (`rate-limited`), host refusal (see [`super::HOST_REFUSALS`]) or status (`404`); the
    /// first two win over the status.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub overrides: Map<RefusalOverride>,
}

impl Default for ApiErrors {
    fn default() -> Self {
        Self {
            content_type: "application/json".to_owned(),
            body: r#"{"error":{"code":{status},"message":"{message}","title":"{title}"}}"#.to_owned(),
            forbidden: None,
            forms: Vec::new(),
            overrides: Map::new(),
        }
    }
}

/// A form of errors, `[[api.errors.forms]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ErrorForm {
    /// The media type that a client accepts, e.g. `text/html`.
    pub accept: String,
    pub content_type: String,
    pub body: String,
}

/// What an override changes; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RefusalOverride {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyKind {
    /// Not read.
    None,
    Json,
    /// Bytes that the host stores; they never pass through the sandbox.
    Stream,
}

/// `[[operation]]`: one thing that the personality serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Operation {
    /// Unique in the plugin, e.g. `servers.create`; the guest is told it.
    pub id: String,
    pub method: Method,
    /// Templates below the mount, e.g. `/servers/{server_id}`; a parameter fills a whole segment. `/..` is the mount's
    /// parent, for version documents.
    pub paths: Vec<String>,
    /// What the policy decides about: a neutral action, or one of the plugin's own.
    #[schemars(schema_with = "action_schema")]
    pub action: String,
    /// The vendor's own name of the permission: for its words, and for rules of roles; the guest is told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What a caller must be allowed beside `action` where the mount says `dependent-actions`: the vendor's names, from `[api.rules]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Status codes of success, the usual one first.
    pub success: Vec<u16>,
    /// Left out: `none` for GET, HEAD, DELETE and OPTIONS, else `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyKind>,
    /// Media types of the body, without parameters, one of which a request must name; empty: `application/json` for JSON, which
    /// needn't be named, any for a stream. Another one is refused with 415.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content_types: Vec<String>,
    /// On endpoints that several operations share: the one top-level key of the JSON body that selects this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_key: Option<String>,
    /// File of the body's JSON schema, relative to `plugin.toml`; what it finds reaches the guest as violations. Its members may say
    /// for which versions they hold (`x-min`, `x-max`, `x-required`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// JSON pointers whose string values become handles before the guest sees the body. A segment `*` stands for every
    /// element or member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_headers: Vec<String>,
    /// JSON pointers of the answer where a handle is replaced by its value; `*` as in `secrets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_secrets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_secret_headers: Vec<String>,
    /// The route exists from this version on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_version: Option<ApiVersion>,
    /// The route exists up to this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_version: Option<ApiVersion>,
    /// Ids in the shared catalogue, for the coverage report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub catalog: Vec<String>,
}

/// `[[action]]`: something that the policy decides about which the core doesn't know, for what only this plugin has. Operations
/// and rules of roles name it with the plugin's id before it, so that it is never taken for one of the core's:
/// `<plugin>:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OwnAction {
    /// A resource and a verb, e.g. `reports:read`.
    pub name: String,
    pub least: OwnLeast,
    /// For the operator who writes rules.
    pub description: String,
}

impl OwnAction {
    pub fn word(&self, plugin: &str) -> String {
        format!("{plugin}:{}", self.name)
    }
}

/// What a caller needs at least where no rule of a role says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OwnLeast {
    /// Any valid token.
    Authenticated,
    /// Role `reader` in the project of the token, or `manager` of its domain.
    Reader,
    /// Role `member` in the project of the token, or `manager` of its domain.
    Member,
    /// Role `manager` of the token's domain.
    Manager,
    /// An operator of the cloud.
    Operator,
}

impl From<OwnLeast> for Least {
    fn from(least: OwnLeast) -> Self {
        match least {
            OwnLeast::Authenticated => Self::Authenticated,
            OwnLeast::Reader => Self::Reader,
            OwnLeast::Member => Self::Member,
            OwnLeast::Manager => Self::Manager,
            OwnLeast::Operator => Self::Operator,
        }
    }
}

impl Operation {
    pub fn body(&self) -> BodyKind {
        self.body.unwrap_or(match self.method {
            Method::Get | Method::Head | Method::Delete | Method::Options => BodyKind::None,
            Method::Post | Method::Put | Method::Patch => BodyKind::Json,
        })
    }

    /// Whether the route exists at this version; always without versioning.
    pub fn exists_at(&self, version: Option<ApiVersion>) -> bool {
        version.is_none_or(|version| within(version, self.min_version, self.max_version))
    }
}

pub(crate) fn within(version: ApiVersion, min: Option<ApiVersion>, max: Option<ApiVersion>) -> bool {
    min.is_none_or(|min| version >= min) && max.is_none_or(|max| version <= max)
}

fn action_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let texts: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    schemars::json_schema!({ "anyOf": [
        { "type": "string", "enum": texts },
        { "type": "string", "pattern": "^[a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+$" },
    ] })
}
