//! The tags of a server: which there may be, and how they change.

use std::collections::BTreeSet;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::servers as store;

use super::Compute;
use super::rules::{self, Verb};
use crate::events::{self, Owner};

const MAX_TAGS: usize = 50;
const MAX_TAG: usize = 80;

/// Each once.
pub(super) fn checked(tags: &[String]) -> Result<BTreeSet<String>> {
    let bad = |tag: &String| tag.is_empty() || tag.chars().count() > MAX_TAG || tag.contains(['/', ',', '\0']);
    if tags.iter().any(bad) {
        let message = format!("A tag of a server has 1 to {MAX_TAG} characters, without '/', ',' and NUL.");
        return Err(Error::invalid("tags", message));
    }
    let unique: BTreeSet<String> = tags.iter().cloned().collect();
    check_count(unique.len())?;
    Ok(unique)
}

fn check_count(count: usize) -> Result<()> {
    if count > MAX_TAGS {
        return Err(Error::invalid("tags", format!("A server has at most {MAX_TAGS} tags.")));
    }
    Ok(())
}

impl Compute {
    pub(super) async fn put_tags(
        &self,
        context: &CallContext,
        id: &str,
        new: &[String],
        mode: wit::MetadataMode,
    ) -> Result<Vec<String>> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersUpdateTags)?;
        let new = checked(new)?;
        let put = |old: &BTreeSet<String>| match mode {
            wit::MetadataMode::Replace => Ok(new),
            wit::MetadataMode::Merge => Ok(old.union(&new).cloned().collect()),
        };
        Ok(self.change_tags(context, &reach, id, put).await?.into_iter().collect())
    }

    pub(super) async fn swap_tags(
        &self,
        context: &CallContext,
        id: &str,
        old: Vec<String>,
        new: &[String],
    ) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersUpdateTags)?;
        let new = checked(new)?;
        let read: BTreeSet<String> = old.into_iter().collect();
        let swap = |there: &BTreeSet<String>| {
            let message = "The server has other tags by now.";
            let changed =
                || Error::new(ErrorCode::WrongState, message).with_resource("server", id).with_reason("changed");
            if *there == read { Ok(new) } else { Err(changed()) }
        };
        self.change_tags(context, &reach, id, swap).await.map(drop)
    }

    pub(super) async fn remove_tag(&self, context: &CallContext, id: &str, tag: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersUpdateTags)?;
        let remove = |old: &BTreeSet<String>| {
            let mut new = old.clone();
            let message = "The server has no such tag.";
            let gone = || Error::new(ErrorCode::NotFound, message).with_resource("server", id).with_field("tag");
            if new.remove(tag) { Ok(new) } else { Err(gone()) }
        };
        self.change_tags(context, &reach, id, remove).await.map(drop)
    }

    /// Gives the server the tags that `change` makes of those that it has, and gives them.
    async fn change_tags(
        &self,
        context: &CallContext,
        reach: &Reach,
        id: &str,
        change: impl FnOnce(&BTreeSet<String>) -> Result<BTreeSet<String>>,
    ) -> Result<BTreeSet<String>> {
        let mut tx = self.db().begin().await?;
        let server = self.locked_server(&mut tx, reach, id).await?;
        rules::check(Verb::Tags, &server, context.caller()?)?;
        let old = store::tags(&mut tx, id).await?;
        let new = change(&old)?;
        check_count(new.len())?;
        events::changed(
            &mut tx,
            context,
            Action::ServersUpdateTags,
            ("server", id),
            Owner::Project(&server.project_id),
        )
        .await?;
        store::put_tags(&mut tx, id, &old, &new, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use skyloom_runtime::api::ComputeApi;

    use super::*;
    use crate::Settings;
    use crate::compute::testing::{Kind, World, member, worlds};
    use crate::lists::all_parts;

    fn texts(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    async fn made(world: &World) -> String {
        let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
        made.server_ids.into_iter().next().expect("a server")
    }

    #[test]
    fn tags_are_bounded() {
        assert_eq!(checked(&texts(&["b", "a", "b"])).expect("tags").len(), 2);
        checked(&["x".repeat(MAX_TAG)]).expect("the longest");
        for bad in ["", "a/b", "a,b", "a\0b", &"x".repeat(MAX_TAG + 1)] {
            assert_eq!(checked(&texts(&[bad])).expect_err(bad).field.as_deref(), Some("tags"));
        }
        let many = |count: usize| checked(&(0..count).map(|number| format!("t{number}")).collect::<Vec<_>>());
        many(MAX_TAGS).expect("as many as there may be");
        assert_eq!(many(MAX_TAGS + 1).expect_err("one too many").field.as_deref(), Some("tags"));
    }

    #[tokio::test]
    async fn tags_are_added_replaced_and_removed() {
        for world in worlds(Settings::default()).await {
            let (cloud, context) = (&world.cloud, member("p"));
            let id = made(&world).await;
            let merge = wit::MetadataMode::Merge;
            let early = cloud.set_tags(&context, id.clone(), texts(&["a"]), merge).await;
            assert_eq!(early.expect_err("being built").kind(), ErrorCode::WrongState);
            world.make_active(&id).await;
            let before = cloud.get_server(&context, id.clone(), all_parts()).await.expect("server").updated_at;
            let set = async |tags: &[&str], mode| cloud.set_tags(&context, id.clone(), texts(tags), mode).await;
            assert_eq!(set(&["b", "a=1"], merge).await.expect("tags"), ["a=1", "b"]);
            assert_eq!(set(&["c", "b"], merge).await.expect("tags"), ["a=1", "b", "c"]);
            let server = cloud.get_server(&context, id.clone(), all_parts()).await.expect("server");
            assert_eq!(server.tags, ["a=1", "b", "c"]);
            assert!(server.updated_at > before, "who looks for changes finds it");
            assert_eq!(set(&["z"], wit::MetadataMode::Replace).await.expect("tags"), ["z"]);
            let gone = cloud.delete_tag(&context, id.clone(), "b".to_owned()).await.expect_err("gone");
            assert_eq!((gone.kind(), gone.field.as_deref()), (ErrorCode::NotFound, Some("tag")));
            cloud.delete_tag(&context, id.clone(), "z".to_owned()).await.expect("removal");
            assert!(set(&[], wit::MetadataMode::Replace).await.expect("tags").is_empty());
            // Only instead of what was read.
            let exchange = async |old: &[&str], new: &[&str]| {
                cloud.exchange_tags(&context, id.clone(), texts(old), texts(new)).await
            };
            exchange(&[], &["a=1", "b"]).await.expect("there are none");
            exchange(&["b", "a=1"], &["b", "a=2"]).await.expect("in any order");
            for stale in [&["a=1", "b"][..], &["b"], &[]] {
                let changed = exchange(stale, &["c"]).await.expect_err("others changed it");
                assert_eq!((changed.kind(), changed.reason.as_deref()), (ErrorCode::WrongState, Some("changed")));
            }
            assert_eq!(exchange(&["a=2", "b"], &["a/b"]).await.expect_err("wrong").field.as_deref(), Some("tags"));
            exchange(&["a=2", "b"], &[]).await.expect("all of them");
            // Together with those that are there, too.
            let many: Vec<String> = (0..MAX_TAGS).map(|number| format!("t{number}")).collect();
            cloud.set_tags(&context, id.clone(), many, merge).await.expect("as many as there may be");
            set(&["t1"], merge).await.expect("one that is there");
            assert_eq!(set(&["more"], merge).await.expect_err("too many").field.as_deref(), Some("tags"));
            let server = cloud.get_server(&context, id.clone(), all_parts()).await.expect("server");
            assert_eq!(server.tags.len(), MAX_TAGS, "{}", world.database.name);
        }
    }
}
