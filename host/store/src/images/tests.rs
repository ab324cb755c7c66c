use skyloom_model::{ErrorCode, Timestamp};

use super::*;
use crate::listing::Page;
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
        assert!(begin_upload(&mut tx, "one", "req-1", now).await.expect("begin"));
        assert!(!begin_upload(&mut tx, "one", "req-2", now).await.expect("second"));
        assert_eq!(abort_uploads(&mut tx, "req-2", now).await.expect("foreign"), 0);
        assert_eq!(abort_uploads(&mut tx, "req-1", now).await.expect("abort"), 1);
        assert!(begin_upload(&mut tx, "one", "req-3", now).await.expect("again"));
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
        assert!(begin_upload(&mut tx, "two", "req-4", now).await.expect("begin"));
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
        let seen = ImageFilter { viewer: Some("p".to_owned()), ..ImageFilter::default() };
        assert_eq!(ids(&mut tx, &seen).await, ["public", "own-shared", "own"], "{}", database.name);
        let community = ImageFilter { visibility: Some(Visibility::Community), ..seen.clone() };
        assert_eq!(ids(&mut tx, &community).await, ["community"]);
        let with_community = ImageFilter { community: true, ..seen.clone() };
        assert_eq!(ids(&mut tx, &with_community).await, ["community", "public", "own-shared", "own"]);
        assert_eq!(ids(&mut tx, &ImageFilter::default()).await.len(), 6);
        let private = ImageFilter { visibility: Some(Visibility::Private), ..seen.clone() };
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
        assert!(begin_upload(&mut tx, "two", "req", Timestamp(2)).await.expect("begin"));
        assert!(finish_upload(&mut tx, "two", "req", &content("b", 100), Timestamp(2)).await.expect("finish"));
        let text = |text: &str| vec![text.to_owned()];
        let none = ImageFilter::default;
        for (filter, expected) in [
            (ImageFilter { ids: text("one"), ..none() }, vec!["one"]),
            (ImageFilter { names: text("name of two"), ..none() }, vec!["two"]),
            (ImageFilter { states: vec![ImageState::Queued], ..none() }, vec!["three", "one"]),
            (ImageFilter { owner: Some("q".to_owned()), ..none() }, vec![]),
            (ImageFilter { hidden: Some(true), ..none() }, vec![]),
            (ImageFilter { protected: Some(false), ..none() }, vec!["three", "two", "one"]),
            (ImageFilter { disk_formats: text("iso"), ..none() }, vec![]),
            (ImageFilter { container_formats: text("bare"), ..none() }, vec!["three", "two", "one"]),
            (ImageFilter { min_size: Some(100), max_size: Some(100), ..none() }, vec!["two"]),
            (ImageFilter { min_size: Some(101), ..none() }, vec![]),
            (ImageFilter { min_virtual_size: Some(200), max_virtual_size: Some(200), ..none() }, vec!["two"]),
            (ImageFilter { max_virtual_size: Some(199), ..none() }, vec![]),
            (ImageFilter { min_disk_gib: Some(2), ..none() }, vec![]),
            (ImageFilter { min_memory_mib: Some(64), ids: text("three"), ..none() }, vec!["three"]),
            (ImageFilter { created_since: Some(Timestamp(2)), ..none() }, vec!["three", "two"]),
            (ImageFilter { created_before: Some(Timestamp(2)), ..none() }, vec!["one"]),
            (ImageFilter { updated_since: Some(Timestamp(4)), ..none() }, vec!["two"]),
            (ImageFilter { updated_before: Some(Timestamp(2)), ..none() }, vec!["one"]),
            (ImageFilter { updated_outside: vec![(Timestamp(2), Timestamp(100))], ..none() }, vec!["one"]),
            (ImageFilter { updated_outside: vec![(Timestamp(0), Timestamp(100))], ..none() }, vec![]),
            (
                ImageFilter {
                    created_outside: vec![(Timestamp(0), Timestamp(1000)), (Timestamp(3), Timestamp(4))],
                    ..none()
                },
                vec![],
            ),
            (ImageFilter { tags: vec!["a".to_owned(), "two".to_owned()], ..none() }, vec!["two"]),
            (ImageFilter { tags: vec!["one".to_owned(), "two".to_owned()], ..none() }, vec![]),
            (
                ImageFilter { checksum: Some("md5".to_owned()), hash_value: Some("sha".to_owned()), ..none() },
                vec!["two"],
            ),
            (ImageFilter { properties: vec![("os".to_owned(), "os one".to_owned())], ..none() }, vec!["one"]),
        ] {
            assert_eq!(ids(&mut tx, &filter).await, expected, "{}: {filter:?}", database.name);
        }
    }
}
