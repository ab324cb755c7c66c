//! Who may have the cloud fetch an image, and from where. How it comes stands in tests/faults.

use std::sync::Arc;

use skyloom_runtime::api::ImagesApi as _;
use skyloom_runtime::bindings::cloud::images as wit;
use skyloom_runtime::bindings::types::errors::ErrorCode;
use skyloom_runtime::context::CallContext;
use skyloom_store::operations;

use crate::compute::testing::{World, member, worlds};
use crate::images::Import;
use crate::{Cloud, Settings};

const URL: &str = "https://images.example.org/disk.raw";

async fn importing() -> Vec<World> {
    let mut settings = Settings::default();
    settings.images.import = Import { hosts: vec!["images.example.org".to_owned()], ..Import::default() };
    worlds(settings).await
}

async fn image(cloud: &Cloud, context: &Arc<CallContext>, format: Option<&str>) -> String {
    let create = wit::ImageCreate {
        id: None,
        name: None,
        visibility: None,
        protected: false,
        hidden: false,
        disk_format: format.map(str::to_owned),
        container_format: format.map(|_| "bare".to_owned()),
        min_disk_gib: 0,
        min_memory_mib: 0,
        tags: Vec::new(),
        properties: Vec::new(),
        owner: None,
        attributes: "{}".to_owned(),
    };
    cloud.create_image(context, create).await.expect("created").id
}

macro_rules! refused {
    ($answer:expr, $code:ident) => {{
        let error = $answer.await.expect_err("a refusal");
        assert!(matches!(error.code, ErrorCode::$code), "{error:?} instead of {}", stringify!($code));
        error.field
    }};
}

#[tokio::test]
async fn nothing_is_imported_where_no_host_is_named() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        assert_eq!(cloud.list_import_schemes(&context).await.expect("asked"), Vec::<String>::new());
        let id = image(cloud, &context, Some("raw")).await;
        refused!(cloud.import_image(&context, id, URL.to_owned()), NotSupported);
    }
}

#[tokio::test]
async fn an_image_is_imported_once_and_by_who_may_change_it() {
    for world in importing().await {
        let (cloud, context) = (&world.cloud, member("p"));
        assert_eq!(cloud.list_import_schemes(&context).await.expect("asked"), ["https"]);
        let id = image(cloud, &context, Some("raw")).await;
        let import = |whose: &str, id: &str| {
            let (context, id) = (member(whose), id.to_owned());
            async move { cloud.import_image(&context, id, URL.to_owned()).await }
        };
        refused!(import("q", &id), NotFound);
        refused!(import("q", &world.image), Forbidden);
        let operation = import("p", &id).await.expect("accepted");
        let got = cloud.get_image(&context, id.clone()).await.expect("it is there");
        assert!(matches!(got.state, wit::ImageState::Importing), "{}: {:?}", world.database.name, got.state);
        refused!(import("p", &id), WrongState);
        refused!(cloud.begin_upload(&context, id.clone()), WrongState);
        let mut conn = world.database.db.read().await.expect("read");
        let written = operations::get(&mut conn, &operation).await.expect("read").expect("an operation");
        assert_eq!((written.kind.as_str(), written.resource_id.as_str()), ("image.import", id.as_str()));
        assert_eq!((written.project_id.as_str(), written.cancel), ("p", false));
        drop(conn);
        cloud.delete_image(&context, id).await.expect("deleted");
        let mut conn = world.database.db.read().await.expect("read");
        let ending = operations::get(&mut conn, &operation).await.expect("read").expect("an operation");
        assert!(ending.cancel, "{}: a deletion ends the import", world.database.name);
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_at_once() {
    for world in importing().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let id = image(cloud, &context, Some("raw")).await;
        for (url, invalid) in [
            ("https://other.example.org/disk", false),
            ("https://images.example.org:8443/disk", false),
            ("http://images.example.org/disk", false),
            ("https://169.254.169.254/latest", false),
            ("file:///etc/passwd", true),
            ("https://me:word@images.example.org/disk", true),
            ("disk", true),
        ] {
            let import = cloud.import_image(&context, id.clone(), url.to_owned());
            let field = if invalid { refused!(import, Invalid) } else { refused!(import, Forbidden) };
            assert_eq!(field.as_deref(), Some("url"), "{url}");
        }
        let bare = image(cloud, &context, None).await;
        let field = refused!(cloud.import_image(&context, bare, URL.to_owned()), Invalid);
        assert_eq!(field.as_deref(), Some("disk-format"));
        refused!(cloud.import_image(&context, world.image.clone(), URL.to_owned()), Forbidden);
    }
}

#[test]
fn what_is_wrong_with_the_table_is_told() {
    let told = |import: Import| {
        let error = super::import::Importer::new(&import).err().expect("a defect");
        error.message
    };
    let import = || Import { hosts: vec!["a.test".to_owned()], ..Import::default() };
    for (wrong, key) in [
        (Import { hosts: vec!["a b".to_owned()], ..import() }, "hosts"),
        (Import { addresses: vec!["here".to_owned()], ..import() }, "addresses"),
        (Import { ca: Some("/none".into()), ..import() }, "ca"),
        (Import { at_once: 0, ..import() }, "at-once"),
        (Import { silence_ms: 0, ..import() }, "silence-ms"),
        (Import { deadline_minutes: 0, ..import() }, "deadline-minutes"),
    ] {
        let said = told(wrong);
        assert!(said.starts_with(&format!("[images.import] {key}")), "{said}");
    }
}
