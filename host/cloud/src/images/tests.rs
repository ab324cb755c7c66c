//! The rules of images and the way of their bytes, on both databases.

use std::sync::Arc;

use skyloom_runtime::api::ImagesApi as _;
use skyloom_runtime::bindings::cloud::images as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::{Error, ErrorCode};
use skyloom_runtime::context::CallContext;
use skyloom_store::args;
use skyloom_store::boot_images::{self, BootImages};

use super::qcow2;
use crate::compute::testing::{World, member, operator};
use crate::lists::asked;
use crate::{Cloud, Settings};

async fn worlds() -> Vec<World> {
    crate::compute::testing::worlds(Settings::default()).await
}

fn create(format: &str) -> wit::ImageCreate {
    wit::ImageCreate {
        id: None,
        name: Some("image".to_owned()),
        visibility: None,
        protected: false,
        hidden: false,
        disk_format: Some(format.to_owned()),
        container_format: Some(if format.starts_with('a') { format } else { "bare" }.to_owned()),
        min_disk_gib: 0,
        min_memory_mib: 0,
        tags: Vec::new(),
        properties: Vec::new(),
        owner: None,
        attributes: "{}".to_owned(),
    }
}

fn as_it_is(image: &wit::Image) -> wit::ImageUpdate {
    wit::ImageUpdate {
        read_at: image.updated_at,
        name: image.name.clone(),
        visibility: image.visibility,
        protected: image.protected,
        hidden: image.hidden,
        disk_format: image.disk_format.clone(),
        container_format: image.container_format.clone(),
        min_disk_gib: image.min_disk_gib,
        min_memory_mib: image.min_memory_mib,
        tags: image.tags.clone(),
        properties: image.properties.clone(),
        owner: image.owner.clone(),
        attributes: None,
    }
}

fn page() -> PageRequest {
    PageRequest { limit: 0, marker: None, sort: Vec::new() }
}

/// What the gateway does with an upload.
async fn upload(cloud: &Cloud, context: &Arc<CallContext>, id: &str, bytes: &[u8]) -> Result<(), Error> {
    cloud.begin_upload(context, id.to_owned()).await?;
    let mut writer = cloud.images.create_blob(context).await?;
    writer.write(bytes).await?;
    let stored = writer.finish().await?;
    cloud.finish_upload(context, id.to_owned(), stored.name).await
}

fn files(cloud: &Cloud) -> usize {
    std::fs::read_dir(cloud.images.blob_folder()).map_or(0, Iterator::count)
}

macro_rules! refused {
    ($answer:expr, $code:ident) => {{
        let error = $answer.await.expect_err("a refusal");
        assert!(matches!(error.code, ErrorCode::$code), "{error:?} instead of {}", stringify!($code));
    }};
}

#[tokio::test]
async fn bytes_come_in_and_go_out_again() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let before = files(cloud);
        let image = cloud.create_image(&context, create("raw")).await.expect("create");
        assert!(matches!(image.state, wit::ImageState::Queued) && matches!(image.visibility, wit::Visibility::Shared));
        assert!(cloud.open_download(&context, image.id.clone()).await.expect("no bytes").is_none());
        upload(cloud, &context, &image.id, b"abc").await.expect("upload");
        let image = cloud.get_image(&context, image.id).await.expect("get");
        assert!(matches!(image.state, wit::ImageState::Active), "{}", world.database.name);
        assert_eq!((image.size, image.virtual_size), (Some(3), Some(3)));
        assert_eq!(image.checksum.as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(image.hash_algorithm.as_deref(), Some("sha512"));
        let download = cloud.open_download(&context, image.id.clone()).await.expect("open").expect("bytes");
        let (_, length) = cloud.images.open_blob(&download.blob).await.expect("the file");
        assert_eq!((length, download.size), (3, 3));
        refused!(cloud.begin_upload(&context, image.id.clone()), WrongState);

        let mut conn = world.database.db.read().await.expect("read");
        let open = skyloom_store::metering::open_of(&mut conn, &image.id).await.expect("spans");
        assert_eq!(
            open.iter().map(|span| (span.meter.as_str(), span.quantity)).collect::<Vec<_>>(),
            [("image-gib", 1)]
        );
        drop(conn);
        cloud.delete_image(&context, image.id.clone()).await.expect("delete");
        assert_eq!(files(cloud), before);
        // Its id stays taken, for a stranger as for its owner, and in no other spelling either.
        for whose in ["p", "q"] {
            let chosen = |id: String| wit::ImageCreate { id: Some(id), ..create("raw") };
            refused!(cloud.create_image(&member(whose), chosen(image.id.clone())), AlreadyExists);
            for spelling in [image.id.to_uppercase(), image.id.replace('-', ""), format!("{{{}}}", image.id)] {
                refused!(cloud.create_image(&member(whose), chosen(spelling)), Invalid);
            }
        }
        let mut conn = world.database.db.read().await.expect("read");
        assert!(skyloom_store::metering::open_of(&mut conn, &image.id).await.expect("spans").is_empty());
        refused!(cloud.get_image(&context, image.id), NotFound);
    }
}

#[tokio::test]
async fn no_bytes_are_an_upload_like_another() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let image = cloud.create_image(&context, create("raw")).await.expect("create");
        upload(cloud, &context, &image.id, b"").await.expect("upload");
        let image = cloud.get_image(&context, image.id).await.expect("get");
        assert!(matches!(image.state, wit::ImageState::Active), "{}", world.database.name);
        assert_eq!((image.size, image.checksum.as_deref()), (Some(0), Some("d41d8cd98f00b204e9800998ecf8427e")));
        let download = cloud.open_download(&context, image.id.clone()).await.expect("open").expect("a file");
        assert_eq!(cloud.images.open_blob(&download.blob).await.expect("the file").1, 0);
        let mut conn = world.database.db.read().await.expect("read");
        let open = skyloom_store::metering::open_of(&mut conn, &image.id).await.expect("spans");
        assert_eq!(open.iter().map(|span| span.quantity).collect::<Vec<_>>(), [0]);
    }
}

#[tokio::test]
async fn bytes_that_lie_leave_nothing_behind() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let before = files(cloud);
        let qcow2 = qcow2::tests::image();
        let mut backed = qcow2.clone();
        backed[8..16].copy_from_slice(&512_u64.to_be_bytes());
        for (format, bytes) in
            [("raw", &qcow2[..]), ("qcow2", &backed[..]), ("qcow2", b"raw"), ("iso", b"no"), ("qcow2", b"")]
        {
            let image = cloud.create_image(&context, create(format)).await.expect("create");
            refused!(upload(cloud, &context, &image.id, bytes), BadContent);
            let after = cloud.get_image(&context, image.id.clone()).await.expect("get");
            assert!(matches!(after.state, wit::ImageState::Queued), "{format}");
            assert_eq!((after.size, files(cloud)), (None, before), "{format}");
        }
        // Another try with honest bytes is fine.
        let image = cloud.create_image(&context, create("qcow2")).await.expect("create");
        refused!(upload(cloud, &context, &image.id, b"lie"), BadContent);
        upload(cloud, &context, &image.id, &qcow2).await.expect("honest");
        assert_eq!(cloud.get_image(&context, image.id).await.expect("get").virtual_size, Some(1 << 20));
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_queued_again() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let image = cloud.create_image(&context, create("raw")).await.expect("create");
        cloud.begin_upload(&context, image.id.clone()).await.expect("begin");
        refused!(cloud.begin_upload(&member("p"), image.id.clone()), WrongState);
        // Another request's end doesn't touch it.
        cloud.images.abort_upload(&member("p")).await;
        let state = cloud.get_image(&context, image.id.clone()).await.expect("get").state;
        assert!(matches!(state, wit::ImageState::Saving));
        cloud.images.abort_upload(&context).await;
        let state = cloud.get_image(&context, image.id.clone()).await.expect("get").state;
        assert!(matches!(state, wit::ImageState::Queued));

        // A crash in the middle: the next start clears image and file, and keeps what is whole.
        let whole = files(cloud);
        cloud.begin_upload(&context, image.id.clone()).await.expect("begin");
        std::fs::write(cloud.images.blob_folder().join(format!("{}.part", skyloom_model::new_id())), b"x")
            .expect("a rest");
        cloud.images.sweep_images(true).await.expect("sweep");
        let state = cloud.get_image(&context, image.id.clone()).await.expect("get").state;
        assert!(matches!(state, wit::ImageState::Queued));
        assert_eq!(files(cloud), whole);
        // Bytes that nobody stored can't be claimed, and not by a path.
        for blob in ["../x", &skyloom_model::new_id()] {
            cloud.begin_upload(&context, image.id.clone()).await.expect("begin");
            refused!(cloud.finish_upload(&context, image.id.clone(), blob.to_owned()), Invalid);
            cloud.images.abort_upload(&context).await;
        }
    }
}

#[tokio::test]
async fn images_are_seen_and_changed_by_whom_they_should() {
    for world in worlds().await {
        let (cloud, owner, other) = (&world.cloud, member("p"), member("q"));
        let with = |visibility| wit::ImageCreate { visibility: Some(visibility), ..create("raw") };
        refused!(cloud.create_image(&owner, with(wit::Visibility::Public)), Forbidden);
        let public = cloud.create_image(&operator("admin"), with(wit::Visibility::Public)).await.expect("public");
        let private = cloud.create_image(&owner, with(wit::Visibility::Private)).await.expect("private");
        let community = cloud.create_image(&owner, with(wit::Visibility::Community)).await.expect("community");
        refused!(cloud.get_image(&other, private.id.clone()), NotFound);
        refused!(cloud.delete_image(&other, private.id.clone()), NotFound);
        refused!(cloud.begin_upload(&other, private.id.clone()), NotFound);
        refused!(cloud.add_tag(&other, community.id.clone(), "x".to_owned()), Forbidden);
        refused!(cloud.update_image(&other, public.id.clone(), as_it_is(&public)), Forbidden);
        refused!(cloud.set_active(&other, private.id.clone(), false), NotFound);
        for image in [&public, &community] {
            refused!(cloud.set_active(&other, image.id.clone(), false), Forbidden);
        }
        refused!(cloud.set_active(&owner, private.id.clone(), false), WrongState);
        assert_eq!(cloud.get_image(&other, community.id.clone()).await.expect("community").id, community.id);
        let seen = cloud.list_images(&other, Vec::new(), page()).await.expect("list").images;
        let ids: Vec<&str> = seen.iter().map(|image| image.id.as_str()).collect();
        assert!(
            ids.contains(&public.id.as_str())
                && !ids.contains(&community.id.as_str())
                && !ids.contains(&private.id.as_str())
        );
        let all = vec![asked("all-projects", "any-of", &["true"])];
        refused!(cloud.list_images(&other, all.clone(), page()), Forbidden);
        let all = cloud.list_images(&operator("admin"), all, page()).await.expect("all").images;
        assert!(all.iter().any(|image| image.id == private.id));
    }
}

#[tokio::test]
async fn changes_are_checked() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let image = cloud.create_image(&context, create("raw")).await.expect("create");
        let renamed = wit::ImageUpdate {
            name: Some("new".to_owned()),
            protected: true,
            tags: vec!["b".to_owned(), "a".to_owned(), "b".to_owned()],
            properties: vec![("os_distro".to_owned(), "x".to_owned())],
            ..as_it_is(&image)
        };
        let changed = cloud.update_image(&context, image.id.clone(), renamed.clone()).await.expect("update");
        let read = cloud.get_image(&context, image.id.clone()).await.expect("get");
        assert_eq!(format!("{changed:?}"), format!("{read:?}"));
        assert_eq!(changed.tags, ["a", "b"]);
        // Based on what was read before: lost no more.
        refused!(cloud.update_image(&context, image.id.clone(), renamed), WrongState);
        refused!(cloud.delete_image(&context, image.id.clone()), Forbidden);
        let public = wit::ImageUpdate { visibility: wit::Visibility::Public, ..as_it_is(&changed) };
        refused!(cloud.update_image(&context, image.id.clone(), public), Forbidden);
        let given = wit::ImageUpdate { owner: "q".to_owned(), ..as_it_is(&changed) };
        refused!(cloud.update_image(&context, image.id.clone(), given), Forbidden);
        upload(cloud, &context, &image.id, b"abc").await.expect("upload");
        let active = cloud.get_image(&context, image.id.clone()).await.expect("get");
        let other = wit::ImageUpdate { disk_format: Some("iso".to_owned()), ..as_it_is(&active) };
        refused!(cloud.update_image(&context, image.id.clone(), other), Forbidden);
        cloud.add_tag(&context, image.id.clone(), "c".to_owned()).await.expect("tag");
        refused!(cloud.remove_tag(&context, image.id.clone(), "z".to_owned()), NotFound);
        cloud.set_active(&context, image.id.clone(), false).await.expect("deactivate");
        refused!(cloud.open_download(&context, image.id.clone()), Forbidden);
        assert!(cloud.open_download(&operator("admin"), image.id.clone()).await.expect("operator").is_some());

        for (what, wrong) in [
            ("id", wit::ImageCreate { id: Some("x".to_owned()), ..create("raw") }),
            ("format", create("vmdk")),
            ("mix", wit::ImageCreate { container_format: Some("aki".to_owned()), ..create("raw") }),
            ("name", wit::ImageCreate { name: Some("x".repeat(256)), ..create("raw") }),
            (
                "unnamed property",
                wit::ImageCreate { properties: vec![(String::new(), "x".to_owned())], ..create("raw") },
            ),
            ("nul", wit::ImageCreate { tags: vec!["a\0".to_owned()], ..create("raw") }),
        ] {
            let error = cloud.create_image(&context, wrong).await.expect_err(what);
            assert!(matches!(error.code, ErrorCode::Invalid), "{what}: {error:?}");
        }
        let taken = wit::ImageCreate { id: Some(image.id.clone()), ..create("raw") };
        refused!(cloud.create_image(&context, taken), AlreadyExists);
        let unnamed = wit::ImageCreate { disk_format: None, ..create("raw") };
        let unnamed = cloud.create_image(&context, unnamed).await.expect("without a format");
        refused!(cloud.begin_upload(&context, unnamed.id), Invalid);
    }
}

#[tokio::test]
async fn an_image_stays_while_a_disk_stands_on_it() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let kernel = cloud.create_image(&context, create("aki")).await.expect("kernel");
        let disk = cloud.create_image(&context, create("ami")).await.expect("disk");
        let mut tx = world.database.db.begin().await.expect("begin");
        tx.execute(
            "INSERT INTO volumes (id, project_id, user_id, name, size_gib, volume_type, bootable, state, server_id, boot_index, \
             device, delete_on_termination, image_id, created_at, updated_at) \
             VALUES ('v', 'p', 'u', '', 1, 't', 1, 'in-use', 's', 0, '/dev/vda', 1, $1, 1, 1)",
            args![&disk.id],
        )
        .await
        .expect("volume");
        let with = BootImages { kernel: Some(kernel.id.clone()), ramdisk: None };
        boot_images::insert(&mut tx, "s", &with).await.expect("kernel");
        tx.commit().await.expect("commit");
        refused!(cloud.delete_image(&context, disk.id.clone()), InUse);
        refused!(cloud.delete_image(&context, kernel.id.clone()), InUse);
        let mut tx = world.database.db.begin().await.expect("begin");
        tx.execute("DELETE FROM volumes", &[]).await.expect("volumes");
        boot_images::release(&mut tx, "s").await.expect("kernel");
        tx.commit().await.expect("commit");
        cloud.delete_image(&context, disk.id).await.expect("disk");
        cloud.delete_image(&context, kernel.id).await.expect("kernel");
    }
}

#[tokio::test]
async fn uploads_at_the_same_time_stay_within_the_projects_share() {
    const LEFT: u64 = 1 << 20;
    let mut settings = Settings::default();
    settings.images.max_gib_per_project = 1;
    for world in crate::compute::testing::worlds(settings).await {
        let cloud = &world.cloud;
        let stored = world.upload(&member("p"), &[]).await.id;
        let mut tx = world.database.db.begin().await.expect("begin");
        tx.execute("UPDATE images SET size = $2 WHERE id = $1", args![&stored, (1 << 30) - LEFT as i64])
            .await
            .expect("as if it were large");
        tx.commit().await.expect("commit");

        let mut uploads = Vec::new();
        for _ in 0..10 {
            let context = member("p");
            let image = cloud.create_image(&context, create("raw")).await.expect("create").id;
            cloud.begin_upload(&context, image.clone()).await.expect("begin");
            let writer = cloud.images.create_blob(&context).await.expect("a file");
            uploads.push((context, image, writer));
        }
        let piece = vec![7; LEFT as usize / 4];
        let mut written = 0;
        for _ in 0..4 {
            for (_, _, writer) in &mut uploads {
                match writer.write(&piece).await {
                    Ok(()) => written += piece.len() as u64,
                    Err(error) => assert_eq!(error.code, skyloom_model::ErrorCode::QuotaExceeded),
                }
            }
        }
        assert_eq!(written, LEFT, "{}", world.database.name);
        // What comes to nothing gives its room back, what is whole keeps what it needs.
        let (first, image, writer) = uploads.remove(0);
        let blob = writer.finish().await.expect("finish").name;
        for (context, _, _) in &uploads {
            cloud.images.abort_upload(context).await;
        }
        cloud.finish_upload(&first, image.clone(), blob).await.expect("the first is whole");
        let (second, image_of_second, mut writer) = uploads.remove(0);
        assert_eq!(writer.write(b"x").await.expect_err("aborted").code, skyloom_model::ErrorCode::NotFound);
        cloud.delete_image(&first, image).await.expect("delete");
        cloud.begin_upload(&second, image_of_second).await.expect("begin again");
        writer.write(&piece).await.expect("room again");
    }
}

#[tokio::test]
async fn a_projects_images_are_limited() {
    let mut settings = Settings::default();
    settings.images.max_images_per_project = 1;
    settings.images.max_tags = 1;
    for world in crate::compute::testing::worlds(settings).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let tagged = wit::ImageCreate { tags: vec!["a".to_owned(), "b".to_owned()], ..create("raw") };
        refused!(cloud.create_image(&context, tagged), QuotaExceeded);
        cloud.create_image(&context, create("raw")).await.expect("the first");
        refused!(cloud.create_image(&context, create("raw")), QuotaExceeded);
        cloud.create_image(&member("q"), create("raw")).await.expect("another project's");
    }
}

fn large(count: usize, bytes: usize) -> wit::ImageCreate {
    let properties = (0..count).map(|number| (format!("p{number}"), "x".repeat(bytes))).collect();
    wit::ImageCreate { properties, ..create("raw") }
}

#[tokio::test]
async fn an_images_texts_are_bounded_together() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let wrong = [large(3, 60_000), wit::ImageCreate { name: Some("n".repeat(100)), ..large(2, 65_500) }];
        for wrong in wrong {
            let error = cloud.create_image(&context, wrong).await.expect_err("too much");
            assert!(matches!(error.code, ErrorCode::Invalid), "{error:?}");
            assert_eq!(error.field.as_deref(), Some("properties"));
        }
        let image = cloud.create_image(&context, large(2, 65_500)).await.expect("create");
        let more = wit::ImageUpdate { tags: vec!["t".repeat(250)], ..as_it_is(&image) };
        refused!(cloud.update_image(&context, image.id.clone(), more), Invalid);
        refused!(cloud.add_tag(&context, image.id.clone(), "t".repeat(250)), Invalid);
    }
}

#[tokio::test]
async fn a_names_blanks_at_its_ends_stay() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let name = Some(" two  blanks\t".to_owned());
        let made = cloud.create_image(&context, wit::ImageCreate { name: name.clone(), ..create("raw") }).await;
        let made = made.expect("create");
        let kept = cloud.get_image(&context, made.id.clone()).await.expect("the image").name;
        assert_eq!((&made.name, &kept), (&name, &name), "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_property_that_is_wrong_is_named() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let image = cloud.create_image(&context, create("raw")).await.expect("create");
        let long = "n".repeat(256);
        for (name, value, field, reason, named) in [
            ("os_distro", "v".repeat(65_536), "properties", "too-long", "os_distro"),
            ("os_distro", "a\0".to_owned(), "properties", "malformed", "os_distro"),
            (long.as_str(), "v".to_owned(), "property-name", "too-long", format!("{}...", "n".repeat(255)).as_str()),
            ("a\0", "v".to_owned(), "property-name", "malformed", "a\0"),
        ] {
            let properties = vec![("os_arch".to_owned(), "x".to_owned()), (name.to_owned(), value)];
            let new = wit::ImageCreate { properties: properties.clone(), ..create("raw") };
            let changed = wit::ImageUpdate { properties, ..as_it_is(&image) };
            for error in [
                cloud.create_image(&context, new).await.expect_err("create"),
                cloud.update_image(&context, image.id.clone(), changed).await.expect_err("update"),
            ] {
                assert!(matches!(error.code, ErrorCode::Invalid), "{error:?}");
                assert_eq!((error.field.as_deref(), error.reason.as_deref()), (Some(field), Some(reason)));
                let resource = error.resource.as_ref().map(|(kind, name)| (kind.as_str(), name.as_str()));
                assert_eq!(resource, Some(("property", named)));
            }
        }
    }
}

#[tokio::test]
async fn a_list_of_large_images_comes_in_pages_of_bounded_bytes() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let mut made = Vec::new();
        for _ in 0..40 {
            made.push(cloud.create_image(&context, large(2, 65_000)).await.expect("create").id);
        }
        let (mut seen, mut marker, mut pages) = (Vec::new(), None, 0);
        loop {
            let request = PageRequest { marker, ..page() };
            let listed = cloud.list_images(&context, Vec::new(), request).await.expect("list");
            let bytes: usize = listed
                .images
                .iter()
                .flat_map(|image| &image.properties)
                .map(|(name, value)| name.len() + value.len())
                .sum();
            assert!(bytes <= skyloom_store::listing::PAGE_BYTES, "{bytes}");
            seen.extend(listed.images.into_iter().map(|image| image.id));
            pages += 1;
            marker = listed.next;
            if marker.is_none() {
                break;
            }
        }
        made.retain(|id| !seen.contains(id));
        assert_eq!((made, pages), (Vec::new(), 2), "{}", world.database.name);
    }
}
