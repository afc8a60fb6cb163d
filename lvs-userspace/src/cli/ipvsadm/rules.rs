//! Which options go with which command, as ipvsadm has it.

use super::Failure;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    AddService,
    EditService,
    DeleteService,
    Clear,
    List,
    AddServer,
    EditServer,
    DeleteServer,
    Set,
    Restore,
    Save,
    Zero,
}

impl Command {
    /// The command with this long name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "add-service" => Self::AddService,
            "edit-service" => Self::EditService,
            "delete-service" => Self::DeleteService,
            "clear" => Self::Clear,
            "list" => Self::List,
            "add-server" => Self::AddServer,
            "edit-server" => Self::EditServer,
            "delete-server" => Self::DeleteServer,
            "set" => Self::Set,
            "restore" => Self::Restore,
            "save" => Self::Save,
            "zero" => Self::Zero,
            _ => return None,
        })
    }

    /// What its messages call it.
    fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Clear => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::EditServer => "edit-server",
            Self::DeleteServer => "delete-server",
            Self::Set => "set",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }

    /// What it can't do without.
    const fn required(self) -> &'static [&'static str] {
        match self {
            Self::AddService | Self::EditService | Self::DeleteService => &["service-address"],
            Self::AddServer | Self::EditServer | Self::DeleteServer => {
                &["service-address", "real-server"]
            }
            Self::Clear | Self::List | Self::Set | Self::Restore | Self::Save | Self::Zero => &[],
        }
    }

    /// What it can have besides.
    const fn allowed(self) -> &'static [&'static str] {
        match self {
            Self::AddService | Self::EditService => &["scheduler", "persistent", "netmask", "ops"],
            Self::AddServer | Self::EditServer => {
                &["forwarding-method", "weight", "u-threshold", "l-threshold"]
            }
            Self::List => &[
                "numeric",
                "connection",
                "service-address",
                "timeout",
                "daemon",
                "stats",
                "rate",
                "thresholds",
                "persistent-conn",
                "nosort",
                "exact",
            ],
            Self::Save => &["numeric"],
            Self::Zero => &["service-address"],
            Self::DeleteService | Self::DeleteServer | Self::Clear | Self::Set | Self::Restore => {
                &[]
            }
        }
    }
}

/// In the order in which ipvsadm looks at them; of several things that are wrong, the first is said.
const ORDER: [&str; 20] = [
    "numeric",
    "connection",
    "service-address",
    "scheduler",
    "persistent",
    "netmask",
    "real-server",
    "forwarding-method",
    "weight",
    "u-threshold",
    "l-threshold",
    "timeout",
    "daemon",
    "stats",
    "rate",
    "thresholds",
    "persistent-conn",
    "nosort",
    "exact",
    "ops",
];

/// Of these, a list shows one.
const EXCLUSIVE: [&str; 4] = ["connection", "service-address", "timeout", "daemon"];

/// Checks the options that were given with a command.
pub(super) fn check(command: Command, given: &[&str]) -> Result<(), Failure> {
    let name = command.name();
    let mut shown: Option<&str> = None;
    for option in ORDER {
        if !given.contains(&option) {
            if command.required().contains(&option) {
                return Err(Failure::usage(format!(
                    "You need to supply the '{option}' option for the '{name}' command"
                )));
            }
            continue;
        }
        if !command.required().contains(&option) && !command.allowed().contains(&option) {
            return Err(Failure::usage(format!(
                "Illegal '{option}' option with the '{name}' command"
            )));
        }
        if command == Command::List
            && EXCLUSIVE.contains(&option)
            && let Some(other) = shown.replace(option)
        {
            return Err(Failure::usage(format!(
                "The option '{option}' conflicts with the '{other}' option in the '{name}' command"
            )));
        }
    }
    Ok(())
}
