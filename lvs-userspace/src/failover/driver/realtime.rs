//! Real-time priority.

use std::io;

/// The lowest: enough to come before everything that has none.
const PRIORITY: i32 = 1;

/// Has the kernel run this thread before all that has no real-time priority (sched(7)).
///
/// # Errors
/// When it may not: that takes CAP_SYS_NICE or a limit that allows it (RLIMIT_RTPRIO).
pub(super) fn hurry() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // What it starts has none: no program of the operator comes before the kernel's own work.
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: this thread (0), and parameters that live until it returns.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
