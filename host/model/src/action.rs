//! Neutral actions: what the policy decides about. A manifest maps each operation to one of them.

macro_rules! actions {
    ($($variant:ident $text:literal $least:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($variant,)* }

        impl Action {
            pub const ALL: &'static [Action] = &[$(Action::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Action::$variant => $text,)* }
            }

            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Action::$variant),)* _ => None }
            }

            /// The least that the default policy asks for.
            #[must_use]
            pub fn least(self) -> Least {
                match self { $(Action::$variant => Least::$least,)* }
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
    /// Role `reader`, `member`, `manager` or `admin` in the project of the token.
    Reader,
    /// Role `member`, `manager` or `admin` in the project of the token.
    Member,
    /// An operator of the cloud.
    Admin,
}

actions! {
    Public "public" Anyone;
    TokensIssue "tokens:issue" Anyone;
    TokensValidate "tokens:validate" Authenticated;
    TokensRevoke "tokens:revoke" Authenticated;
    CatalogRead "catalog:read" Authenticated;
    IdentityReadOwn "identity:read-own" Authenticated;
    IdentityRead "identity:read" Admin;
    IdentityWrite "identity:write" Admin;
    PasswordChange "identity:change-password" Anyone;
    ServersRead "servers:read" Reader;
    ServersReadAll "servers:read-all" Admin;
    ServersCreate "servers:create" Member;
    ServersCreateOnNode "servers:create-on-node" Admin;
    ServersUpdate "servers:update" Member;
    ServersPower "servers:power" Member;
    ServersDelete "servers:delete" Member;
    ServersConsole "servers:console" Member;
    ZonesRead "zones:read" Reader;
    ZonesReadNodes "zones:read-nodes" Admin;
    NodesConfigure "nodes:configure" Admin;
    FlavorsRead "flavors:read" Reader;
    FlavorsWrite "flavors:write" Admin;
    KeypairsRead "keypairs:read" Authenticated;
    KeypairsWrite "keypairs:write" Authenticated;
    KeypairsOthers "keypairs:others" Admin;
    OperationsRead "operations:read" Reader;
    QuotasRead "quotas:read" Reader;
    QuotasReadAll "quotas:read-all" Admin;
    ImagesRead "images:read" Reader;
    ImagesReadAll "images:read-all" Admin;
    ImagesWrite "images:write" Member;
    ImagesPublish "images:publish" Admin;
    ImagesActivate "images:activate" Member;
    NetworksRead "networks:read" Reader;
    NetworksWrite "networks:write" Member;
    NetworksShare "networks:share" Admin;
    NetworksWriteAll "networks:write-all" Admin;
    PublicAddressesCreate "public-addresses:create" Member;
    PublicAddressesBind "public-addresses:bind" Member;
    VolumesRead "volumes:read" Reader;
    BillingRead "billing:read" Reader;
    BillingReadAll "billing:read-all" Admin;
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
