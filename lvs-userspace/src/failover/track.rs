//! What a master needs: links and programs, looked after by tasks of their own. (Whether services have
//! their quorum, the daemon knows by itself.)

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    process::Command,
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use super::settings::{Program, Track, Tracked};
use crate::{net::netlink::Links, process};

/// How long to wait before the links are watched anew.
const RETRY: Duration = Duration::from_secs(1);

/// Told of what is tracked, by its number, what is wrong with it now, or that nothing is.
pub type Tell = Arc<dyn Fn(usize, Option<String>) + Send + Sync>;

/// The tasks, which end with this.
#[derive(Debug)]
pub struct Tracker(#[expect(dead_code, reason = "its end is theirs")] JoinSet<()>);

impl Tracker {
    /// Looks after these from now on. To be called where tasks can be started.
    #[must_use]
    pub fn start(tracks: &[Track], tell: &Tell) -> Self {
        let mut tasks = JoinSet::new();
        let mut links: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, Track { what, .. }) in tracks.iter().enumerate() {
            match what {
                Tracked::Interface(name) => links.entry(name.clone()).or_default().push(number),
                Tracked::Program(program) => {
                    tasks.spawn(run_again_and_again(program.clone(), number, Arc::clone(tell)));
                }
                Tracked::Quorum(_) => {}
            }
        }
        if !links.is_empty() {
            tasks.spawn(watch(links, Arc::clone(tell)));
        }
        Self(tasks)
    }
}

async fn watch(numbers: BTreeMap<String, Vec<usize>>, tell: Tell) {
    let mut links = loop {
        match Links::watch(numbers.keys().cloned()) {
            Ok(links) => break links,
            Err(error) => warn!(%error, "can't watch the links"),
        }
        sleep(RETRY).await;
    };
    loop {
        for (name, is_up) in links.next().await {
            for &number in numbers.get(&name).into_iter().flatten() {
                tell(number, (!is_up).then(|| format!("{name} has no link")));
            }
        }
    }
}

async fn run_again_and_again(program: Program, number: usize, tell: Tell) {
    let Program { command, interval, timeout: limit, rise, fall } = program;
    let Some((name, arguments)) = command.split_first() else { return };
    let mut judgement = Judgement::new(rise, fall);
    loop {
        let outcome = match timeout(limit, process::run(Command::new(name).args(arguments))).await {
            Ok(Ok(ended)) if ended.status.success() => Ok(()),
            Ok(Ok(ended)) => Err(format!("{}: {}", ended.status, ended.last_line())),
            Ok(Err(error)) => Err(format!("can't run it: {error}")),
            Err(_) => Err(format!("killed, because it took longer than {limit:?}")),
        };
        if judgement.takes(outcome.is_ok()) {
            tell(number, outcome.err().map(|why| format!("{name}: {why}")));
        }
        sleep(interval).await;
    }
}

/// Whether a program is right, by how often in a row it has succeeded or failed. Pure.
#[derive(Debug)]
struct Judgement {
    rise: u32,
    fall: u32,
    /// `None` until it has run: the first time counts at once.
    is_right: Option<bool>,
    row: u32,
}

impl Judgement {
    const fn new(rise: u32, fall: u32) -> Self {
        Self { rise, fall, is_right: None, row: 0 }
    }

    /// Takes in an outcome; says whether that changes anything.
    fn takes(&mut self, success: bool) -> bool {
        let Some(is_right) = self.is_right else {
            self.is_right = Some(success);
            return true;
        };
        if success == is_right {
            self.row = 0;
            return false;
        }
        self.row += 1;
        let needed = if success { self.rise } else { self.fall };
        if self.row < needed {
            return false;
        }
        self.is_right = Some(success);
        self.row = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count() {
        let mut judgement = Judgement::new(3, 2);
        let outcomes = [
            // The first counts at once; one failure is none.
            (true, true),
            (false, false),
            (true, false),
            (false, false),
            (false, true),
            // It comes back by three in a row.
            (true, false),
            (true, false),
            (false, false),
            (true, false),
            (true, false),
            (true, true),
        ];
        for (at, (success, changes)) in outcomes.into_iter().enumerate() {
            assert_eq!(judgement.takes(success), changes, "{at}");
        }
        assert!(Judgement::new(5, 5).takes(false));
    }

    #[tokio::test]
    async fn a_program_is_run_and_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ok");
        let command = ["/bin/sh", "-c", "test -e \"$0\" || { echo no file; exit 7; }"];
        let mut command: Vec<_> = command.map(str::to_owned).to_vec();
        command.push(file.display().to_string());
        let program = Program {
            command,
            interval: Duration::from_millis(10),
            timeout: Duration::from_secs(10),
            rise: 1,
            fall: 1,
        };
        let track = Track { what: Tracked::Program(program), priority_step: None };
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let tell: Tell = Arc::new(move |number, wrong| drop(sender.send((number, wrong))));
        let _tracker = Tracker::start(&[track], &tell);
        let (number, wrong) = told.recv().await.unwrap();
        assert_eq!(number, 0);
        assert_eq!(wrong.unwrap(), "/bin/sh: exit status: 7: no file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(told.recv().await.unwrap(), (0, None));
    }
}
