//! Whoever forwards frames, at the director's end of the cable.

use anyhow::Result;
use lvs_tests::lab::Lab;

use super::traffic::Traffic;

/// One of those that are compared. What it knows of connections stays when it is another's turn.
pub(crate) trait Contender {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Has it forward what is coming.
    fn attach(&mut self, lab: &Lab, traffic: Traffic) -> Result<()>;

    /// Has it forward nothing more.
    fn detach(&mut self, lab: &Lab) -> Result<()>;

    /// Packets that it says to have forwarded so far, if it counts them.
    fn forwarded(&self, lab: &Lab) -> Result<Option<u64>>;

    /// Fails if it does not know of so many established connections.
    fn expect_connections(&self, lab: &Lab, wanted: u32) -> Result<()>;
}
