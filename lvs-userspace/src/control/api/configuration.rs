//! The configuration, running and in its file, and changes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Edit;

/// To read the configuration file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reload {
    /// Whether only to say what would change.
    pub dry_run: bool,
}

/// What the configuration file has changed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// A line for each change: `+` is new, `-` gone, `~` otherwise.
    pub changes: Vec<String>,
    /// What needs a restart of lvsd, and is not done.
    pub needs_restart: Vec<String>,
    /// Why the maps of the program do not follow yet: lvsd tries again.
    pub out_of_sync: Option<String>,
}

/// Changes of the running configuration, all of them or none, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edits {
    /// The changes.
    pub edits: Vec<Edit>,
}

/// What they have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edited {
    /// A line for each change, as in [`Reloaded`].
    pub changes: Vec<String>,
    /// Why the maps of the program do not follow yet: lvsd tries again.
    pub out_of_sync: Option<String>,
}

/// The running configuration, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// The text of a file that says it.
    pub toml: String,
    /// The file that lvsd was started with.
    pub file: String,
}

/// Another configuration in place of the running one: all of it or, if it has errors, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The text of a configuration file.
    pub toml: String,
}

/// What is running and not in the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unsaved {
    /// The file.
    pub file: String,
    /// What has changed since, a line for each change: `+` is new, `-` gone, `~` otherwise.
    pub changes: Vec<String>,
    /// What the file says otherwise, and only a restart of lvsd would follow.
    pub needs_restart: Vec<String>,
}

/// To write the running configuration to lvsd's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Save {}

/// Where the running configuration was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Saved {
    /// The file.
    pub file: String,
    /// Where what stood there before is now; `null` if there was no file.
    pub before: Option<String>,
}
