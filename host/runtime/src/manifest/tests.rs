use super::super::*;
use super::template;

const GOOD: &str = r#"
manifest = 1
id = "face"
version = "0.1.0"
kind = "personality"
contract = "0.1"
description = "A face."
license = "Apache-2.0"

[[capability]]
name = "compute"
reason = "servers"

[limits]
memory-mib = 32

[config]
schema = { type = "object" }

[api]
service = { type = "compute", name = "compute" }
request-id-headers = ["X-Request-Id"]
project-param = "project_id"
[api.versioning]
headers = [{ name = "X-Version", prefix = "compute" }]
default = "2.1"
min = "2.1"
max = "2.96"
echo = true
[api.errors]
content-type = "application/json"
body = '{"error":{"code":{status},"message":"{message}"}}'
[[api.errors.forms]]
accept = "text/html"
content-type = "text/html"
body = "<p>{title}</p>"
[api.errors.overrides.rate-limited]
status = 413
headers = { "Retry-After" = "1" }

[[operation]]
id = "servers.create"
method = "POST"
paths = ["/servers", "/{project_id}/servers"]
action = "servers:create"
success = [202]
schema = "schemas/a.json"
secrets = ["/server/adminPass"]

[[operation]]
id = "servers.start"
method = "POST"
paths = ["/servers/{server_id}/action"]
action = "servers:start"
success = [202]
body-key = "os-start"

[[operation]]
id = "servers.stop"
method = "POST"
paths = ["/servers/{id}/action"]
action = "servers:start"
success = [202]
body-key = "os-stop"
"#;

/// The defects of the good manifest after one replacement.
fn after(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "the test replaces what isn't there: {from}");
    Manifest::parse(&GOOD.replacen(from, to, 1)).err().map_or_else(Vec::new, |defects| defects.0)
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = Manifest::parse(GOOD).unwrap();
    assert_eq!(manifest.operations.len(), 3);
    let create = manifest.operation("servers.create").unwrap();
    assert_eq!(create.body(), BodyKind::Json);
    assert_eq!(manifest.permission(create), Some(skyloom_model::Action::ServersCreate.into()));
    assert_eq!(manifest.schema_files(), ["schemas/a.json"]);
    let api = manifest.api.unwrap();
    assert_eq!(api.token_header, "X-Auth-Token");
    assert_eq!(api.max_body_kib, 1024);
}

#[test]
fn an_action_of_the_plugins_own_has_the_plugins_name_before_it() {
    let own = "\n[[action]]\nname = \"machines:make\"\nleast = \"manager\"\ndescription = \"Makes machines.\"\n";
    let text = GOOD.replacen("\"servers:create\"", "\"face:machines:make\"", 1) + own;
    let manifest = Manifest::parse(&text).unwrap();
    let asked = manifest.permission(manifest.operation("servers.create").unwrap()).unwrap();
    assert_eq!((asked.word.as_ref(), asked.least), ("face:machines:make", skyloom_model::Least::Manager));
    let words = manifest.vocabulary();
    assert!(words.contains(&("face:machines:make".to_owned(), "face:machines:make".to_owned())), "{words:?}");
    for (from, to, expected) in [
        (
            "name = \"machines:make\"",
            "name = \"make\"",
            "action `make`: a name is a resource and a verb, e.g. `reports:read`",
        ),
        ("face:machines:make", "machines:make", "operation `servers.create`: action `machines:make` is unknown"),
        (
            "face:machines:make",
            "other:machines:make",
            "operation `servers.create`: action `other:machines:make` is unknown",
        ),
        (
            "face:machines:make",
            "servers:create",
            "action `machines:make`: no operation has it; they name it `face:machines:make`",
        ),
    ] {
        let defects = Manifest::parse(&text.replacen(from, to, 1)).unwrap_err().0;
        assert!(defects.iter().any(|defect| defect == expected), "{to}: {defects:?}");
    }
}

#[test]
fn a_vendors_names_of_permissions_mean_actions() {
    let text =
        GOOD.replacen("[api]\n", "[api]\nrules = { \"acme:addresses:make\" = \"public-addresses:create\" }\n", 1);
    let words = Manifest::parse(&text).unwrap().vocabulary();
    assert_eq!(words, [("acme:addresses:make".to_owned(), "public-addresses:create".to_owned())]);
    let defects = Manifest::parse(&text.replacen("public-addresses:create", "addresses:make", 1)).unwrap_err().0;
    assert_eq!(defects, ["[api.rules] `acme:addresses:make`: action `addresses:make` is unknown"]);
    let dependent =
        |rule: &str| text.replacen("[[operation]]\n", &format!("[[operation]]\nrequires = [\"{rule}\"]\n"), 1);
    assert!(Manifest::parse(&dependent("acme:addresses:make")).is_ok());
    let defects = Manifest::parse(&dependent("acme:addresses:look")).unwrap_err().0;
    assert_eq!(defects, ["operation `servers.create`: requires `acme:addresses:look`, which [api.rules] lacks"]);
}

#[test]
fn each_defect_has_one_line() {
    let cases = [
        ("manifest = 1", "manifest = 2", "manifest = 2 is not served; this host reads 1"),
        ("id = \"face\"", "id = \"Face\"", "id `Face`"),
        ("contract = \"0.1\"", "contract = \"7.0\"", "contract `7.0` is not served; this host serves 0.1"),
        ("license =", "licence =", "licence: there is no such key"),
        (
            "kind = \"personality\"",
            "kind = \"thing\"",
            "kind: there is no `thing`; known are personality, driver, tariff",
        ),
        ("name = \"compute\"\nreason", "name = \"teleport\"\nreason", "[[capability]] name: there is no `teleport`"),
        ("reason = \"servers\"", "reason = \" \"", "capability `compute` needs a reason"),
        ("name = \"compute\"\nreason", "name = \"libvirt\"\nreason", "capability `libvirt` is not for a personality"),
        ("name = \"compute\"\nreason", "name = \"http\"\nreason", "capability `http` needs labels"),
        ("reason = \"servers\"", "reason = \"servers\"\nlabels = { a = \"b\" }", "capability `compute` has no labels"),
        (
            "name = \"compute\"\nreason = \"servers\"",
            "name = \"http\"\nreason = \"r\"\nlabels = { A = \"b\" }",
            "label `A`: 1 to 64 lower-case letters, digits and `-`, beginning with a letter",
        ),
        (
            "name = \"compute\"\nreason = \"servers\"",
            "name = \"http\"\nreason = \"r\"\nlabels = { a = \"\" }",
            "label `a` needs a reason",
        ),
        ("memory-mib = 32", "memory-mb = 32", "[limits] memory-mb: there is no such key"),
        ("\"X-Request-Id\"", "\"X Request\"", "request-id-headers: `X Request` is no header name"),
        ("[api]", "[api]\ntoken-scheme = \"Bearer \"", "token-scheme `Bearer ` is no word"),
        ("[api]", "[api]\ntoken-header = \"authorization\"", "token-header `Authorization` needs a token-scheme"),
        ("default = \"2.1\"", "default = \"2.0\"", "versioning: min 2.1 <= default 2.0 <= max 2.96 does not hold"),
        ("max = \"2.96\"", "max = \"latest\"", "`latest` is not a version"),
        ("{message}", "{mesage}", "errors.body: placeholder {mesage} is unknown"),
        ("[[api.errors.forms]]", "forbidden = \"no\"\n[[api.errors.forms]]", "{rule} stands nowhere in it"),
        ("accept = \"text/html\"", "accept = \"html\"", "errors.forms of html: accept is a media type"),
        ("<p>{title}", "<p>{titel}", "errors.forms of text/html: placeholder {titel} is unknown"),
        ("overrides.rate-limited", "overrides.rate", "errors.overrides.rate is neither"),
        ("status = 413", "status = 200", "errors.overrides.rate-limited: status must be 400 to 599"),
        ("\"servers:create\"", "\"servers:make\"", "operation `servers.create`: action `servers:make` is unknown"),
        ("success = [202]", "success = [404]", "operation `servers.create`: success needs status codes"),
        ("\"/servers\",", "\"servers\",", "operation `servers.create`: path `servers`: must begin with `/`"),
        ("\"servers.stop\"", "\"servers.start\"", "operation `servers.start` stands twice"),
        (
            "body-key = \"os-stop\"",
            "body-key = \"os-start\"",
            "operations `servers.start` and `servers.stop` claim POST /servers/{id}/action",
        ),
        ("body-key = \"os-stop\"", "", "only one of them has a body-key"),
        ("method = \"POST\"", "method = \"GET\"", "operation `servers.create`: a schema and secrets need a JSON body"),
        ("\"/server/adminPass\"", "\"adminPass\"", "operation `servers.create`: `adminPass` is no JSON pointer"),
        ("schemas/a.json", "../a.json", "schema `../a.json` must lie below the manifest's folder"),
    ];
    for (from, to, line) in cases {
        let defects = after(from, to);
        assert_eq!(defects.len(), 1, "{to}: {defects:?}");
        assert!(defects[0].contains(line), "{to}: {}", defects[0]);
        assert!(!defects[0].contains('\n'));
    }
}

#[test]
fn all_defects_come_at_once() {
    let text = GOOD.replace("\"servers:start\"", "\"power\"").replace("memory-mib = 32", "");
    assert_eq!(Manifest::parse(&text).unwrap_err().0.len(), 2);
}

#[test]
fn one_route_may_change_its_operation_with_the_version() {
    let split = GOOD
        .replace("body-key = \"os-start\"", "body-key = \"os-start\"\nmax-version = \"2.50\"")
        .replace("body-key = \"os-stop\"", "body-key = \"os-start\"\nmin-version = \"2.51\"");
    Manifest::parse(&split).unwrap();
    let both = split.replace("2.51", "2.50");
    assert_eq!(Manifest::parse(&both).unwrap_err().0.len(), 1);
}

#[test]
fn drivers_and_tariffs_have_no_api() {
    let driver =
        GOOD.replace("\"personality\"", "\"driver\"").replace("name = \"compute\"\nreason", "name = \"log\"\nreason");
    assert_eq!(
        Manifest::parse(&driver).unwrap_err().0,
        ["[api] is for personalities, not for a driver", "[[operation]] is for personalities, not for a driver"]
    );
    let small = "manifest = 1\nid = \"t\"\nversion = \"1.0.0\"\nkind = \"tariff\"\ncontract = \"0.1\"\n";
    Manifest::parse(small).unwrap();
    let asking = format!("{small}[[capability]]\nname = \"clock\"\nreason = \"time\"\n");
    assert_eq!(Manifest::parse(&asking).unwrap_err().0, ["capability `clock` is not for a tariff"]);
}

#[test]
fn templates_are_normalised() {
    assert_eq!(template("/a/{b}/c").unwrap(), "/a/{}/c");
    assert_eq!(template("/").unwrap(), "/");
    assert_eq!(template("/v2/").unwrap(), "/v2");
    assert_eq!(template("/..").unwrap(), "/..");
    for bad in ["", "a", "/a//b", "//a", "/a{b}", "/{}", "/{a}/{a}", "/{a-b}"] {
        assert!(template(bad).is_err(), "{bad}");
    }
}

#[test]
fn capabilities_have_one_interface_each() {
    for capability in Capability::ALL {
        assert_eq!(Capability::parse(capability.as_str()), Some(*capability));
        assert_eq!(Capability::of_interface(capability.interface()), Some(*capability));
        let json = serde_json::to_value(capability).unwrap();
        assert_eq!(json, capability.as_str());
    }
}

#[test]
fn the_schema_refuses_what_the_types_refuse() {
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good: serde_json::Value = toml::from_str(GOOD).unwrap();
    assert!(validator.is_valid(&good), "{:?}", validator.iter_errors(&good).map(|e| e.to_string()).collect::<Vec<_>>());
    let mut bad = good.clone();
    bad["licence"] = "x".into();
    assert!(!validator.is_valid(&bad));
    bad = good;
    bad["operation"][0]["action"] = "servers:make".into();
    assert!(!validator.is_valid(&bad));
}

#[test]
fn a_collection_brings_actions_of_its_own_and_its_defects_are_told() {
    let text = GOOD.replacen("\"servers:create\"", "\"face:things:create\"", 1)
        + "\n[[capability]]\nname = \"collections\"\nreason = \"things\"\n\
           [[collection]]\nname = \"things\"\ndescription = \"d\"\nscope = \"project\"\nschema = \"schemas/b.json\"\n\
           indexed = [\"name\"]\nunique = [[\"name\"]]\nread = \"reader\"\nwrite = \"member\"\nlimits = { items = 5 }\n";
    let manifest = Manifest::parse(&text).unwrap();
    assert_eq!(manifest.schema_files(), ["schemas/a.json", "schemas/b.json"]);
    let asked = manifest.permission(manifest.operation("servers.create").unwrap()).unwrap();
    assert_eq!((asked.word.as_ref(), asked.least), ("face:things:create", skyloom_model::Least::Member));
    assert_eq!(manifest.vocabulary().len(), 4, "read, create, update and delete");
    for (from, to, expected) in [
        ("name = \"collections\"", "name = \"images\"", "[[collection]] needs the capability `collections`"),
        (
            "name = \"things\"",
            "name = \"Things\"",
            "collection `Things`: a name has 1 to 64 lower-case letters, digits and `-`, a letter first",
        ),
        (
            "unique = [[\"name\"]]",
            "unique = [[\"size\"]]",
            "collection `things`: `size` is in a unique key, but not indexed",
        ),
        ("unique = [[\"name\"]]", "unique = [[]]", "collection `things`: a unique key has 1 to 4 members, each once"),
        ("indexed = [\"name\"]", "indexed = [\"name\", \"name\"]", "collection `things`: `name` is indexed twice"),
        (
            "indexed = [\"name\"]",
            "indexed = [\"name\", \"id\"]",
            "collection `things`: `id` cannot be the name of an indexed member",
        ),
        (
            "indexed = [\"name\"]",
            "indexed = [\"name\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\"]",
            "collection `things`: at most 8 members are indexed",
        ),
        (
            "unique = [[\"name\"]]",
            "unique = [[\"name\"], [\"name\"]]",
            "collection `things`: a unique key stands twice",
        ),
        (
            "read = \"reader\"",
            "read = \"authenticated\"",
            "collection `things`: what is a project's or a domain's needs a role: `authenticated` is for the scope `cloud`",
        ),
        ("items = 5", "items = 0", "collection `things`: limits.items is 1 to 100000"),
        ("items = 5", "total-kib = 1", "collection `things`: limits.total-kib is at least item-kib"),
        (
            "scope = \"project\"",
            "scope = \"cloud\"",
            "collection `things`: what is the whole cloud's is for operators to write; rules of roles may let others",
        ),
    ] {
        let defects = Manifest::parse(&text.replacen(from, to, 1)).unwrap_err().0;
        assert!(defects.iter().any(|defect| defect == expected), "{to}: {defects:?}");
    }
    let twice = format!("{text}{}", &text[text.find("[[collection]]").unwrap()..]);
    let defects = Manifest::parse(&twice).unwrap_err().0;
    assert_eq!(defects, ["collection `things`: it stands twice"]);
}
