//! Neutral actions: what the policy decides about, a word for each verb of a resource. A manifest maps each operation to one of
//! them, or to one that its plugin declares.

use std::borrow::Cow;

macro_rules! actions {
    ($($variant:ident $text:literal $least:ident $($joined:ident)?;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($variant,)* }

        impl Action {
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Action::$variant => $text,)* }
            }

            /// The core's own; a plugin's are in no table here.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Action::$variant),)* _ => None }
            }

            /// The least that the default policy asks for.
            #[must_use]
            pub fn least(self) -> Least {
                match self { $(Action::$variant => Least::$least,)* }
            }

            /// Whether it reaches all the projects that the caller has joined, whichever the token is for.
            #[must_use]
            pub fn joined(self) -> bool {
                match self { $(Action::$variant => concat!($(stringify!($joined))?) == "joined",)* }
            }
        }
    };
}

/// What a caller needs at least, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Least {
    /// Nobody needs to be known (version lists, login, a new password for the old one).
    Anyone,
    /// Any valid token, whatever its scope.
    Authenticated,
    /// Role `reader`, `member`, `manager` or `admin` in the project of the token, or `manager` of its domain.
    Reader,
    /// Role `member`, `manager` or `admin` in the project of the token, or `manager` of its domain.
    Member,
    /// Role `manager` of the token's domain.
    Manager,
    /// An operator of the cloud.
    Operator,
}

/// What the policy is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// `servers:start`; a plugin's own has the plugin's id before it: `fleet:reports:read`.
    pub word: Cow<'static, str>,
    pub least: Least,
}

impl From<Action> for Permission {
    fn from(action: Action) -> Self {
        Self { word: Cow::Borrowed(action.as_str()), least: action.least() }
    }
}

actions! {
    Public "public" Anyone;
    TokensIssue "tokens:issue" Anyone;
    TokensValidate "tokens:validate" Authenticated;
    TokensRevoke "tokens:revoke" Authenticated;
    CatalogRead "catalog:read" Authenticated;
    // Of what is the caller's own: user, projects, domains.
    IdentityReadOwn "identity:read-own" Authenticated;
    UsersChangePassword "users:change-password" Anyone;
    // Of one's own, each for the project of the token that makes it.
    AccessKeysRead "access-keys:read" Authenticated;
    AccessKeysCreate "access-keys:create" Authenticated;
    AccessKeysDelete "access-keys:delete" Authenticated;
    // And of everybody's, for any project.
    AccessKeysOthers "access-keys:others" Operator;
    UsersRead "users:read" Manager;
    UsersCreate "users:create" Manager;
    UsersUpdate "users:update" Manager;
    UsersDelete "users:delete" Manager;
    ProjectsRead "projects:read" Manager;
    ProjectsCreate "projects:create" Manager;
    ProjectsUpdate "projects:update" Manager;
    ProjectsDelete "projects:delete" Manager;
    DomainsRead "domains:read" Manager;
    DomainsCreate "domains:create" Operator;
    DomainsUpdate "domains:update" Operator;
    DomainsDelete "domains:delete" Operator;
    AssignmentsRead "assignments:read" Manager;
    AssignmentsGrant "assignments:grant" Manager;
    AssignmentsRevoke "assignments:revoke" Manager;
    // In the system, which is beside every project and domain.
    SystemAssignmentsRead "system-assignments:read" Operator;
    SystemAssignmentsGrant "system-assignments:grant" Operator;
    SystemAssignmentsRevoke "system-assignments:revoke" Operator;
    // Of roles that make their holder no more than a manager is.
    AssignmentsGrantAny "assignments:grant-any" Operator;
    RolesRead "roles:read" Manager;
    RolesCreate "roles:create" Operator;
    RolesUpdate "roles:update" Operator;
    RolesDelete "roles:delete" Operator;
    ServicesRead "services:read" Operator;
    ServersRead "servers:read" Reader;
    ServersReadAll "servers:read-all" Manager;
    ServersReadDeleted "servers:read-deleted" Operator;
    ServersCreate "servers:create" Member;
    ServersCreateOnNode "servers:create-on-node" Operator;
    ServersUpdate "servers:update" Member;
    ServersUpdateMetadata "servers:update-metadata" Member;
    ServersUpdateTags "servers:update-tags" Member;
    ServersStart "servers:start" Member;
    ServersStop "servers:stop" Member;
    ServersReboot "servers:reboot" Member;
    ServersPause "servers:pause" Member;
    ServersUnpause "servers:unpause" Member;
    ServersSuspend "servers:suspend" Member;
    ServersResume "servers:resume" Member;
    ServersLock "servers:lock" Member;
    ServersUnlock "servers:unlock" Member;
    // Where an operator locked it.
    ServersUnlockAny "servers:unlock-any" Operator;
    ServersResize "servers:resize" Member;
    ServersConfirmResize "servers:confirm-resize" Member;
    ServersRevertResize "servers:revert-resize" Member;
    ServersRebuild "servers:rebuild" Member;
    ServersDelete "servers:delete" Member;
    ServersRestore "servers:restore" Member;
    ServersConsole "servers:console" Member;
    ServerGroupsRead "server-groups:read" Reader;
    ServerGroupsReadAll "server-groups:read-all" Manager;
    ServerGroupsCreate "server-groups:create" Member;
    // A new server that is made in one, too.
    ServerGroupsAddMember "server-groups:add-member" Member;
    ServerGroupsRemoveMember "server-groups:remove-member" Member;
    ServerGroupsDelete "server-groups:delete" Member;
    ZonesRead "zones:read" Reader;
    ZonesReadNodes "zones:read-nodes" Operator;
    AggregatesRead "aggregates:read" Operator;
    AggregatesCreate "aggregates:create" Operator;
    AggregatesUpdate "aggregates:update" Operator;
    AggregatesDelete "aggregates:delete" Operator;
    AggregatesAddNode "aggregates:add-node" Operator;
    AggregatesRemoveNode "aggregates:remove-node" Operator;
    NodesConfigure "nodes:configure" Operator;
    ClockTurn "clock:turn" Operator;
    FlavorsRead "flavors:read" Reader;
    FlavorsReadAll "flavors:read-all" Operator;
    FlavorsCreate "flavors:create" Operator;
    FlavorsUpdate "flavors:update" Operator;
    FlavorsDelete "flavors:delete" Operator;
    FlavorsUpdateSpecs "flavors:update-specs" Operator;
    FlavorsReadAccess "flavors:read-access" Operator;
    FlavorsGrant "flavors:grant" Operator;
    FlavorsRevoke "flavors:revoke" Operator;
    KeypairsRead "keypairs:read" Authenticated;
    KeypairsCreate "keypairs:create" Authenticated;
    KeypairsDelete "keypairs:delete" Authenticated;
    KeypairsOthers "keypairs:others" Operator;
    OperationsRead "operations:read" Reader;
    QuotasRead "quotas:read" Reader;
    QuotasReadAll "quotas:read-all" Manager;
    ImagesRead "images:read" Reader;
    ImagesReadAll "images:read-all" Manager;
    ImagesCreate "images:create" Member;
    ImagesUpdate "images:update" Member;
    ImagesDelete "images:delete" Member;
    ImagesUpload "images:upload" Member;
    // From a URL that the cloud fetches.
    ImagesImport "images:import" Member;
    ImagesDownload "images:download" Reader;
    ImagesDeactivate "images:deactivate" Member;
    ImagesReactivate "images:reactivate" Member;
    ImagesPublish "images:publish" Operator;
    // Into another project, or out of the own one.
    ImagesGive "images:give" Manager;
    NetworksRead "networks:read" Reader;
    NetworksCreate "networks:create" Member;
    NetworksUpdate "networks:update" Member;
    NetworksDelete "networks:delete" Member;
    NetworksShare "networks:share" Operator;
    // For another project, or on the network of another one.
    NetworksWriteAll "networks:write-all" Manager;
    SubnetsRead "subnets:read" Reader;
    SubnetsCreate "subnets:create" Member;
    SubnetsUpdate "subnets:update" Member;
    SubnetsDelete "subnets:delete" Member;
    PortsRead "ports:read" Reader;
    PortsCreate "ports:create" Member;
    PortsUpdate "ports:update" Member;
    PortsDelete "ports:delete" Member;
    // To a server, and from it.
    PortsAttach "ports:attach" Member;
    PortsDetach "ports:detach" Member;
    SecurityGroupsRead "security-groups:read" Reader;
    SecurityGroupsCreate "security-groups:create" Member;
    SecurityGroupsUpdate "security-groups:update" Member;
    SecurityGroupsDelete "security-groups:delete" Member;
    SecurityRulesRead "security-rules:read" Reader;
    SecurityRulesCreate "security-rules:create" Member;
    SecurityRulesDelete "security-rules:delete" Member;
    RoutersRead "routers:read" Reader;
    PublicAddressesRead "public-addresses:read" Reader;
    PublicAddressesCreate "public-addresses:create" Member;
    PublicAddressesUpdate "public-addresses:update" Member;
    // To a server or a port, or away from it.
    PublicAddressesBind "public-addresses:bind" Member;
    PublicAddressesDelete "public-addresses:delete" Member;
    VolumesRead "volumes:read" Reader;
    VolumesReadAll "volumes:read-all" Manager;
    VolumesCreate "volumes:create" Member;
    VolumesUpdate "volumes:update" Member;
    VolumesGrow "volumes:grow" Member;
    VolumesDelete "volumes:delete" Member;
    VolumesAttach "volumes:attach" Member;
    VolumesDetach "volumes:detach" Member;
    SnapshotsRead "snapshots:read" Reader;
    SnapshotsReadAll "snapshots:read-all" Manager;
    SnapshotsCreate "snapshots:create" Member;
    SnapshotsUpdate "snapshots:update" Member;
    SnapshotsDelete "snapshots:delete" Member;
    BillingRead "billing:read" Reader joined;
    BillingReadAll "billing:read-all" Operator;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_found_by_their_text() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(*action));
        }
    }
}
