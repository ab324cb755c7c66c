//! Nova's JSON, one file per resource, written straight into one buffer.

pub mod action;
pub mod flavor;
pub mod image;
pub mod keypair;
pub mod server;

use skyloom_sdk::json::Writer;
use skyloom_sdk::key;

/// Where links lead: the version's own path, and the one without a version that bookmarks use; both with the project where the
/// request's path had it.
#[derive(Clone, Debug)]
pub struct Links {
    pub own: String,
    pub bookmark: String,
}

impl Links {
    pub fn new(base: &str, version: &str, project: &str) -> Self {
        let base = base.trim_end_matches('/');
        let project = if project.is_empty() { String::new() } else { format!("/{project}") };
        Self { own: format!("{base}{version}{project}"), bookmark: format!("{base}{project}") }
    }

    /// `links` of a resource.
    pub fn write(&self, writer: &mut Writer, collection: &str, id: &str) {
        self.begin(writer, collection, id);
        writer.end_array();
    }

    /// `links` of a resource that another service has too; `kind` is its media type there.
    pub fn write_with_alternate(&self, writer: &mut Writer, collection: &str, id: &str, kind: &str) {
        self.begin(writer, collection, id);
        writer.begin_object().key(key!("rel")).raw("\"alternate\"").key(key!("type")).string(kind);
        writer.key(key!("href")).joined(&[&self.bookmark, collection, id]).end_object();
        writer.end_array();
    }

    fn begin(&self, writer: &mut Writer, collection: &str, id: &str) {
        writer.key(key!("links")).begin_array();
        writer.begin_object().key(key!("rel")).raw("\"self\"");
        writer.key(key!("href")).joined(&[&self.own, collection, id]).end_object();
        self.write_bookmark(writer, collection, id);
    }

    /// One link, as those that other resources hold.
    pub fn write_bookmark(&self, writer: &mut Writer, collection: &str, id: &str) {
        writer.begin_object().key(key!("rel")).raw("\"bookmark\"");
        writer.key(key!("href")).joined(&[&self.bookmark, collection, id]).end_object();
    }

    /// The link to the next page of a list.
    pub fn write_next(&self, writer: &mut Writer, collection: &str, query: &[(String, String)], marker: &str) {
        let query = skyloom_sdk::query::with_marker(query, marker);
        writer.begin_array().begin_object().key(key!("rel")).raw("\"next\"");
        writer.key(key!("href")).joined(&[&self.own, collection, "?", &query]).end_object().end_array();
    }
}
