//! Makes the reports. One task owns all measurements, and one program runs at a time, however many
//! ask.

use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep},
};
use tracing::{info, warn};

use super::{
    agent_check,
    busy::{self, CpuTimes, Smoothed},
    operator::OperatorState,
    program,
};
use crate::config::realserver::{Report, Source};

/// How often the CPUs' times are read.
const SAMPLE: Duration = Duration::from_secs(1);
/// The same for the first time, because somebody waits.
const FIRST_SAMPLE: Duration = Duration::from_millis(200);
/// So long a program's answer is good for all who ask.
const FRESH: Duration = Duration::from_millis(500);

/// Asks for a report; `None` is that there is none.
pub(super) type Question = oneshot::Sender<Option<String>>;

/// Makes reports.
pub(super) struct Reporter {
    report: Report,
    /// The file with the operator's word.
    operator: PathBuf,
    times: Option<CpuTimes>,
    cpu: Smoothed,
    /// What a program said, or why it said nothing, and when.
    answer: Option<(Instant, Result<String, String>)>,
    /// What went wrong last, so that it is logged but once.
    trouble: Option<String>,
}

impl Reporter {
    pub(super) fn new(report: Report, operator: PathBuf) -> Self {
        Self {
            report,
            operator,
            times: None,
            cpu: Smoothed::default(),
            answer: None,
            trouble: None,
        }
    }

    /// Measures, and answers who asks, as long as somebody may.
    pub(super) async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        self.first_sample().await;
        let mut ticks = interval(SAMPLE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.sample(),
                question = questions.recv() => {
                    let Some(question) = question else { return };
                    let report = self.report().await;
                    let report = self.note(report);
                    // Who has asked may be gone.
                    question.send(report).ok();
                }
            }
        }
    }

    /// One report, for who asks but once.
    pub(super) async fn once(mut self) -> anyhow::Result<String> {
        self.first_sample().await;
        self.report().await
    }

    async fn first_sample(&mut self) {
        if self.measures(Source::Cpu) {
            self.sample();
            sleep(FIRST_SAMPLE).await;
            self.sample();
        }
    }

    fn measures(&self, source: Source) -> bool {
        match &self.report {
            Report::Busiest(sources) => sources.contains(&source),
            Report::Exec { .. } => false,
        }
    }

    fn sample(&mut self) {
        if !self.measures(Source::Cpu) {
            return;
        }
        let now = read("/proc/stat").ok().and_then(|text| CpuTimes::parse(&text));
        if let (Some(earlier), Some(now)) = (self.times, now)
            && let Some(busy) = now.busy_since(earlier)
        {
            self.cpu.add(busy);
        }
        self.times = now;
    }

    async fn report(&mut self) -> anyhow::Result<String> {
        match OperatorState::read(&self.operator)? {
            OperatorState::Ready => {}
            state @ (OperatorState::Drain | OperatorState::Maint) => return Ok(state.to_string()),
        }
        match &self.report {
            Report::Busiest(sources) => {
                let mut busiest = 0.0_f64;
                for source in sources {
                    let busy = self.busy(*source);
                    busiest = busiest.max(busy.with_context(|| source.name())?);
                }
                Ok(agent_check::ready(agent_check::share(busiest)))
            }
            Report::Exec { command, timeout } => {
                let fresh = self.answer.take_if(|(when, _)| when.elapsed() < FRESH);
                let answer = match fresh {
                    Some(answer) => answer,
                    None => {
                        let said = program::output(command, *timeout).await;
                        let answer = said.map_err(|error| format!("{error:#}"));
                        let answer = answer.and_then(|said| agent_check::from_program(&said));
                        (Instant::now(), answer)
                    }
                };
                let (_, said) = self.answer.insert(answer);
                said.clone().map_err(|why| anyhow!(why))
            }
        }
    }

    fn busy(&self, source: Source) -> anyhow::Result<f64> {
        match source {
            Source::Cpu => self.cpu.value().context("/proc/stat tells nothing"),
            Source::Load => {
                let cpus = busy::cpus(&read("/proc/stat")?);
                let busy = busy::by_load(&read("/proc/loadavg")?, cpus);
                busy.context("/proc/loadavg tells nothing")
            }
            Source::Memory => {
                let busy = busy::by_memory(&read("/proc/meminfo")?);
                busy.context("/proc/meminfo tells nothing")
            }
        }
    }

    /// Logs what changes in whether there are reports.
    fn note(&mut self, report: anyhow::Result<String>) -> Option<String> {
        match report {
            Ok(report) => {
                if self.trouble.take().is_some() {
                    info!("there are load reports again");
                }
                Some(report)
            }
            Err(error) => {
                let trouble = format!("{error:#}");
                if self.trouble.as_ref() != Some(&trouble) {
                    warn!(reason = %trouble, "no load report");
                    self.trouble = Some(trouble);
                }
                None
            }
        }
    }
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_report_of_this_machine() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("operator");
        let report = Report::Busiest(Source::ALL.into());
        let text = Reporter::new(report.clone(), file.clone()).once().await.unwrap();
        assert!(text.starts_with("ready up ") && agent_check::is_answer(&text), "{text}");
        OperatorState::Drain.write(&file).unwrap();
        assert_eq!(Reporter::new(report, file).once().await.unwrap(), "drain");
    }

    #[tokio::test]
    async fn a_program_runs_once_for_many() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("runs");
        let script = format!("echo >> {}; echo 42", file.display());
        let report = Report::Exec {
            command: vec!["/bin/sh".into(), "-c".into(), script],
            timeout: Duration::from_secs(10),
        };
        let reporter = Reporter::new(report, directory.path().join("operator"));
        let (questions, asked) = mpsc::channel(8);
        tokio::spawn(reporter.run(asked));
        for _ in 0..3 {
            let (question, answer) = oneshot::channel();
            questions.send(question).await.unwrap();
            assert_eq!(answer.await.unwrap().as_deref(), Some("ready up 42%"));
        }
        assert_eq!(fs::read_to_string(file).unwrap(), "\n");
    }
}
