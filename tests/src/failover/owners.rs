//! Who had the VIP when, and whether two had it at once. Pure.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use super::frames::Mac;

/// Nobody can have a VIP for a shorter time, in order: who takes over, and is at once relieved again, has
/// had it while the other still did.
const LEAST_TENURE: Duration = Duration::from_millis(150);

/// A frame that said where the VIP is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When it came.
    pub at: Instant,
    /// There.
    pub mac: Mac,
    /// The question that it answers, by number; `None`: it was said to all.
    pub answers: Option<usize>,
}

/// A time in which one MAC said that it has the VIP, and no other did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Which MAC.
    pub mac: Mac,
    /// When it first said so.
    pub from: Instant,
    /// When it last did.
    pub to: Instant,
    /// How often.
    pub claims: usize,
}

/// Two at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// Both answered the same question, the second of them then.
    SameQuestion(Instant, Mac, Mac),
    /// One said it, then the other, and then, too soon, the first again.
    Interleaved(Instant, Mac, Mac),
}

impl Clash {
    /// When it was seen.
    #[must_use]
    pub const fn at(self) -> Instant {
        match self {
            Self::SameQuestion(at, ..) | Self::Interleaved(at, ..) => at,
        }
    }
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameQuestion(_, a, b) => write!(f, "{a} and {b} answered the same question"),
            Self::Interleaved(_, a, b) => write!(f, "{a}, {b} and {a} again said they have it"),
        }
    }
}

/// Who had it, one after the other; `claims` are in the order of time.
#[must_use]
pub fn tenures(claims: &[Claim]) -> Vec<Tenure> {
    let mut tenures: Vec<Tenure> = Vec::new();
    for &Claim { at, mac, .. } in claims {
        match tenures.last_mut() {
            Some(last) if last.mac == mac => {
                last.to = at;
                last.claims += 1;
            }
            Some(_) | None => tenures.push(Tenure { mac, from: at, to: at, claims: 1 }),
        }
    }
    tenures
}

/// The first time that two had it at once; `claims` are in the order of time.
#[must_use]
pub fn clash(claims: &[Claim]) -> Option<Clash> {
    let mut answers = BTreeMap::new();
    let same = claims.iter().find_map(|claim| {
        let first = *answers.entry(claim.answers?).or_insert(claim.mac);
        (first != claim.mac).then_some(Clash::SameQuestion(claim.at, first, claim.mac))
    });
    let tenures = tenures(claims);
    let interleaved = tenures.windows(3).find_map(|it| match it {
        [before, between, after]
            if before.mac == after.mac
                && after.from.duration_since(between.from) < LEAST_TENURE =>
        {
            Some(Clash::Interleaved(after.from, before.mac, between.mac))
        }
        _ => None,
    });
    same.into_iter().chain(interleaved).min_by_key(|it| it.at())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    /// Answers to a question each 10 ms, from the time on, in milliseconds, by these.
    fn answers(start: Instant, from: u64, by: &[Mac]) -> Vec<Claim> {
        let answer = |(number, &mac): (usize, &Mac)| {
            let number = number + usize::try_from(from).unwrap() / 10;
            let at = start + Duration::from_millis(10 * number as u64);
            Claim { at, mac, answers: Some(number) }
        };
        by.iter().enumerate().map(answer).collect()
    }

    #[test]
    fn one_after_the_other_is_no_clash() {
        let start = Instant::now();
        let claims = [
            answers(start, 0, &[A; 50]),
            answers(start, 800, &[B; 50]),
            answers(start, 1300, &[A; 50]),
        ]
        .concat();
        assert_eq!(clash(&claims), None);
        let tenures = tenures(&claims);
        let summary: Vec<_> = tenures.iter().map(|it| (it.mac, it.claims)).collect();
        assert_eq!(summary, [(A, 50), (B, 50), (A, 50)]);
        assert_eq!(tenures[1].from, start + Duration::from_millis(800));
        assert_eq!(tenures[1].to, start + Duration::from_millis(1290));
    }

    #[test]
    fn two_answers_to_one_question_are() {
        let start = Instant::now();
        let mut claims = answers(start, 0, &[A, A, A, B, B]);
        claims.insert(4, Claim { mac: A, ..claims[3] });
        // B was first, here; and all of it is one clash.
        assert_eq!(clash(&claims), Some(Clash::SameQuestion(claims[4].at, B, A)));
    }

    #[test]
    fn so_is_one_who_is_there_again() {
        let start = Instant::now();
        let claims = answers(start, 0, &[A, A, B, B, A, A]);
        assert_eq!(clash(&claims), Some(Clash::Interleaved(claims[4].at, A, B)));
        // What is said to all counts, too.
        let mut claims = answers(start, 0, &[A, A, A, A]);
        claims.insert(2, Claim { mac: B, answers: None, ..claims[1] });
        assert_eq!(clash(&claims), Some(Clash::Interleaved(claims[3].at, A, B)));
        assert_eq!(clash(&[]), None);
    }
}
