//! What a fixture compares: the hypervisor's world with the records.

use skyloom_faults::check;
use skyloom_faults::machine::Sight;
use skyloom_model::{Reach, VmState};
use skyloom_store::metering;
use skyloom_store::placements::{self, Purpose};
use skyloom_store::volumes::{self as volumes_of, VolumeState};

use crate::fixture::Fixture;
use crate::kinds::Kind;
use crate::nics;
use crate::world::World;

impl Fixture {
    /// The volume of a creation that came to nothing is as it was: record, disk, place, and charged by itself.
    pub async fn check_given(&self, kind: Kind, server: &str, case: &str) {
        let lives = self.server(server).await.is_some_and(|server| server.vm_state == VmState::Active);
        if kind != Kind::CreateFrom || lives {
            return;
        }
        let case = format!("{} {case}", self.name);
        let id = self.spare().await.unwrap_or_else(|| panic!("{case}: the volume is gone"));
        let mut conn = self.db.read().await.unwrap();
        let volume = volumes_of::get(&mut conn, &id, &Reach::All).await.unwrap().expect("the volume");
        assert_eq!((volume.state, volume.server_id.as_str()), (VolumeState::Available, ""), "{case}");
        assert!(self.world.sight().disks.contains(&id), "{case}: its disk is gone");
        let place = placements::place_of(&mut conn, &id, Purpose::Home).await.unwrap();
        assert_eq!(place.as_deref(), Some("node-1"), "{case}");
        let spans = metering::open_of(&mut conn, &id).await.unwrap();
        let servers: Vec<&str> = spans.iter().map(|span| span.server_id.as_str()).collect();
        assert_eq!(servers, [""], "{case}: what it costs");
    }

    /// Compares everything about one server at rest; the servers of these tests have two disks, and the one that is given to them.
    pub async fn check(&self, id: &str, case: &str) {
        let case = format!("{} {case}", self.name);
        let given = "SELECT count(*) FROM volumes WHERE name = 'spare' AND server_id = $1";
        let disks = 2 + usize::try_from(self.count(given, id).await).unwrap();
        let server = self.server(id).await;
        let away = server.as_ref().is_some_and(|server| server.node == "node-2");
        let (here, there) = match &self.other {
            Some(other) if away => (other, Some(&self.world)),
            other => (&self.world, other.as_ref()),
        };
        check::server(&self.db, &here.sight(), disks, id, &case).await;
        let between = server.is_some_and(|server| server.vm_state == VmState::Resized);
        match there {
            Some(there) => check_left(&there.sight(), here, between.then_some(id), &case),
            None => assert!(!away, "{case}: there is one node only"),
        }
        self.check_blobs(&case).await;
        nics::check(self, id, &case).await;
    }

    /// The store has the images' blobs and no other ones.
    async fn check_blobs(&self, case: &str) {
        let blobs = std::fs::read_dir(&self.settings.images.folder).unwrap().count();
        let images = self.count("SELECT count(*) FROM images WHERE blob <> $1", "").await;
        assert_eq!(i64::try_from(blobs).unwrap(), images, "{case}: blobs are left");
    }

    /// Compares everything, once all servers are deleted; the quota's figures are those of the records.
    pub async fn check_everything(&self) {
        use skyloom_runtime::api::QuotasApi;
        for world in self.worlds() {
            check::nothing_left(&self.db, &world.sight(), self.name).await;
        }
        self.check_blobs(self.name).await;
        let quotas = self.cloud.get_quotas(&self.context(), None).await.expect("quotas");
        for quota in quotas {
            if ["servers", "vcpus", "memory-mib", "volumes", "volume-gib", "ports"].contains(&quota.name.as_str()) {
                assert_eq!(quota.used, 0, "{}: {} are still used", self.name, quota.name);
            }
        }
    }
}

/// The node where the server is not has all that the server had there, off, while it is between the two; else nothing.
fn check_left(left: &Sight, here: &World, between: Option<&str>, case: &str) {
    let Some(id) = between else {
        assert!(left.machines.is_empty() && left.disks.is_empty(), "{case}: on the other node are {left:?}");
        return;
    };
    let (machine, now) = (left.machines.get(id).expect("what it had"), here.machine(id).expect("what it has"));
    assert!(!machine.running, "{case}: it runs on both nodes");
    assert_eq!((&machine.disks, &left.disks), (&now.disks, &now.disks), "{case}: its disks are on both nodes");
}
