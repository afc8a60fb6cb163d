//! Whether more connections begin than can be remembered. Pure: time is a parameter.

use std::time::{Duration, Instant};

/// After so long without one it is over.
const CALM: Duration = Duration::from_secs(10);

/// What the program counts of them, looked at again and again.
#[derive(Debug, Default)]
pub(super) struct Flood {
    /// What was counted last; `None` before the first look.
    counted: Option<u64>,
    /// What was counted before it began, and when it last grew.
    flood: Option<(u64, Instant)>,
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Begins,
    /// It is over, and there were so many.
    Over(u64),
}

impl Flood {
    /// Takes in what is counted by now.
    pub(super) fn look(&mut self, counted: u64, now: Instant) -> Option<News> {
        let before = self.counted.replace(counted).unwrap_or(counted);
        match &mut self.flood {
            None if counted > before => {
                self.flood = Some((before, now));
                Some(News::Begins)
            }
            Some((_, last)) if counted > before => {
                *last = now;
                None
            }
            Some((first, last)) if now.duration_since(*last) >= CALM => {
                let all = counted.saturating_sub(*first);
                self.flood = None;
                Some(News::Over(all))
            }
            None | Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_of_once_and_at_its_end() {
        let start = Instant::now();
        let mut flood = Flood::default();
        let mut look = |counted, second| flood.look(counted, start + Duration::from_secs(second));
        assert_eq!(look(7, 0), None, "that was before this lvsd");
        assert_eq!(look(7, 1), None);
        assert_eq!(look(9, 2), Some(News::Begins));
        assert_eq!(look(20, 3), None);
        assert_eq!(look(20, 12), None);
        assert_eq!(look(21, 12), None);
        assert_eq!(look(21, 21), None);
        assert_eq!(look(21, 22), Some(News::Over(14)));
        assert_eq!(look(21, 23), None);
        assert_eq!(look(22, 40), Some(News::Begins));
    }
}
