//! What the machine's operator says of it, kept in a file so that it outlives the program.

use std::{fmt, fs, io, path::Path};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::record::{remove, replace};

/// Whether the machine is to take connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OperatorState {
    /// It takes connections.
    #[default]
    Ready,
    /// It takes no new ones.
    Drain,
    /// It is being worked on: it is out of service.
    Maint,
}

impl OperatorState {
    /// Its word in agent checks and in the file.
    const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }

    /// Reads the file; where there is none, nothing has been said.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Ready),
            Err(error) => {
                return Err(error).with_context(|| format!("can't read {}", path.display()));
            }
        };
        match text.trim() {
            "ready" => Ok(Self::Ready),
            "drain" => Ok(Self::Drain),
            "maint" => Ok(Self::Maint),
            _ => bail!(
                "{} says none of ready, drain, maint; say it with `lvs-realserver set-state`",
                path.display()
            ),
        }
    }

    /// Writes the file.
    pub(super) fn write(self, path: &Path) -> anyhow::Result<()> {
        match self {
            Self::Ready => remove(path),
            Self::Drain | Self::Maint => replace(path, &format!("{self}\n")),
        }
    }
}

impl fmt::Display for OperatorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("realserver.operator");
        assert_eq!(OperatorState::read(&path).unwrap(), OperatorState::Ready);
        for state in [OperatorState::Drain, OperatorState::Maint, OperatorState::Ready] {
            state.write(&path).unwrap();
            assert_eq!(OperatorState::read(&path).unwrap(), state);
        }
        fs::write(&path, "tired\n").unwrap();
        OperatorState::read(&path).expect_err("nonsense");
    }
}
