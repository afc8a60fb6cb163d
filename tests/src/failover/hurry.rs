//! Real-time priority for the threads that measure.

use nix::libc;

/// The lowest: before all that has none, and no better than lvsd's own.
const PRIORITY: i32 = 1;

/// Has the kernel run this thread before all that has no such priority. Where that is not allowed what
/// is measured can only look worse than it was.
pub(super) fn hurry() {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: this thread (0), and parameters that live until it returns.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
}
