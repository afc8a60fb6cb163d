//! Whether the system's clock can be believed: logs bear its time, and certificates are good only
//! within theirs.

use std::{
    fs, io,
    mem::MaybeUninit,
    time::{Duration, SystemTime},
};

/// What was seen of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The time.
    pub now: SystemTime,
    /// When this program was written to disk, or built: it can't be earlier than that.
    pub built: Option<SystemTime>,
    /// By how much the clock may be off, if nothing keeps it right.
    pub off_by: Option<Duration>,
}

impl Clock {
    /// Looks at it.
    #[must_use]
    pub fn look() -> Self {
        let built = fs::metadata("/proc/self/exe").and_then(|file| file.modified());
        Self { now: SystemTime::now(), built: built.ok(), off_by: off_by().ok().flatten() }
    }
}

/// By how much the clock may be off, unless the kernel was told lately that it is right
/// (adjtimex(2)).
fn off_by() -> io::Result<Option<Duration>> {
    let mut state = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: a `timex` of zeros is a valid one, and asks without changing anything.
    let (done, state) = unsafe { (libc::adjtimex(state.as_mut_ptr()), state.assume_init()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    let most = Duration::from_micros(state.maxerror.try_into().unwrap_or(0));
    Ok((state.status & libc::STA_UNSYNC != 0).then_some(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anybody_may_look_at_it() {
        assert!(off_by().is_ok());
        let Clock { now, built, .. } = Clock::look();
        assert!(built.is_some_and(|built| built < now));
    }
}
