//! What each verb does.

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    args::{Args, Verb},
    findings::findings,
    machine::Machine,
    operator::OperatorState,
    plan::{self, Changed},
    probes,
    record::{Files, Lock, Place, Record},
    reporter::Reporter,
    server,
};
use crate::config::realserver::{RealServerConfig, Report};

/// The answer is no.
const NO: u8 = 1;
/// `status` takes the lock, too, for a moment.
const TRY: Duration = Duration::from_millis(500);
/// How long one that is being asked to end may take.
const END: Duration = Duration::from_secs(10);

/// Does what `args` say, and gives what to print. `shutdown` ends what would go on for ever.
///
/// # Errors
/// When it can't be done.
pub async fn execute(
    args: Args,
    shutdown: CancellationToken,
) -> anyhow::Result<(String, ExitCode)> {
    let files = Files::new(&args.state);
    let done = (String::new(), ExitCode::SUCCESS);
    match args.verb {
        Verb::Run(settings) => {
            run(settings.resolve_with_vips()?, &files, shutdown).await?;
            Ok(done)
        }
        Verb::Down => {
            down(&files).await?;
            Ok(done)
        }
        Verb::Check(settings) => check(&settings.resolve_with_vips()?).await,
        Verb::Report(settings) => {
            let reporter = Reporter::new(settings.resolve()?.report, files.operator());
            Ok((reporter.once().await? + "\n", ExitCode::SUCCESS))
        }
        Verb::SetState { wanted } => {
            files.make_directory()?;
            wanted.write(&files.operator())?;
            Ok(done)
        }
        Verb::Status => status(&files).await,
    }
}

/// Is a real server until `shutdown`.
async fn run(
    config: RealServerConfig,
    files: &Files,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    files.make_directory()?;
    let _lock = match files.lock(TRY).await? {
        Ok(lock) => lock,
        Err(pid) => bail!(
            "it runs already{}; end that with `lvs-realserver down`, or choose another --state",
            process(pid)
        ),
    };
    // Before anything is changed: it may fail.
    let listener = config.listen.map(|address| {
        server::listen(address).with_context(|| format!("can't listen on {address}"))
    });
    let listener = listener.transpose()?;
    let listen = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let machine = Machine::open()?;
    let place = Place::here()?;
    let changed = match files.read()? {
        None => Changed::default(),
        Some(record) if record.place == place => {
            info!("an earlier one was killed: going on from what it has changed");
            record.changed
        }
        Some(record) => {
            if !record.place.is_over(&place) {
                warn!(
                    record = %serde_json::to_string(&record.changed)?,
                    "an earlier one was killed in another network namespace; what it changed there, \
                     if that is still there, is not put back"
                );
            }
            Changed::default()
        }
    };
    let mut record = Record { place, vips: config.vips.clone(), listen, changed };

    let up = become_real_server(&config, &machine, files, &mut record).await;
    if up.is_ok() {
        match listener.zip(listen) {
            Some((listener, address)) => {
                info!(%address, "serving load reports");
                let (questions, asked) = mpsc::channel(64);
                let reporter = Reporter::new(config.report.clone(), files.operator());
                // It ends when nobody is left who could ask.
                tokio::spawn(reporter.run(asked));
                tokio::select! {
                    () = server::serve(listener, questions) => {}
                    () = shutdown.cancelled() => {}
                }
            }
            None => shutdown.cancelled().await,
        }
        info!("ending: putting everything back");
    }
    let down = put_back(&machine, files, &mut record).await;
    up.and(down)
}

async fn become_real_server(
    config: &RealServerConfig,
    machine: &Machine,
    files: &Files,
    record: &mut Record,
) -> anyhow::Result<()> {
    let seen = machine.look().await?;
    let (changed, steps) = plan::up(&config.vips, &seen, &record.changed);
    record.changed = changed;
    files.write(record)?;
    for step in &steps {
        machine.carry_out(step, &seen).await?;
        record.changed.forget(step);
    }
    files.write(record)?;
    for finding in findings(&config.vips, &machine.look().await?) {
        warn!("{finding}");
    }
    Ok(())
}

/// Puts back all that can be.
async fn put_back(machine: &Machine, files: &Files, record: &mut Record) -> anyhow::Result<()> {
    let seen = machine.look().await?;
    record.changed.forget_undone(&seen);
    let mut failures = Vec::new();
    for step in plan::down(&seen, &record.changed) {
        match machine.carry_out(&step, &seen).await {
            Ok(()) => record.changed.forget(&step),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    if record.changed.is_empty() {
        return files.remove();
    }
    files.write(record)?;
    Err(anyhow!("not everything could be put back:\n{}", failures.join("\n")))
}

async fn down(files: &Files) -> anyhow::Result<()> {
    if !files.state().exists() && files.holder().is_none() {
        info!("there is nothing to put back");
        return Ok(());
    }
    let _lock = take_from_running(files).await?;
    let Some(mut record) = files.read()? else { return Ok(()) };
    let place = Place::here()?;
    if record.place.is_over(&place) {
        info!("the machine has started again since: there is nothing to put back");
        return files.remove();
    }
    if record.place != place {
        bail!(
            "{} is of another network namespace: run this there, or remove it if that is gone",
            files.state().display()
        );
    }
    put_back(&Machine::open()?, files, &mut record).await
}

/// Has the one that runs end, if one does.
async fn take_from_running(files: &Files) -> anyhow::Result<Lock> {
    let pid = match files.lock(TRY).await? {
        Ok(lock) => return Ok(lock),
        Err(pid) => pid.filter(|pid| files.is_open_in(*pid)),
    };
    let pid = pid.context("it runs, but its lock doesn't say as which process: end it yourself")?;
    // Between the look and this it would have to end, and its number be given to another.
    kill(Pid::from_raw(pid), Signal::SIGTERM)
        .with_context(|| format!("can't end process {pid}"))?;
    match files.lock(END).await? {
        Ok(lock) => Ok(lock),
        Err(pid) => bail!("it does not end within {END:?}{}", process(pid)),
    }
}

async fn check(config: &RealServerConfig) -> anyhow::Result<(String, ExitCode)> {
    let seen = Machine::open()?.look().await?;
    let mut findings = findings(&config.vips, &seen);
    findings.extend(probes::services(&config.vips, &config.services, &seen).await);
    if let Some(listen) = config.listen
        && let Err(why) = probes::report(listen, &config.report).await
    {
        findings.push(format!(
            "no load report from {listen} ({why:#}): start lvs-realserver, or see what it logs"
        ));
    }
    let status = if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(NO) };
    Ok((findings.iter().map(|finding| format!("{finding}\n")).collect(), status))
}

async fn status(files: &Files) -> anyhow::Result<(String, ExitCode)> {
    let holder = files.holder();
    let record = files.read()?.filter(|it| Place::here().is_ok_and(|here| it.place == here));
    let state = OperatorState::read(&files.operator())?;
    let seen = Machine::open()?.look().await?;
    let mut text = String::new();
    let running = match (&holder, &record) {
        (Some(pid), _) => format!("yes{}", process(*pid)),
        (None, Some(_)) => "no, it was killed: `lvs-realserver down` puts everything back".into(),
        (None, None) => "no".into(),
    };
    writeln!(text, "running  {running}")?;
    writeln!(text, "state    {state}")?;
    if let Some(record) = &record {
        let report = match (&holder, record.listen) {
            (Some(_), Some(listen)) => {
                let report = probes::report(listen, &Report::default()).await;
                let report = report.unwrap_or_else(|why| format!("none: {why:#}"));
                format!("{report} (on {listen})")
            }
            (None, _) | (_, None) => "not served".to_owned(),
        };
        writeln!(text, "report   {report}")?;
        for vip in &record.vips {
            let whose = match (seen.has_vip(*vip), record.changed.addresses.contains(vip)) {
                (true, true) => "on lo",
                (true, false) => "on lo, as it was before",
                (false, _) => "not on lo",
            };
            writeln!(text, "VIP      {vip} {whose}")?;
        }
        for (setting, values) in &record.changed.settings {
            writeln!(text, "setting  {setting} {}, was {}", values.set, values.was)?;
        }
    }
    let status = if holder.is_some() { ExitCode::SUCCESS } else { ExitCode::from(NO) };
    Ok((text, status))
}

fn process(pid: Option<i32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
