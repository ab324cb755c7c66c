//! From method and path to operation. Built once from the manifests of the mounted plugins.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::mount::{Mount, Operation};

/// Deeper paths match nothing; bounds the work of a match.
const MAX_SEGMENTS: usize = 32;

/// The routes of one listener.
#[derive(Debug)]
pub struct Routes {
    nodes: Vec<Node>,
    mounts: Vec<Arc<Mount>>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    parameter: Option<usize>,
    routes: Vec<Route>,
}

/// The operations of one method and template. Several where a key of the body or the version of the request decides.
#[derive(Debug)]
pub struct Route {
    method: Method,
    template: String,
    pub mount: Arc<Mount>,
    pub choices: Vec<Choice>,
}

#[derive(Debug)]
pub struct Choice {
    pub operation: Arc<Operation>,
    /// Names of the template's parameters, in order.
    pub params: Box<[Box<str>]>,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found<'r, 'p> {
    Route {
        route: &'r Route,
        captures: Vec<Cow<'p, str>>,
    },
    /// The path exists, with other methods (as an Allow header has them).
    Method {
        mount: Arc<Mount>,
        allow: String,
    },
    /// None: no mount has that prefix.
    Nothing {
        mount: Option<Arc<Mount>>,
    },
}

/// A path that is not UTF-8 when decoded.
#[derive(Debug, PartialEq, Eq)]
pub struct MalformedPath;

/// Decoded segments; empty ones don't count.
pub fn segments(path: &str) -> Result<Vec<Cow<'_, str>>, MalformedPath> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8().map_err(|_| MalformedPath))
        .collect()
}

/// Whether these mounts can share a listener. Every defect, a line each.
pub fn check_routes(mounts: Vec<Arc<Mount>>) -> Result<(), Vec<String>> {
    Routes::build(mounts).map(drop)
}

impl Routes {
    /// Every defect, a line each, where two operations claim one route.
    pub fn build(mounts: Vec<Arc<Mount>>) -> Result<Self, Vec<String>> {
        let mut routes = Self { nodes: vec![Node::default()], mounts: mounts.clone() };
        let mut defects = Vec::new();
        for mount in &mounts {
            for operation in &mount.operations {
                for path in &operation.paths {
                    if let Err(defect) = routes.insert(mount, operation, path) {
                        defects.push(defect);
                    }
                }
            }
        }
        if defects.is_empty() { Ok(routes) } else { Err(defects) }
    }

    fn insert(&mut self, mount: &Arc<Mount>, operation: &Arc<Operation>, path: &str) -> Result<(), String> {
        let full = full_path(mount, path)?;
        let mut at = 0;
        let mut params = Vec::new();
        for segment in &full {
            let parameter = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            at = match parameter {
                Some(name) => {
                    params.push(Box::from(name));
                    self.parameter(at)
                }
                None => self.literal(at, segment),
            };
        }
        let choice = Choice { operation: operation.clone(), params: params.into() };
        let template = format!("/{}", full.join("/"));
        let node = &mut self.nodes[at];
        let Some(route) = node.routes.iter_mut().find(|route| route.method == operation.method) else {
            let method = operation.method.clone();
            node.routes.push(Route { method, template, mount: mount.clone(), choices: vec![choice] });
            return Ok(());
        };
        let clash = |other: &Operation, other_mount: &Mount, other_template: &str| {
            format!(
                "two operations claim {} {template}: `{}` of plugin `{}` and `{}` of plugin `{}` ({other_template})",
                operation.method, operation.id, mount.plugin, other.id, other_mount.plugin
            )
        };
        if !Arc::ptr_eq(&route.mount, mount) {
            return Err(clash(&route.choices[0].operation, &route.mount, &route.template));
        }
        match route.choices.iter().find(|other| other.operation.same_selector(operation)) {
            // Two templates of one operation may be equal but for the names of their parameters.
            Some(other) if Arc::ptr_eq(&other.operation, operation) => Ok(()),
            Some(other) => Err(clash(&other.operation, &route.mount, &route.template)),
            None => {
                route.choices.push(choice);
                Ok(())
            }
        }
    }

    fn parameter(&mut self, at: usize) -> usize {
        if let Some(next) = self.nodes[at].parameter {
            return next;
        }
        self.nodes.push(Node::default());
        let next = self.nodes.len() - 1;
        self.nodes[at].parameter = Some(next);
        next
    }

    fn literal(&mut self, at: usize, segment: &str) -> usize {
        if let Some(next) = self.nodes[at].literals.get(segment) {
            return *next;
        }
        self.nodes.push(Node::default());
        let next = self.nodes.len() - 1;
        self.nodes[at].literals.insert(segment.into(), next);
        next
    }

    /// A literal beats a parameter, from left to right; a template without the method leaves it to the next one.
    pub fn find<'r, 'p>(&'r self, method: &Method, path: &[Cow<'p, str>]) -> Found<'r, 'p> {
        let mut search = Search { routes: self, method, path, captured: Vec::new(), others: Vec::new() };
        if path.len() <= MAX_SEGMENTS
            && let Some(route) = search.walk(0, 0)
        {
            let captures = search.captured.iter().map(|index| path[*index].clone()).collect();
            return Found::Route { route, captures };
        }
        let mount = self.nearest(path);
        match search.others.first() {
            Some(first) => Found::Method { mount: first.mount.clone(), allow: allow(&search.others) },
            None => Found::Nothing { mount },
        }
    }

    /// Whose words a path is refused in that [`segments`] could not read: those of the operation that it would have reached
    /// with readable parameters, else of the nearest mount.
    pub fn mount_of_malformed(&self, method: &Method, path: &str) -> Option<Arc<Mount>> {
        let lossy = |segment| percent_decode_str(segment).decode_utf8_lossy();
        let path: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).map(lossy).collect();
        match self.find(method, &path) {
            Found::Route { route, .. } => Some(route.mount.clone()),
            Found::Method { mount, .. } => Some(mount),
            Found::Nothing { mount } => mount,
        }
    }

    fn nearest(&self, path: &[Cow<'_, str>]) -> Option<Arc<Mount>> {
        let mut best: Option<&Arc<Mount>> = None;
        for mount in &self.mounts {
            let fits = mount.prefix.len() <= path.len()
                && mount.prefix.iter().zip(path).all(|(own, segment)| **own == **segment);
            if fits && best.is_none_or(|best| mount.prefix.len() > best.prefix.len()) {
                best = Some(mount);
            }
        }
        best.cloned()
    }
}

struct Search<'r, 's, 'p> {
    routes: &'r Routes,
    method: &'s Method,
    path: &'s [Cow<'p, str>],
    /// Indices of the segments that parameters took.
    captured: Vec<usize>,
    /// Routes of the path with other methods.
    others: Vec<&'r Route>,
}

impl<'r> Search<'r, '_, '_> {
    fn walk(&mut self, at: usize, depth: usize) -> Option<&'r Route> {
        let node = &self.routes.nodes[at];
        let Some(segment) = self.path.get(depth) else { return self.pick(node) };
        if let Some(next) = node.literals.get(segment.as_ref())
            && let Some(route) = self.walk(*next, depth + 1)
        {
            return Some(route);
        }
        let next = node.parameter?;
        self.captured.push(depth);
        let found = self.walk(next, depth + 1);
        if found.is_none() {
            self.captured.pop();
        }
        found
    }

    fn pick(&mut self, node: &'r Node) -> Option<&'r Route> {
        let of = |method: &Method| node.routes.iter().find(|route| route.method == *method);
        let found = of(self.method).or_else(|| if *self.method == Method::HEAD { of(&Method::GET) } else { None });
        if found.is_none() {
            self.others.extend(&node.routes);
        }
        found
    }
}

fn allow(routes: &[&Route]) -> String {
    let mut methods: BTreeSet<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    methods.into_iter().collect::<Vec<_>>().join(", ")
}

/// Prefix and template; `/..` at the template's begin stands for the parent of the prefix (version lists).
fn full_path<'a>(mount: &'a Mount, template: &'a str) -> Result<Vec<&'a str>, String> {
    let mut full: Vec<&str> = mount.prefix.iter().map(AsRef::as_ref).collect();
    for segment in template.split('/').filter(|segment| !segment.is_empty()) {
        if segment != ".." {
            full.push(segment);
        } else if full.pop().is_none() {
            return Err(format!("plugin `{}`: path `{template}` leads above the root of the listener", mount.plugin));
        }
    }
    Ok(full)
}
