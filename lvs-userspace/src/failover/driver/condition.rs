//! All that is wrong with a director, put together. Pure.

use std::collections::BTreeMap;

use crate::failover::machine::Condition;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Advertisements go out.
    Voice,
    /// The daemon's loop comes round.
    Daemon,
    /// What is tracked under this number.
    Track(usize),
}

/// What is wrong, and what that means: a lower priority, or (`None`) that it can't be master.
#[derive(Debug, Default)]
pub(super) struct Wrong(BTreeMap<Need, (String, Option<u8>)>);

impl Wrong {
    /// Takes note of what is wrong, or of nothing; says whether that is new.
    pub(super) fn note(&mut self, need: Need, why: Option<String>, step: Option<u8>) -> bool {
        match why {
            Some(why) => {
                let new = Some((why, step));
                self.0.insert(need, new.clone().unwrap_or_default()) != new
            }
            None => self.0.remove(&need).is_some(),
        }
    }

    pub(super) fn is(&self, need: Need) -> bool {
        self.0.contains_key(&need)
    }

    /// Nothing that is tracked is known any more.
    pub(super) fn forget_tracks(&mut self) {
        self.0.retain(|need, _| !matches!(need, Need::Track(_)));
    }

    pub(super) fn condition(&self) -> Condition {
        Condition {
            is_at_fault: self.0.values().any(|(_, step)| step.is_none()),
            penalty: self
                .0
                .values()
                .fold(0, |sum: u8, (_, step)| sum.saturating_add(step.unwrap_or_default())),
        }
    }

    /// In words.
    pub(super) fn reasons(&self) -> Vec<String> {
        self.0.values().map(|(why, _)| why.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_adds_up() {
        let mut wrong = Wrong::default();
        let why = |it: &str| Some(it.to_owned());
        assert_eq!(wrong.condition(), Condition::default());
        assert!(wrong.note(Need::Track(0), why("a"), Some(50)));
        assert!(!wrong.note(Need::Track(0), why("a"), Some(50)));
        assert!(wrong.note(Need::Track(1), why("b"), Some(250)));
        assert_eq!(wrong.condition(), Condition { is_at_fault: false, penalty: 255 });
        assert!(wrong.note(Need::Voice, why("c"), None));
        assert_eq!(wrong.condition(), Condition { is_at_fault: true, penalty: 255 });
        assert_eq!(wrong.reasons(), ["c", "a", "b"]);
        wrong.forget_tracks();
        assert_eq!(wrong.reasons(), ["c"]);
        assert!(wrong.note(Need::Voice, None, None));
        assert!(!wrong.note(Need::Voice, None, None));
        assert_eq!(wrong.condition(), Condition::default());
    }
}
