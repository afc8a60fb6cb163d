//! How often to complain, and how long to wait before the next try. Pure: time is a parameter.

use std::time::{Duration, Instant};

/// What goes on failing is complained about so often.
const COMPLAIN: Duration = Duration::from_secs(300);

/// Keeps complaints from filling the log.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Option<Instant>);

impl Complaints {
    /// Whether to complain now.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.0.is_none_or(|at| now.duration_since(at) >= COMPLAIN);
        if due {
            self.0 = Some(now);
        }
        due
    }

    /// It works; says whether it did not before.
    pub(crate) fn settle(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// How long to wait before the next try: longer each time.
#[derive(Debug)]
pub(crate) struct BackOff {
    next: Duration,
    most: Duration,
}

impl BackOff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { next: first, most: most.max(first) }
    }

    pub(crate) fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.most);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_now_and_then() {
        let start = Instant::now();
        let mut complaints = Complaints::default();
        let due: Vec<_> = (0..1000)
            .filter(|&second| complaints.is_due(start + Duration::from_secs(second)))
            .collect();
        assert_eq!(due, [0, 300, 600, 900]);
        assert!(complaints.settle());
        assert!(!complaints.settle());
        assert!(complaints.is_due(start + Duration::from_secs(1001)));
    }

    #[test]
    fn waits_grow_to_a_limit() {
        let mut wait = BackOff::new(Duration::from_secs(5), Duration::from_secs(60));
        let waits: Vec<_> = (0..6).map(|_| wait.wait().as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        let mut wait = BackOff::new(Duration::from_secs(90), Duration::from_secs(60));
        assert_eq!([(); 3].map(|()| wait.wait().as_secs()), [90; 3]);
    }
}
