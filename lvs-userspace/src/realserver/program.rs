//! A program of the operator's that says how loaded the machine is.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::{process::Command, time::timeout};

use crate::process;

/// What a program prints. When its time is over, it is killed.
pub(super) async fn output(command: &[String], within: Duration) -> anyhow::Result<String> {
    let (program, arguments) = command.split_first().context("no program given")?;
    let mut command = Command::new(program);
    let Ok(ended) = timeout(within, process::run(command.args(arguments))).await else {
        bail!("{program}: no answer within {within:?}");
    };
    let ended = ended.with_context(|| format!("can't run {program}"))?;
    ensure!(ended.status.success(), "{program}: {}", ended.status);
    Ok(ended.stdout)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn shell(script: &str, within: Duration) -> anyhow::Result<String> {
        output(&["/bin/sh".into(), "-c".into(), script.into()], within).await
    }

    #[tokio::test]
    async fn what_a_program_prints() {
        let within = Duration::from_secs(10);
        assert_eq!(shell("echo 75; echo no >&2", within).await.unwrap(), "75\n");
        shell("echo 75; exit 3", within).await.expect_err("a failure");
        output(&["/no/such/program".into()], within).await.expect_err("no program");
        output(&[], within).await.expect_err("nothing");
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("late");
        let script = format!("(sleep 1; touch {}) & sleep 60", file.display());
        let start = Instant::now();
        shell(&script, Duration::from_millis(200)).await.expect_err("too late");
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(1300)).await;
        assert!(!file.exists());
    }
}
