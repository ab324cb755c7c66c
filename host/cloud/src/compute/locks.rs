//! The lock of a server: while it is there, only operators change the server. Whose lock it is decides who takes it off.

use skyloom_model::{Action, Caller, Error, Result, Timestamp};
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::servers::{self as store, Brief, LockedBy};

use super::Compute;
use super::common::check_text;

/// A reason that can be kept.
pub(super) fn checked(reason: Option<String>) -> Result<Option<String>> {
    if let Some(reason) = &reason {
        check_text("reason", reason)?;
        if reason.is_empty() {
            return Err(Error::invalid("reason", "A reason for a lock is not empty."));
        }
    }
    Ok(reason)
}

/// An owner changes nothing of a lock that is there.
pub(super) async fn lock(
    tx: &mut Conn,
    caller: &Caller,
    server: &Brief,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let by = locker(caller, server);
    if server.locked && by == LockedBy::Owner {
        return Ok(());
    }
    store::set_lock(tx, &server.id, by, reason, now).await
}

/// An operator who acts in the server's own project is an owner as the others there.
fn locker(caller: &Caller, server: &Brief) -> LockedBy {
    let is_at_home = caller.project_id() == Some(server.project_id.as_str());
    if caller.admin && !is_at_home { LockedBy::Operator } else { LockedBy::Owner }
}

impl Compute {
    pub(super) async fn unlock(
        &self,
        tx: &mut Conn,
        context: &CallContext,
        server: &Brief,
        now: Timestamp,
    ) -> Result<()> {
        if server.locked_by == Some(LockedBy::Operator) {
            self.permit(context.caller.as_deref(), Action::ServersUnlockAny)?;
        }
        store::clear_lock(tx, &server.id, now).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skyloom_model::{ErrorCode, VmState};
    use skyloom_runtime::api::ComputeApi;
    use skyloom_runtime::bindings::cloud::compute as wit;
    use skyloom_runtime::bindings::types::errors::Error;
    use skyloom_store::args;
    use skyloom_store::servers::Change;

    use super::*;
    use crate::Settings;
    use crate::compute::testing::{Kind, World, member, operator, volume, worlds};
    use crate::lists::all_parts;

    async fn active(world: &World) -> String {
        let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
        let id = made.server_ids.into_iter().next().expect("one");
        world.make_active(&id).await;
        id
    }

    async fn ask(
        world: &World,
        caller: &Arc<CallContext>,
        id: &str,
        verb: &str,
        options: &[(&str, &str)],
    ) -> std::result::Result<String, Error> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        world.cloud.act_on_servers(caller, vec![id.to_owned()], verb.to_owned(), options, false, true).await
    }

    async fn shown(world: &World, id: &str) -> (bool, Option<String>) {
        let server = world.cloud.get_server(&member("p"), id.to_owned(), all_parts()).await.expect("the server");
        (server.locked, server.locked_reason)
    }

    #[tokio::test]
    async fn what_an_owner_locks_the_owner_unlocks_and_what_an_operator_locks_operators() {
        for world in worlds(Settings::default()).await {
            let name = world.database.name;
            let (owner, outside, inside) = (member("p"), operator("op"), operator("p"));
            let id = active(&world).await;
            let reason = |text: &str| Some(text.to_owned());
            ask(&world, &owner, &id, "lock", &[("reason", "audit")]).await.expect("locked");
            assert_eq!(shown(&world, &id).await, (true, reason("audit")), "{name}");
            for caller in [&owner, &inside] {
                ask(&world, caller, &id, "lock", &[("reason", "other")]).await.expect("it is locked already");
                assert_eq!(shown(&world, &id).await, (true, reason("audit")), "{name}");
            }
            ask(&world, &owner, &id, "unlock", &[]).await.expect("the owner's lock");
            assert_eq!(shown(&world, &id).await, (false, None), "{name}");
            ask(&world, &owner, &id, "unlock", &[]).await.expect("it is not locked");

            ask(&world, &owner, &id, "lock", &[]).await.expect("locked");
            assert_eq!(shown(&world, &id).await, (true, None), "{name}");
            ask(&world, &outside, &id, "lock", &[("reason", "unpaid")]).await.expect("over the owner's");
            assert_eq!(shown(&world, &id).await, (true, reason("unpaid")), "{name}");
            let refused = ask(&world, &owner, &id, "unlock", &[]).await.expect_err("an operator's lock");
            assert_eq!(refused.kind(), ErrorCode::Forbidden, "{name}");
            assert_eq!(shown(&world, &id).await, (true, reason("unpaid")), "{name}");
            ask(&world, &inside, &id, "unlock", &[]).await.expect("another operator");
            assert_eq!(shown(&world, &id).await, (false, None), "{name}");
        }
    }

    #[tokio::test]
    async fn a_lock_is_of_the_own_project_and_its_reason_is_a_short_text() {
        for world in worlds(Settings::default()).await {
            let id = active(&world).await;
            for verb in ["lock", "unlock"] {
                let error = ask(&world, &member("q"), &id, verb, &[]).await.expect_err("of another project");
                assert_eq!(error.kind(), ErrorCode::NotFound, "{} {verb}", world.database.name);
            }
            for wrong in ["", "a\0b", &"x".repeat(256)] {
                let error = ask(&world, &member("p"), &id, "lock", &[("reason", wrong)]).await.expect_err("no reason");
                assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("reason")));
            }
            assert!(ask(&world, &member("p"), &id, "unlock", &[("reason", "a")]).await.is_err(), "it takes none");
            assert_eq!(shown(&world, &id).await, (false, None), "{}", world.database.name);
            let longest = "x".repeat(255);
            ask(&world, &member("p"), &id, "lock", &[("reason", longest.as_str())]).await.expect("the longest");
            assert_eq!(shown(&world, &id).await, (true, Some(longest)), "{}", world.database.name);
        }
    }

    /// By verbs, its deletion and its metadata; what only names it stays its owner's.
    #[tokio::test]
    async fn a_locked_server_is_changed_by_operators_only() {
        for world in worlds(Settings::default()).await {
            let (name, owner, cloud) = (world.database.name, member("p"), &world.cloud);
            let id = active(&world).await;
            let spare = volume(&world, &owner, "node-1").await;
            ask(&world, &owner, &id, "lock", &[]).await.expect("locked");
            let locked = |what: &str, error: Error| assert_eq!(error.kind(), ErrorCode::Locked, "{name} {what}");
            let (hard, flavor, volume) = (("hard", "true"), ("flavor-id", "2"), ("volume-id", spare.as_str()));
            for (verb, option) in [
                ("start", None),
                ("stop", None),
                ("reboot", None),
                ("reboot", Some(hard)),
                ("pause", None),
                ("unpause", None),
                ("suspend", None),
                ("resume", None),
                ("resize", Some(flavor)),
                ("confirm-resize", None),
                ("revert-resize", None),
                ("attach-volume", Some(volume)),
                ("detach-volume", Some(volume)),
                ("recycle", None),
                ("restore", None),
                ("purge", None),
            ] {
                locked(verb, ask(&world, &owner, &id, verb, option.as_slice()).await.expect_err(verb));
            }
            let options = wit::DeleteOptions { delete_volumes: false, delete_public_addresses: None };
            let deleted = cloud.delete_servers(&owner, vec![id.clone()], options, false, true).await;
            locked("delete", deleted.expect_err("delete"));
            let items = vec![("k".to_owned(), "v".to_owned())];
            let set = cloud.set_metadata(&owner, id.clone(), items.clone(), wit::MetadataMode::Merge).await;
            locked("metadata", set.expect_err("metadata"));

            let tags = vec!["a".to_owned()];
            cloud.set_tags(&owner, id.clone(), tags, wit::MetadataMode::Merge).await.expect("tags");
            let update = wit::ServerUpdate {
                name: Some("new".to_owned()),
                description: None,
                hostname: None,
                access_ipv4: None,
                access_ipv6: None,
                attributes: None,
            };
            cloud.update_server(&owner, id.clone(), update).await.expect("a name");
            cloud.console_output(&owner, id.clone(), None).await.expect("the console");
            let set = cloud.set_metadata(&operator("op"), id.clone(), items, wit::MetadataMode::Merge).await;
            set.expect("an operator");
            ask(&world, &owner, &id, "unlock", &[]).await.expect("unlocked");
            ask(&world, &owner, &id, "stop", &[]).await.expect("as before");
        }
    }

    #[test]
    fn a_lock_is_somebodys_and_no_schedules() {
        assert!(Compute::does("stop"));
        for verb in ["lock", "unlock", "resize"] {
            assert!(!Compute::does(verb), "{verb}");
        }
    }

    #[tokio::test]
    async fn a_lock_waits_for_nothing_and_leaves_what_is_under_way() {
        for world in worlds(Settings::default()).await {
            let name = world.database.name;
            let id = active(&world).await;
            ask(&world, &member("p"), &id, "stop", &[]).await.expect("accepted");
            let locks = world.count("operation_locks").await;
            let operation = ask(&world, &member("p"), &id, "lock", &[]).await.expect("at once");
            assert_eq!(world.count("operation_locks").await, locks, "{name}");
            let server = world.cloud.get_server(&member("p"), id.clone(), Vec::new()).await.expect("the server");
            assert_eq!((server.locked, server.task_state), (true, Some(wit::TaskState::PoweringOff)), "{name}");
            let mut conn = world.database.db.read().await.expect("read");
            let sql = "SELECT kind, state, runnable FROM operations WHERE id = $1";
            let ended = conn.one(sql, args![&operation], |row| Ok((row.text(0)?, row.text(1)?, row.int(2)?))).await;
            assert_eq!(ended.expect("the operation"), ("server.lock".to_owned(), "succeeded".to_owned(), 0), "{name}");
            drop(conn);
            // In the recycle bin, too, and as one of many.
            let mut tx = world.database.db.begin().await.expect("begin");
            let vm_state = Some(VmState::SoftDeleted);
            let change = Change { vm_state, task_state: Some(None), ..Change::default() };
            store::change(&mut tx, &id, &change, Timestamp::now()).await.expect("change");
            tx.commit().await.expect("commit");
            let (ids, verb) = (vec![id.clone()], "unlock".to_owned());
            let parent = world.cloud.act_on_servers(&member("p"), ids, verb, Vec::new(), true, true).await;
            let mut conn = world.database.db.read().await.expect("read");
            let sql = "SELECT state FROM operations WHERE id = $1";
            let parent = parent.expect("accepted");
            let state = conn.one(sql, args![&parent], |row| row.text(0)).await;
            assert_eq!(state.expect("the parent"), "succeeded", "{name}");
        }
    }
}
