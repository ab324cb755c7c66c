//! Which operation a path leads to, judged by a search that is too simple to be wrong.

use std::fmt::Write;

use crate::support::{World, handler, mount, ok, read};
use skyloom_gateway::Gateway;

/// Of a personality that serves these methods and templates; an operation's id is its place in the list.
fn manifest(id: &str, operations: &[(&str, String)]) -> String {
    let mut text = format!(
        "manifest = 1\nid = \"{id}\"\nversion = \"0.1.0\"\nkind = \"personality\"\ncontract = \"0.1\"\n\
         description = \"For tests.\"\nlicense = \"Apache-2.0\"\n[api]\ntoken-header = \"X-Token\"\n\
         [api.errors]\ncontent-type = \"text/plain\"\nbody = \"{id} {{status}}\"\n"
    );
    for (index, (method, path)) in operations.iter().enumerate() {
        let _ = write!(
            text,
            "[[operation]]\nid = \"o{index}\"\nmethod = \"{method}\"\npaths = [\"{path}\"]\naction = \"public\"\nsuccess = [200]\n"
        );
    }
    text
}

/// Plugins side by side at the root. Answers are `<operation> <parameter>,<parameter>`.
struct Side {
    gateway: std::sync::Arc<Gateway>,
    world: World,
}

impl Side {
    fn new(plugins: &[(&str, &[(&str, String)])]) -> Self {
        Self::try_new(plugins).unwrap()
    }

    fn try_new(plugins: &[(&str, &[(&str, String)])]) -> Result<Self, Vec<String>> {
        let world = World::echo();
        let mounts = plugins.iter().map(|(id, operations)| {
            let echo = handler(|_, request| {
                let values: Vec<&str> = request.params.iter().map(|(_, value)| value.as_str()).collect();
                Ok(ok(&format!("{} {}", request.operation, values.join(","))))
            });
            mount(&manifest(id, operations), "", echo).unwrap()
        });
        let gateway = Gateway::new(world.shared.clone(), mounts.collect(), false)?;
        Ok(Self { gateway, world })
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, String, Option<String>) {
        let request = http::Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
        let reply = read(self.gateway.serve(None, request).await).await;
        let allow = reply.headers.get("allow").map(|value| value.to_str().unwrap().to_owned());
        (reply.status, reply.body, allow)
    }
}

fn get(path: &str) -> (&'static str, String) {
    ("GET", path.to_owned())
}

/// Every sequence of one to three of these.
fn sequences(items: &[&'static str]) -> Vec<Vec<&'static str>> {
    let mut all: Vec<Vec<&'static str>> = items.iter().map(|item| vec![*item]).collect();
    for begin in 0..items.len() + items.len() * items.len() {
        for item in items {
            let longer = [all[begin].as_slice(), &[*item]].concat();
            all.push(longer);
        }
    }
    all
}

/// What takes the path, with the values of its parameters: of all that fit, the one with a literal where they first differ.
fn expected(templates: &[&Vec<&'static str>], path: &[&str]) -> Option<(usize, String)> {
    let fits = |template: &Vec<&str>| {
        template.len() == path.len() && template.iter().zip(path).all(|(own, segment)| *own == "{}" || own == segment)
    };
    let shape = |template: &Vec<&str>| template.iter().map(|own| *own == "{}").collect::<Vec<_>>();
    let (index, template) = templates
        .iter()
        .enumerate()
        .filter(|(_, template)| fits(template))
        .min_by_key(|(_, template)| shape(template))?;
    let values = template.iter().zip(path).filter(|(own, _)| **own == "{}").map(|(_, segment)| *segment);
    Some((index, values.collect::<Vec<_>>().join(",")))
}

#[tokio::test]
async fn the_route_is_the_one_that_a_plain_search_finds() {
    let all = sequences(&["a", "ab", "b", "{}"]);
    let paths = sequences(&["a", "ab", "b", "abc", "{}"]);
    let mut state: u64 = 7;
    for round in 0..40 {
        // A subset, another one each round: from few templates to most of them.
        let chosen: Vec<&Vec<&str>> = all
            .iter()
            .filter(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % 41 <= round
            })
            .collect();
        if chosen.is_empty() {
            continue;
        }
        let operations: Vec<(&str, String)> = chosen
            .iter()
            .map(|template| {
                // Names differ from template to template, as manifests' do.
                let named = template.iter().enumerate().map(|(at, segment)| match *segment {
                    "{}" => format!("/{{p{at}_{}}}", template.len()),
                    literal => format!("/{literal}"),
                });
                ("GET", named.collect())
            })
            .collect();
        let side = Side::new(&[("one", &operations)]);
        for path in &paths {
            let answer = side.ask("GET", &format!("/{}", path.join("/").replace("{}", "%7B%7D"))).await;
            match expected(&chosen, path) {
                Some((index, values)) => assert_eq!(answer.1, format!("o{index} {values}"), "{path:?} of {chosen:?}"),
                None => assert_eq!(answer.0, 404, "{path:?} of {chosen:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_path_is_read_decoded_and_without_empty_segments() {
    let side = Side::new(&[("one", &[get("/"), get("/a/{x}"), get("/a/b"), get("/a.b")])]);
    for (path, answer) in [
        ("/", "o0 "),
        ("//", "o0 "),
        ("/a/b", "o2 "),
        ("/%61/%62/", "o2 "),
        ("//a///b//", "o2 "),
        ("/a/b%2Fc", "o1 b/c"),
        ("/a/%2F", "o1 /"),
        ("/a/b%00", "o1 b\0"),
        ("/a/b%2F", "o1 b/"),
        ("/a/%7Bx%7D", "o1 {x}"),
        ("/a/%C3%A9", "o1 é"),
        ("/a%2Eb", "o3 "),
    ] {
        let (status, body, _) = side.ask("GET", path).await;
        assert_eq!((status, body.as_str()), (200, answer), "{path}");
    }
    // A slash within a segment parts nothing; letters differ; nothing is taken that is too deep.
    for path in ["/a%2Fb", "/A/b", "/a", "/a/b/c", &"/a".repeat(2000)] {
        assert_eq!(side.ask("GET", path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn an_empty_segment_is_one_where_the_manifest_says_so() {
    let world = World::echo();
    let operations =
        [get("/"), get("/a"), get("/a/{x}"), ("PUT", "/a/{x}/b".to_owned()), get("/c/d/"), get("/{x}/{y}/e")];
    let strict = manifest("one", &operations).replace("[api]\n", "[api]\nstrict-slashes = true\n");
    let mount = mount(&strict, "/m", handler(|_, request| Ok(ok(&request.operation)))).unwrap();
    let side = Side { gateway: Gateway::new(world.shared.clone(), vec![mount], false).unwrap(), world };
    for path in ["/m", "/m/", "//m//", "/m/a", "/m/a/x", "/m/c/d", "/m/c/d/"] {
        assert_eq!(side.ask("GET", path).await.0, 200, "{path}");
    }
    for (method, path) in [
        ("GET", "/m/a/"),
        ("DELETE", "/m/a/"),
        ("GET", "/m/a/x/"),
        ("PUT", "/m/a//b"),
        ("GET", "/m//a"),
        ("PUT", "/m/c/d/"),
        ("GET", "/m/c/d/e/"),
    ] {
        assert_eq!(side.ask(method, path).await, (404, "one 404".to_owned(), None), "{method} {path}");
    }
}

#[tokio::test]
async fn head_is_get_unless_it_is_there_itself() {
    let operations = [get("/a/{x}"), ("HEAD", "/a/b".to_owned()), get("/a/b"), ("DELETE", "/a/b".to_owned())];
    let side = Side::new(&[("one", &operations)]);
    assert_eq!(side.ask("GET", "/a/b").await.1, "o2 ");
    let head = async |path| side.ask("HEAD", path).await;
    assert_eq!(head("/a/b").await.0, 200);
    let text = side.world.shared.metrics.text().await;
    assert!(text.contains("operation=\"o1\",status=\"200\"} 1"), "{text}");
    assert_eq!(head("/a/c").await.0, 200);
    let text = side.world.shared.metrics.text().await;
    assert!(text.contains("operation=\"o0\",status=\"200\"} 1"), "{text}");
    assert_eq!(head("/b").await.0, 404);
}

#[tokio::test]
async fn a_wrong_method_is_told_by_the_nearest_route_with_all_that_are_there() {
    let one = [get("/a/{x}"), ("PUT", "/{x}/b".to_owned())];
    let two = [("DELETE", "/a/b".to_owned()), ("POST", "/{x}/{y}".to_owned())];
    for plugins in [[("one", &one[..]), ("two", &two[..])], [("two", &two[..]), ("one", &one[..])]] {
        let side = Side::new(&plugins);
        let refused = async |path| side.ask("PATCH", path).await;
        let all = Some("DELETE, GET, HEAD, POST, PUT".to_owned());
        assert_eq!(refused("/a/b").await, (405, "two 405".to_owned(), all));
        assert_eq!(refused("/a/c").await, (405, "one 405".to_owned(), Some("GET, HEAD, POST".to_owned())));
        assert_eq!(refused("/c/b").await, (405, "one 405".to_owned(), Some("POST, PUT".to_owned())));
        assert_eq!(refused("/c/c").await, (405, "two 405".to_owned(), Some("POST".to_owned())));
        assert_eq!(side.ask("BREW", "/c/c").await.0, 405);
        assert_eq!(side.ask("OPTIONS", "*").await.0, 404);
    }
}

#[test]
fn equal_templates_and_endless_ones_are_refused() {
    let defects = |plugins: &[(&str, &[(&str, String)])]| Side::try_new(plugins).err().unwrap_or_default();
    let found = defects(&[("one", &[get("/a/{x}/b")]), ("two", &[get("/a/{y}/b"), ("PUT", "/a/{y}/b".to_owned())])]);
    assert_eq!(
        found,
        ["mounts `/` of plugin `one` and `/` of plugin `two` both claim GET /a/{y}/b"],
        "told once, and the other method is no claim"
    );
    let both = [get("/a"), get("/b"), get("/c")];
    let found = defects(&[("one", &both), ("two", &both)]);
    assert_eq!(found, ["mounts `/` of plugin `one` and `/` of plugin `two` both claim GET /a and 2 more"]);
    let deep = |count: usize| (0..count).fold(String::new(), |path, at| format!("{path}/{{p{at}}}"));
    assert_eq!(defects(&[("one", &[get(&deep(16))])]), Vec::<String>::new());
    let found = defects(&[("one", &[get(&deep(17)), get(&deep(40))])]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|line| line.contains("plugin `one`") && line.contains("more than 16 parameters")));
}
