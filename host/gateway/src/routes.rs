//! From method and path to operation. Built once from the manifests of the mounted plugins, on the router inside axum.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::mount::{Mount, Operation};

/// Parameters of one template; matchit panics at 26.
const MAX_PARAMETERS: usize = 16;

/// The routes of one listener.
#[derive(Debug)]
pub struct Routes {
    /// One tree a method, each template leading to an index of `all`: a template without the method leaves a path to the
    /// next one that has it. HEAD's tree has what GET's has, but where an operation has HEAD of its own.
    trees: Vec<(Method, matchit::Router<usize>)>,
    all: Vec<Route>,
    mounts: Vec<Arc<Mount>>,
}

/// The operations of one method and template. Several where a key of the body or the version of the request decides.
#[derive(Debug)]
pub struct Route {
    template: String,
    /// Which segments are parameters. Of two routes that take one path the lesser comes first: it has a literal where they
    /// first differ.
    parameters: Box<[bool]>,
    /// A template of it ends with a slash: a path may, however strict its mount.
    may_end_with_slash: bool,
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

/// A request's path.
#[derive(Debug)]
pub struct Path<'p> {
    /// Decoded, without empty ones.
    pub segments: Vec<Cow<'p, str>>,
    /// Whether there were empty ones.
    holes: bool,
    /// The same as one text for the trees, `/` before each. A `/` within a segment is NUL there, which no template has.
    text: Cow<'p, str>,
}

impl<'p> Path<'p> {
    pub fn read(path: &'p str) -> Result<Self, MalformedPath> {
        let decoded = |segment| percent_decode_str(segment).decode_utf8().map_err(|_| MalformedPath);
        Ok(Self::of(path, parts(path).map(decoded).collect::<Result<_, _>>()?))
    }

    /// With replacement characters for what is no UTF-8.
    fn read_lossy(path: &'p str) -> Self {
        Self::of(path, parts(path).map(|segment| percent_decode_str(segment).decode_utf8_lossy()).collect())
    }

    fn of(path: &'p str, segments: Vec<Cow<'p, str>>) -> Self {
        let plain = path.starts_with('/') && !path.contains('%') && !path.contains("//");
        let text = match path.strip_suffix('/') {
            _ if segments.is_empty() => "/".into(),
            Some(shorter) if plain => shorter.into(),
            None if plain => path.into(),
            _ => segments
                .iter()
                .fold(String::with_capacity(path.len()), |text, segment| text + "/" + &segment.replace('/', "\0"))
                .into(),
        };
        let holes = path.contains("//") || path.ends_with('/');
        Self { segments, holes, text }
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Whether these mounts can share a listener. Every defect, a line each.
pub fn check_routes(mounts: Vec<Arc<Mount>>) -> Result<(), Vec<String>> {
    Routes::build(mounts).map(drop)
}

impl Routes {
    /// Every defect, a line each, where two operations claim one route.
    pub fn build(mounts: Vec<Arc<Mount>>) -> Result<Self, Vec<String>> {
        let mut builder =
            Builder { routes: Self { trees: Vec::new(), all: Vec::new(), mounts }, known: HashMap::new() };
        let mut defects = Vec::new();
        for mount in builder.routes.mounts.clone() {
            let mut clashes: Vec<Clash> = Vec::new();
            for operation in &mount.operations {
                for path in &operation.paths {
                    match builder.insert(&mount, operation, path) {
                        Ok(()) => {}
                        Err(Unfit::Alone(defect)) => defects.push(defect),
                        Err(Unfit::Beside(clash)) => Clash::note(&mut clashes, clash),
                    }
                }
            }
            defects.extend(clashes.iter().map(|clash| clash.told_of(&mount)));
        }
        defects.extend(builder.answer_head().err());
        if defects.is_empty() { Ok(builder.routes) } else { Err(defects) }
    }

    fn tree(&self, method: &Method) -> Option<&matchit::Router<usize>> {
        self.trees.iter().find(|(known, _)| known == method).map(|(_, tree)| tree)
    }

    /// A literal beats a parameter, from left to right; a template without the method leaves it to the next one.
    pub fn find<'p>(&self, method: &Method, path: &Path<'p>) -> Found<'_, 'p> {
        let found = self.find_filled(method, path);
        let (mount, may_end_with_slash) = match &found {
            Found::Route { route, .. } => (&route.mount, route.may_end_with_slash),
            Found::Method { mount, .. } => (mount, false),
            Found::Nothing { .. } => return found,
        };
        // The mount itself may be named with a slash at its end.
        if path.holes && mount.strict_slashes && !may_end_with_slash && path.segments.len() > mount.prefix.len() {
            return Found::Nothing { mount: Some(mount.clone()) };
        }
        found
    }

    /// As if empty segments weren't there.
    fn find_filled<'p>(&self, method: &Method, path: &Path<'p>) -> Found<'_, 'p> {
        let Some(index) = self.tree(method).and_then(|tree| index_in(tree, path)) else { return self.find_other(path) };
        let route = &self.all[index];
        let taken = path.segments.iter().zip(&route.parameters).filter(|(_, parameter)| **parameter);
        Found::Route { route, captures: taken.map(|(segment, _)| segment.clone()).collect() }
    }

    /// What the path is with other methods.
    fn find_other(&self, path: &Path<'_>) -> Found<'static, 'static> {
        let found = |(method, tree): &(Method, _)| Some((method.to_string(), index_in(tree, path)?));
        let (methods, indices): (BTreeSet<String>, Vec<usize>) = self.trees.iter().filter_map(found).unzip();
        match indices.into_iter().min_by_key(|index| (&self.all[*index].parameters, *index)) {
            Some(first) => Found::Method {
                mount: self.all[first].mount.clone(),
                allow: methods.into_iter().collect::<Vec<_>>().join(", "),
            },
            None => Found::Nothing { mount: self.nearest(&path.segments) },
        }
    }

    /// Whose words a path is refused in that [`Path::read`] could not read: those of the operation that it would have reached
    /// with readable parameters, else of the nearest mount.
    pub fn mount_of_malformed(&self, method: &Method, path: &str) -> Option<Arc<Mount>> {
        match self.find(method, &Path::read_lossy(path)) {
            Found::Route { route, .. } => Some(route.mount.clone()),
            Found::Method { mount, .. } => Some(mount),
            Found::Nothing { mount } => mount,
        }
    }

    fn nearest(&self, path: &[Cow<'_, str>]) -> Option<Arc<Mount>> {
        let fits = |mount: &&Arc<Mount>| {
            mount.prefix.len() <= path.len() && mount.prefix.iter().zip(path).all(|(own, segment)| **own == **segment)
        };
        // Of equal ones the first.
        self.mounts.iter().filter(fits).rev().max_by_key(|mount| mount.prefix.len()).cloned()
    }
}

fn index_in(tree: &matchit::Router<usize>, path: &Path<'_>) -> Option<usize> {
    tree.at(&path.text).ok().map(|found| *found.value)
}

/// Why an operation has no place.
enum Unfit {
    Alone(String),
    /// Another mount has it.
    Beside(Clash),
}

impl From<String> for Unfit {
    fn from(defect: String) -> Self {
        Self::Alone(defect)
    }
}

/// What a mount has that was another one's before.
struct Clash {
    other: Arc<Mount>,
    /// The first such place.
    place: String,
    /// Further ones.
    more: usize,
}

impl Clash {
    fn note(clashes: &mut Vec<Self>, found: Self) {
        match clashes.iter_mut().find(|clash| Arc::ptr_eq(&clash.other, &found.other)) {
            Some(clash) => clash.more += 1,
            None => clashes.push(found),
        }
    }

    fn told_of(&self, mount: &Mount) -> String {
        let named = |mount: &Mount| format!("`/{}` of plugin `{}`", mount.prefix.join("/"), mount.plugin);
        let more = if self.more == 0 { String::new() } else { format!(" and {} more", self.more) };
        format!("mounts {} and {} both claim {}{more}", named(&self.other), named(mount), self.place)
    }
}

struct Builder {
    routes: Routes,
    /// By method and template as the trees have it.
    known: HashMap<(Method, String), usize>,
}

impl Builder {
    fn insert(&mut self, mount: &Arc<Mount>, operation: &Arc<Operation>, path: &str) -> Result<(), Unfit> {
        let full = full_path(mount, path)?;
        let names: Vec<Option<&str>> = full.iter().map(|segment| parameter(segment)).collect();
        let params = names.iter().flatten().map(|name| Box::from(*name)).collect();
        let choice = Choice { operation: operation.clone(), params };
        let template = format!("/{}", full.join("/"));
        let key = (operation.method.clone(), in_trees(&full));
        let Some(index) = self.known.get(&key).copied() else {
            if choice.params.len() > MAX_PARAMETERS {
                let defect = format!("plugin `{}`: {template} has more than {MAX_PARAMETERS} parameters", mount.plugin);
                return Err(defect.into());
            }
            let parameters = names.iter().map(Option::is_some).collect();
            self.add(key, self.routes.all.len())
                .map_err(|error| format!("plugin `{}`: {template}: {error}", mount.plugin))?;
            self.routes.all.push(Route {
                template,
                parameters,
                may_end_with_slash: path.ends_with('/'),
                mount: mount.clone(),
                choices: vec![choice],
            });
            return Ok(());
        };
        let route = &mut self.routes.all[index];
        route.may_end_with_slash |= path.ends_with('/');
        if !Arc::ptr_eq(&route.mount, mount) {
            let place = format!("{} {template}", operation.method);
            return Err(Unfit::Beside(Clash { other: route.mount.clone(), place, more: 0 }));
        }
        match route.choices.iter().find(|other| other.operation.same_selector(operation)) {
            // Two templates of one operation may be equal but for the names of their parameters.
            Some(other) if Arc::ptr_eq(&other.operation, operation) => Ok(()),
            Some(other) => {
                let (method, plugin, ids) = (&operation.method, &mount.plugin, [&operation.id, &other.operation.id]);
                let ids = ids.map(|id| format!("`{id}`")).join(" and ");
                Err(format!("plugin `{plugin}`: {ids} both claim {method} {template} ({})", route.template).into())
            }
            None => {
                route.choices.push(choice);
                Ok(())
            }
        }
    }

    fn add(&mut self, key: (Method, String), index: usize) -> Result<(), matchit::InsertError> {
        let trees = &mut self.routes.trees;
        let at = trees.iter().position(|(method, _)| *method == key.0).unwrap_or_else(|| {
            trees.push((key.0.clone(), matchit::Router::new()));
            trees.len() - 1
        });
        trees[at].1.insert(key.1.as_str(), index)?;
        self.known.insert(key, index);
        Ok(())
    }

    /// What has GET and no HEAD answers HEAD as GET.
    fn answer_head(&mut self) -> Result<(), String> {
        let gets = self.known.iter().filter(|((method, _), _)| *method == Method::GET);
        let heads: Vec<_> = gets.map(|((_, template), index)| ((Method::HEAD, template.clone()), *index)).collect();
        for (key, index) in heads {
            if !self.known.contains_key(&key) {
                self.add(key, index).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

/// The parameter's name.
fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
}

/// Equal for templates that take the same paths. A manifest's literals have no braces.
fn in_trees(segments: &[&str]) -> String {
    if segments.is_empty() {
        return "/".to_owned();
    }
    segments.iter().flat_map(|segment| ["/", parameter(segment).map_or(*segment, |_| "{p}")]).collect()
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
