//! The kinds of operations on servers that the harness goes through.

/// The kinds of operations; what the saga's table doesn't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Create,
    /// From a volume that was there before, and stays if it fails.
    CreateFrom,
    Delete,
    Start,
    Stop {
        hard: bool,
    },
    Reboot {
        hard: bool,
    },
    Pause,
    Unpause,
    Suspend,
    Resume,
    Resize {
        running: bool,
    },
    Confirm,
    Revert {
        running: bool,
    },
    Rebuild {
        running: bool,
    },
    Attach {
        running: bool,
    },
    Detach {
        running: bool,
    },
    /// Of a port that is there, and of one that is made.
    AttachNics {
        running: bool,
    },
    DetachNics {
        running: bool,
    },
    Recycle,
    Restore,
    /// The deletion of one in the recycle bin.
    Purge,
    /// Nobody is asked whether the new flavor stays.
    ResizeForGood,
    /// Of a server between two flavors.
    DeleteResized,
    RecycleResized,
}

impl Kind {
    pub const ALL: &'static [Kind] = &[
        Kind::Create,
        Kind::CreateFrom,
        Kind::Delete,
        Kind::Start,
        Kind::Stop { hard: true },
        Kind::Stop { hard: false },
        Kind::Reboot { hard: true },
        Kind::Reboot { hard: false },
        Kind::Pause,
        Kind::Unpause,
        Kind::Suspend,
        Kind::Resume,
        Kind::Resize { running: true },
        Kind::Resize { running: false },
        Kind::Confirm,
        Kind::Revert { running: true },
        Kind::Revert { running: false },
        Kind::Attach { running: true },
        Kind::Attach { running: false },
        Kind::Detach { running: true },
        Kind::Detach { running: false },
        Kind::AttachNics { running: true },
        Kind::AttachNics { running: false },
        Kind::DetachNics { running: true },
        Kind::DetachNics { running: false },
        Kind::Recycle,
        Kind::Restore,
        Kind::Purge,
    ];

    /// Those that are otherwise where a resize goes to another node.
    pub const MOVING: &'static [Kind] = &[
        Kind::Resize { running: true },
        Kind::Resize { running: false },
        Kind::ResizeForGood,
        Kind::Confirm,
        Kind::Revert { running: true },
        Kind::Revert { running: false },
        Kind::DeleteResized,
        Kind::RecycleResized,
    ];

    /// A new system disk; beside the others, so that they run side by side.
    pub const REBUILDING: &'static [Kind] = &[Kind::Rebuild { running: true }, Kind::Rebuild { running: false }];

    /// Whether it makes its server.
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::CreateFrom)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Create | Self::CreateFrom => "server.create",
            Self::Delete | Self::Purge | Self::DeleteResized => "server.delete",
            Self::Start => "server.start",
            Self::Stop { .. } => "server.stop",
            Self::Reboot { .. } => "server.reboot",
            Self::Resize { .. } | Self::ResizeForGood => "server.resize",
            Self::Pause => "server.pause",
            Self::Unpause => "server.unpause",
            Self::Suspend => "server.suspend",
            Self::Resume => "server.resume",
            Self::Confirm => "server.confirm-resize",
            Self::Revert { .. } => "server.revert-resize",
            Self::Rebuild { .. } => "server.rebuild",
            Self::Attach { .. } => "server.attach-volume",
            Self::Detach { .. } => "server.detach-volume",
            Self::AttachNics { .. } => "server.attach-nic",
            Self::DetachNics { .. } => "server.detach-nic",
            Self::Recycle | Self::RecycleResized => "server.recycle",
            Self::Restore => "server.restore",
        }
    }
}
