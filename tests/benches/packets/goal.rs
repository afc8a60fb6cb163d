//! What a row should come to.

use std::fmt;

use serde::Serialize;

/// The most that it may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// So many times what it is compared with.
    Ratio(f64),
    /// So long.
    Nanoseconds(f64),
}

impl Goal {
    /// Whether it is met; a row that is compared with nothing has no ratio.
    pub(crate) fn is_met(self, ns: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::Ratio(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::Nanoseconds(most) => ns <= most,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(most) => write!(f, "<= {most}"),
            Self::Nanoseconds(most) => write!(f, "<= {most} ns"),
        }
    }
}
