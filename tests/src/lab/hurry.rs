//! Real-time priority, so that a machine with much to do is not taken for a network that is slow.

use std::io;

use nix::libc;

/// The lowest: before all that has none, and no better than lvsd's own.
const PRIORITY: i32 = 1;

/// Has the kernel run a thread (0: this one) before all that has no such priority.
pub fn hurry(thread: u32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: parameters that live until it returns.
    match unsafe { libc::sched_setscheduler(thread.cast_signed(), policy, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
