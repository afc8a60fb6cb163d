//! From what was recorded to what it means. Pure.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::{Claim, Clash, Connection, Downloads, Mac, Request, Tenure, clash, owners::tenures};

/// All that was recorded in a trial.
#[derive(Clone, Debug)]
pub struct Records {
    /// When it began.
    pub began: Instant,
    /// When it ended: no request was sent after that.
    pub ended: Instant,
    /// The requests, each over a connection of its own.
    pub requests: Vec<Request>,
    /// The connections that were open all the time.
    pub connections: Vec<Connection>,
    /// The downloads.
    pub downloads: Downloads,
    /// What was said of where the VIP is, in the order of time.
    pub claims: Vec<Claim>,
}

/// What a failover, or none, has cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Requests that were sent.
    pub requests: usize,
    /// Those that failed, each with when it was sent, since the beginning, and why.
    pub failed: Vec<(Duration, String)>,
    /// The longest time in which no request was answered.
    pub longest_gap: Duration,
    /// When that began, since the beginning.
    pub gap_began: Duration,
    /// The longest that one request waited which was answered in the end.
    pub longest_wait: Duration,
    /// Connections that were to stay open, the download's among them.
    pub connections: usize,
    /// Those that broke, and why.
    pub broken: Vec<String>,
    /// The longest that a question over one of them waited for its answer.
    pub longest_stall: Duration,
    /// Bytes that were downloaded, and were right.
    pub downloaded: u64,
    /// Who had the VIP, one after the other.
    pub owners: Vec<Tenure>,
    /// Whether two had it at once.
    pub two_owners: Option<Clash>,
}

impl Outcome {
    /// Puts it together.
    #[must_use]
    pub fn of(records: &Records) -> Self {
        let Records { began, ended, requests, connections, downloads, claims } = records;
        let since = |at: Instant| at.saturating_duration_since(*began);
        let failed = requests.iter().filter_map(|request| {
            Some((since(request.sent), request.result.as_ref().err()?.clone()))
        });
        let waits = requests.iter().filter(|it| it.result.is_ok()).map(Request::took);
        let (longest_gap, gap_began) = gap(requests, *began, *ended);
        let of_connections = connections.iter().filter_map(|it| it.broken.clone());
        let broken =
            of_connections.chain(downloads.broken.iter().map(|it| format!("download: {it}")));
        Self {
            requests: requests.len(),
            failed: failed.collect(),
            longest_gap,
            gap_began: since(gap_began),
            longest_wait: waits.max().unwrap_or_default(),
            connections: connections.len() + usize::from(downloads.is_wanted),
            broken: broken.collect(),
            longest_stall: connections.iter().map(|it| it.longest_stall).max().unwrap_or_default(),
            downloaded: downloads.bytes,
            owners: tenures(claims),
            two_owners: clash(claims),
        }
    }

    /// Who had the VIP at the end.
    #[must_use]
    pub fn owner(&self) -> Option<Mac> {
        self.owners.last().map(|it| it.mac)
    }
}

/// The longest time in which no request was answered, and its beginning.
fn gap(requests: &[Request], began: Instant, ended: Instant) -> (Duration, Instant) {
    let answered = requests.iter().filter(|it| it.result.is_ok()).map(|it| it.ended);
    // After the end nothing is asked any more, so answers are few.
    let mut times: Vec<_> = answered.filter(|it| *it < ended).chain([began, ended]).collect();
    times.sort_unstable();
    let gaps = times.windows(2).map(|it| (it[1].duration_since(it[0]), it[0]));
    gaps.max_by_key(|(gap, _)| *gap).unwrap_or((Duration::ZERO, began))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failed, longest_gap, longest_wait, connections, broken, .. } = self;
        write!(
            f,
            "{requests} requests, {} failed; gap {} at {}, wait {}; \
             {} of {connections} connections broke, stall {}; {} kB; ",
            failed.len(),
            in_ms(*longest_gap),
            in_ms(self.gap_began),
            in_ms(*longest_wait),
            broken.len(),
            in_ms(self.longest_stall),
            self.downloaded / 1000,
        )?;
        match &self.two_owners {
            Some(clash) => write!(f, "TWO OWNERS: {clash}")?,
            None => write!(f, "one owner at a time")?,
        }
        // Two that both answer take turns for as long as it is looked at.
        let first = self.owners.iter().take(MOST_OWNERS).map(|it| it.mac.to_string());
        write!(f, " ({}", first.collect::<Vec<_>>().join(", "))?;
        match self.owners.len().saturating_sub(MOST_OWNERS) {
            0 => write!(f, ")"),
            more => write!(f, ", and {more} more)"),
        }
    }
}

/// So many changes of the owner are named.
const MOST_OWNERS: usize = 6;

fn in_ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A request that was sent, and ended, so many milliseconds after the beginning.
    fn request(began: Instant, sent: u64, ended: u64, fails: bool) -> Request {
        let result = if fails { Err("reset".to_owned()) } else { Ok("rs1".to_owned()) };
        Request { sent: began + ms(sent), ended: began + ms(ended), result }
    }

    fn records(requests: &[(u64, u64, bool)]) -> Records {
        let began = Instant::now();
        let requests = requests.iter().map(|&(sent, ended, ok)| request(began, sent, ended, ok));
        Records {
            began,
            ended: began + ms(1000),
            requests: requests.collect(),
            connections: Vec::new(),
            downloads: Downloads::default(),
            claims: Vec::new(),
        }
    }

    #[test]
    fn the_gap_is_between_answers() {
        let outcome = Outcome::of(&records(&[
            (0, 10, false),
            (200, 210, false),
            (300, 310, true), // No answer.
            (100, 500, false),
            (600, 610, false),
            (900, 990, false),
        ]));
        assert_eq!((outcome.longest_gap, outcome.gap_began), (ms(380), ms(610)));
        assert_eq!(outcome.longest_wait, ms(400));
        assert_eq!(outcome.failed, [(ms(300), "reset".to_owned())]);
        assert_eq!(outcome.requests, 6);
    }

    #[test]
    fn one_that_never_ends_is_counted_to_the_end() {
        let outcome = Outcome::of(&records(&[(0, 10, false), (500, 900, true)]));
        assert_eq!(outcome.longest_gap, ms(990));
        // Answered after the end.
        let outcome =
            Outcome::of(&records(&[(0, 10, false), (500, 900, false), (990, 3000, false)]));
        assert_eq!((outcome.longest_gap, outcome.longest_wait), (ms(890), ms(2010)));
        assert_eq!(Outcome::of(&records(&[])).longest_gap, ms(1000));
    }

    #[test]
    fn what_broke_is_put_together() {
        let mut records = records(&[]);
        let connection = |broken: Option<&str>, stall| Connection {
            server: "rs1".to_owned(),
            answers: 3,
            longest_stall: ms(stall),
            broken: broken.map(str::to_owned),
        };
        records.connections = vec![connection(None, 7), connection(Some("reset"), 5)];
        records.downloads =
            Downloads { is_wanted: true, bytes: 5000, whole: 0, broken: vec!["eof".to_owned()] };
        let outcome = Outcome::of(&records);
        assert_eq!((outcome.connections, outcome.longest_stall), (3, ms(7)));
        assert_eq!(outcome.broken, ["reset", "download: eof"]);
        assert_eq!((outcome.downloaded, outcome.owner()), (5000, None));
    }
}
