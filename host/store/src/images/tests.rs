use skyloom_model::{ErrorCode, Reach, Timestamp};

use super::*;
use crate::identity::testing::a_project;
use crate::listing::{Condition, Page, Test};
use crate::testing::databases;

fn an_image(id: &str, owner: &str, visibility: Visibility, at: i64) -> Image {
    Image {
        id: id.to_owned(),
        owner: owner.to_owned(),
        name: Some(format!("name of {id}")),
        state: ImageState::Queued,
        visibility,
        protected: false,
        hidden: false,
        disk_format: Some("raw".to_owned()),
        container_format: Some("bare".to_owned()),
        min_disk_gib: 1,
        min_memory_mib: 64,
        content: None,
        created_at: Timestamp(at),
        updated_at: Timestamp(at),
        attributes: "{}".to_owned(),
        tags: vec!["a".to_owned(), id.to_owned()],
        properties: vec![("os".to_owned(), format!("os {id}"))],
    }
}

fn content(blob: &str, size: u64) -> Content {
    Content { blob: blob.to_owned(), size, virtual_size: size * 2, md5: "md5".to_owned(), sha512: "sha".to_owned() }
}

async fn ids(conn: &mut Conn, filter: &ImageFilter) -> Vec<String> {
    let listed = list_images(conn, filter, &Page::default()).await.expect("list");
    listed.items.into_iter().map(|image| image.id).collect()
}

#[tokio::test]
async fn an_image_is_kept_whole_and_changed_only_as_it_was_read() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        let mut image = an_image("one", "p", Visibility::Private, 5);
        insert_image(&mut tx, &image).await.expect("insert");
        let twice = insert_image(&mut tx, &image).await.expect_err("twice");
        assert_eq!(twice.code, ErrorCode::AlreadyExists, "{}", database.name);
        assert_eq!(get_image(&mut tx, "one").await.expect("get"), Some(image.clone()), "{}", database.name);

        image.name = None;
        image.tags = vec!["z".to_owned()];
        image.properties = vec![];
        image.updated_at = Timestamp(9);
        assert!(!update_image(&mut tx, &image, Timestamp(4)).await.expect("stale"));
        assert!(update_image(&mut tx, &image, Timestamp(5)).await.expect("fresh"));
        assert_eq!(get_image(&mut tx, "one").await.expect("get"), Some(image));
        assert!(add_tag(&mut tx, "one", "b").await.expect("add"));
        assert!(!add_tag(&mut tx, "one", "b").await.expect("again"));
        assert!(remove_tag(&mut tx, "one", "z").await.expect("remove"));
        assert!(!remove_tag(&mut tx, "one", "z").await.expect("again"));
        // A change has a later time even if the clock stands still or goes back.
        assert!(touch_image(&mut tx, "one", Timestamp(3)).await.expect("touch"));
        let image = get_image(&mut tx, "one").await.expect("get").expect("there");
        assert_eq!((image.updated_at, image.tags.as_slice()), (Timestamp(10), ["b".to_owned()].as_slice()));
        assert!(delete_image(&mut tx, "one").await.expect("delete"));
        assert!(!delete_image(&mut tx, "one").await.expect("again"));
        let taken = insert_image(&mut tx, &an_image("one", "q", Visibility::Private, 5)).await.expect_err("retired");
        assert_eq!(format!("{taken:?}"), format!("{twice:?}"), "{}", database.name);
        // What never was is not retired by its deletion.
        assert!(!delete_image(&mut tx, "two").await.expect("unknown"));
        insert_image(&mut tx, &an_image("two", "q", Visibility::Private, 5)).await.expect("free");
    }
}

#[tokio::test]
async fn an_upload_belongs_to_its_request() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        insert_image(&mut tx, &an_image("one", "p", Visibility::Private, 5)).await.expect("insert");
        let now = Timestamp(10);
        assert!(begin_upload(&mut tx, "one", ImageState::Saving, "req-1", now).await.expect("begin"));
        assert!(!begin_upload(&mut tx, "one", ImageState::Saving, "req-2", now).await.expect("second"));
        assert_eq!(abort_uploads(&mut tx, "req-2", now).await.expect("foreign"), 0);
        assert_eq!(abort_uploads(&mut tx, "req-1", now).await.expect("abort"), 1);
        assert!(begin_upload(&mut tx, "one", ImageState::Saving, "req-3", now).await.expect("again"));
        assert!(!finish_upload(&mut tx, "one", "req-1", &content("blob", 7), now).await.expect("late"));
        assert!(finish_upload(&mut tx, "one", "req-3", &content("blob", 7), now).await.expect("finish"));
        let image = get_image(&mut tx, "one").await.expect("get").expect("there");
        assert_eq!((image.state, image.content), (ImageState::Active, Some(content("blob", 7))), "{}", database.name);
        assert_eq!(usage(&mut tx, "p").await.expect("usage"), (1, 7));
        assert_eq!(blobs(&mut tx).await.expect("blobs"), ["blob"]);
        let start = boot(&mut tx, "one").await.expect("boot").expect("there");
        assert_eq!((start.blob.as_deref(), start.disk_format.as_deref()), (Some("blob"), Some("raw")));
        assert_eq!(start.properties.get("os").map(String::as_str), Some("os one"));
        assert!(set_active(&mut tx, "one", false, now).await.expect("deactivate"));
        assert_eq!(hold_image(&mut tx, "one").await.expect("hold").expect("there").state, ImageState::Deactivated);

        insert_image(&mut tx, &an_image("two", "p", Visibility::Private, 5)).await.expect("insert");
        assert!(!set_active(&mut tx, "two", true, now).await.expect("queued"));
        assert!(begin_upload(&mut tx, "two", ImageState::Saving, "req-4", now).await.expect("begin"));
        assert_eq!(abort_stale_uploads(&mut tx, Timestamp(10), now).await.expect("young"), 0);
        assert_eq!(abort_stale_uploads(&mut tx, Timestamp(11), now).await.expect("old"), 1);
    }
}

#[tokio::test]
async fn lists_show_what_the_project_may_see() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        for (at, (id, owner, visibility)) in [
            ("own", "p", Visibility::Private),
            ("own-shared", "p", Visibility::Shared),
            ("public", "q", Visibility::Public),
            ("private", "q", Visibility::Private),
            ("shared", "q", Visibility::Shared),
            ("community", "q", Visibility::Community),
        ]
        .into_iter()
        .enumerate()
        {
            insert_image(&mut tx, &an_image(id, owner, visibility, 10 + at as i64)).await.expect("insert");
        }
        let seen = ImageFilter { reach: Reach::project("p"), community: false, conditions: Vec::new() };
        assert_eq!(ids(&mut tx, &seen).await, ["public", "own-shared", "own"], "{}", database.name);
        let community =
            ImageFilter { community: true, conditions: vec![Condition::is("visibility", "community")], ..seen.clone() };
        assert_eq!(ids(&mut tx, &community).await, ["community"]);
        let with_community = ImageFilter { community: true, ..seen.clone() };
        assert_eq!(ids(&mut tx, &with_community).await, ["community", "public", "own-shared", "own"]);
        assert_eq!(ids(&mut tx, &ImageFilter::all()).await.len(), 6);
        let private = ImageFilter { conditions: vec![Condition::is("visibility", "private")], ..seen.clone() };
        assert_eq!(ids(&mut tx, &private).await, ["own"]);
    }
}

#[tokio::test]
async fn filters_narrow_a_list() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        for (id, at) in [("one", 1), ("two", 2), ("three", 3)] {
            insert_image(&mut tx, &an_image(id, "p", Visibility::Private, at)).await.expect("insert");
        }
        assert!(begin_upload(&mut tx, "two", ImageState::Saving, "req", Timestamp(2)).await.expect("begin"));
        assert!(finish_upload(&mut tx, "two", "req", &content("b", 100), Timestamp(2)).await.expect("finish"));
        let test = |field: &'static str, test: Test, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            Condition { field: field.into(), test, values }
        };
        let is = |field: &'static str, value: &str| test(field, Test::AnyOf, &[value]);
        let cases: Vec<(Vec<Condition>, Vec<&str>)> = vec![
            (vec![is("id", "one")], vec!["one"]),
            (vec![test("id", Test::AnyOf, &["three", "none", "one"])], vec!["three", "one"]),
            (vec![test("id", Test::AnyOf, &[])], vec![]),
            (vec![test("id", Test::NoneOf, &["three", "none"])], vec!["two", "one"]),
            (vec![is("name", "name of two")], vec!["two"]),
            (vec![test("name", Test::Part, &["of t"])], vec!["three", "two"]),
            (vec![test("name", Test::Part, &["OF T"])], vec![]),
            (vec![test("name", Test::PartAnyCase, &["OF T"])], vec!["three", "two"]),
            (vec![is("name", "\0")], vec![]),
            (vec![test("name", Test::Part, &["\0"])], vec![]),
            (vec![is("state", "queued")], vec!["three", "one"]),
            (vec![is("owner", "q")], vec![]),
            (vec![is("hidden", "true")], vec![]),
            (vec![is("protected", "false")], vec!["three", "two", "one"]),
            (vec![is("disk-format", "iso")], vec![]),
            (vec![is("container-format", "bare")], vec!["three", "two", "one"]),
            (vec![is("size", "100")], vec!["two"]),
            (vec![test("size", Test::AnyOf, &["100", "7"])], vec!["two"]),
            (vec![test("size", Test::From, &["101"])], vec![]),
            (vec![test("size", Test::Before, &["101"])], vec!["two"]),
            (vec![test("size", Test::NoneOf, &["100"])], vec!["three", "one"]),
            (vec![test("size", Test::Set, &["false"])], vec!["three", "one"]),
            (vec![test("checksum", Test::Set, &["true"])], vec!["two"]),
            (vec![test("virtual-size", Test::Before, &["200"])], vec![]),
            (vec![is("min-memory-mib", "64"), is("id", "three")], vec!["three"]),
            (vec![test("created-at", Test::From, &["2"])], vec!["three", "two"]),
            (vec![test("created-at", Test::Before, &["2"])], vec!["one"]),
            (vec![test("updated-at", Test::Outside, &["2", "100"])], vec!["one"]),
            (vec![test("created-at", Test::Outside, &["0", "1000", "3", "4"])], vec![]),
            (vec![is("tags", "a"), is("tags", "two")], vec!["two"]),
            (vec![is("tags", "one"), is("tags", "two")], vec![]),
            (vec![test("tags", Test::AllOf, &["a", "two", "a"])], vec!["two"]),
            (vec![test("tags", Test::AllOf, &["one", "two"])], vec![]),
            (vec![test("tags", Test::AnyOf, &["one", "two"])], vec!["two", "one"]),
            (vec![test("tags", Test::NoneOf, &["one", "two"])], vec!["three"]),
            (vec![test("tags", Test::NotAllOf, &["a", "two"])], vec!["three", "one"]),
            (vec![is("checksum", "md5"), is("hash-value", "sha")], vec!["two"]),
            (vec![test("properties", Test::Pairs, &["os", "os one"])], vec!["one"]),
            (vec![test("properties", Test::Pairs, &["os", "os one", "os", "os two"])], vec![]),
        ];
        for (conditions, expected) in cases {
            let filter = ImageFilter { conditions, ..ImageFilter::all() };
            assert_eq!(ids(&mut tx, &filter).await, expected, "{}: {filter:?}", database.name);
        }
    }
}

#[tokio::test]
async fn an_image_that_is_given_away_belongs_to_its_new_owners_domain() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        for (domain, project) in [("east", "e"), ("west", "w")] {
            a_project(&mut tx, domain, project).await;
        }
        let image = an_image("given", "e", Visibility::Private, 10);
        insert_image(&mut tx, &image).await.expect("insert");
        let own = async |tx: &mut Conn, domain: &str| {
            let reach = Reach::Domain(domain.to_owned());
            seen_image(tx, "given", &reach).await.expect("seen").map(|(_, own)| own)
        };
        assert_eq!((own(&mut tx, "east").await, own(&mut tx, "west").await), (Some(true), None), "{}", database.name);
        let given = Image { owner: "w".to_owned(), updated_at: Timestamp(image.updated_at.0 + 1), ..image.clone() };
        assert!(update_image(&mut tx, &given, image.updated_at).await.expect("update"));
        assert_eq!((own(&mut tx, "east").await, own(&mut tx, "west").await), (None, Some(true)), "{}", database.name);
    }
}
