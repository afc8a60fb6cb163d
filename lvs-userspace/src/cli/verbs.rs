//! Nouns and verbs, carried out.

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;
use clap_complete::env::Shells;
use serde::Serialize;

use super::{
    Answer, CliError, NAME,
    args::{Args, Json, ServerVerb, ServiceVerb, Verb},
    drain, render,
};
use crate::{
    config::Config,
    control::{
        api::{Configuration, Edited, Filter, Reload, Saved, Services, Status},
        client::Client,
    },
    import::{Format, Imported, import},
};

pub(super) async fn answer(client: &Client, verb: Verb) -> Result<Answer, CliError> {
    let text = match verb {
        Verb::List(json) | Verb::Service { what: ServiceVerb::List(json) } => {
            let services = client.services().await?;
            show(json, &services, |it| render::list(it, has_colour()))
        }
        Verb::Stats(json) => {
            let stats = Stats { table: client.services().await?, status: client.status().await? };
            show(json, &stats, |it| render::stats(&it.table, &it.status))
        }
        Verb::Rates(json) => show(json, &client.rates().await?, render::rates),
        Verb::Connections { client: of, server, state, json } => {
            let filter = Filter { client: of, real_server: server, state };
            show(json, &client.connections(&filter).await?, render::connections)
        }
        Verb::Why { packet, json } => {
            let question = packet.question().map_err(CliError::Argument)?;
            let why = client.why(&question).await?;
            let is_no = !why.forwarded;
            return Ok(Answer { text: show(json, &why, render::why), is_no });
        }
        Verb::Status(json) => {
            let status = client.status().await?;
            let is_no = status.out_of_sync.is_some();
            return Ok(Answer { text: show(json, &status, render::status), is_no });
        }
        Verb::Failover { to, force, json } => {
            let handed_over = client.hand_over(to, force).await?;
            show(json, &handed_over, |it| format!("this director is {} now\n", it.role))
        }
        Verb::Doctor { ignore, json } => {
            let mut diagnosis = client.doctor().await?;
            diagnosis.findings.retain(|it| !ignore.contains(&it.name));
            let is_no = !diagnosis.findings.is_empty();
            let text = show(json, &diagnosis, |it| render::diagnosis(it, has_colour()));
            return Ok(Answer { text, is_no });
        }
        Verb::Watch(json) => return watch(client, json).await,
        Verb::Service { what } => match what.edit().map_err(CliError::Argument)? {
            Some(edit) => return Ok(changed(&client.edit(vec![edit]).await?)),
            None => String::new(),
        },
        Verb::Server { what } => {
            let edited = client.edit(vec![what.edit().map_err(CliError::Argument)?]).await?;
            if edited.out_of_sync.is_none()
                && let ServerVerb::Drain { server, wait: true, timeout } = what
            {
                let service = server.service.id().map_err(CliError::Argument)?;
                return drain::wait(client, service, &server.real_server, timeout).await;
            }
            return Ok(changed(&edited));
        }
        Verb::Diff(json) => {
            let unsaved = client.difference().await?;
            let is_no = !unsaved.changes.is_empty() || !unsaved.needs_restart.is_empty();
            return Ok(Answer { text: show(json, &unsaved, render::unsaved), is_no });
        }
        Verb::Save { file } => save(client, file).await?,
        Verb::Restore { file } => {
            let toml = String::from_utf8(read(&file)?)
                .map_err(|_| CliError::File(format!("{}: not UTF-8", file.display())))?;
            return Ok(changed(&client.restore(toml).await?));
        }
        Verb::Reload { dry_run, json } => {
            let reloaded = client.reload(Reload { dry_run }).await?;
            let is_no = reloaded.out_of_sync.is_some();
            let text = show(json, &reloaded, |it| render::reloaded(it, dry_run));
            return Ok(Answer { text, is_no });
        }
        Verb::CheckConfig { file } => {
            // A file that is not there is no answer.
            let text = read(&file)?;
            let name = file.display().to_string();
            return Ok(match Config::parse(&String::from_utf8_lossy(&text), &name) {
                Ok(config) => {
                    let n = config.virtual_services.len();
                    format!("{name} is good: {n} virtual services\n").into()
                }
                Err(errors) => Answer { text: format!("{errors}\n"), is_no: true },
            });
        }
        Verb::Import { format, file } => import_file(format, &file)?,
        Verb::Completions { shell } => completions(&shell)?,
        Verb::Man { directory } => {
            clap_mangen::generate_to(Args::command(), &directory).map_err(|error| {
                CliError::File(format!("can't write to {}: {error}", directory.display()))
            })?;
            String::new()
        }
    };
    Ok(text.into())
}

/// What has gone through, and what has not.
#[derive(Serialize)]
struct Stats {
    #[serde(flatten)]
    table: Services,
    #[serde(flatten)]
    status: Status,
}

fn show<T: Serialize>(json: Json, answer: &T, render: impl FnOnce(&T) -> String) -> String {
    if json.json { to_json(answer) } else { render(answer) }
}

fn to_json(answer: &impl Serialize) -> String {
    // The types have no maps with keys that are no strings, so this can't fail.
    serde_json::to_string_pretty(answer).unwrap_or_default() + "\n"
}

fn has_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

/// Shows events as they come.
async fn watch(client: &Client, json: Json) -> Result<Answer, CliError> {
    let mut events = client.events().await?;
    while let Some(event) = events.next().await? {
        let line = match json.json {
            true => serde_json::to_string(&event).unwrap_or_default() + "\n",
            false => render::event(&event),
        };
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(line.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(CliError::Output)?;
    }
    Err(CliError::File("lvsd has ended".to_owned()))
}

/// What was changed, a line each.
fn changed(edited: &Edited) -> Answer {
    let Edited { changes, out_of_sync } = edited;
    let lines: String = changes.iter().flat_map(|line| [line, "\n"]).collect();
    let text = lines + &render::out_of_sync(out_of_sync.as_deref());
    Answer { text, is_no: out_of_sync.is_some() }
}

/// Has lvsd write the running configuration to its file, or writes it to another.
async fn save(client: &Client, file: Option<PathBuf>) -> Result<String, CliError> {
    let Some(file) = file else {
        let Saved { file, before } = client.save().await?;
        let before = before.map(|it| format!("; what stood there is in {it}")).unwrap_or_default();
        return Ok(format!("saved the running configuration to {file}{before}\n"));
    };
    let Configuration { toml, .. } = client.configuration().await?;
    if file.as_os_str() == "-" {
        return Ok(toml);
    }
    fs::write(&file, &toml)
        .map_err(|error| CliError::File(format!("can't write {}: {error}", file.display())))?;
    Ok(format!("saved the running configuration to {}\n", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    }
    .map_err(|error| CliError::File(format!("{}: can't read it: {error}", file.display())))
}

/// Prints what a file means; what can't be carried over goes to stderr.
fn import_file(format: Format, file: &Path) -> Result<String, CliError> {
    let name = file.display().to_string();
    let bytes = read(file)?;
    let director = nix::unistd::gethostname().unwrap_or_default();
    let director = director.to_string_lossy();
    let director = if director.is_empty() { "director".into() } else { director };
    // Old files are often in Latin-1, and only their comments have letters that matter then.
    match import(format, &String::from_utf8_lossy(&bytes), &director) {
        Ok(Imported { toml, left_out }) => {
            for line in left_out {
                // If nobody can read stderr, the text itself has it, too.
                drop(writeln!(io::stderr(), "lvsctl: {name}:{line}"));
            }
            Ok(toml)
        }
        Err(errors) => {
            let lines: Vec<_> = errors.iter().map(|line| format!("{name}:{line}")).collect();
            Err(CliError::File(lines.join("\n")))
        }
    }
}

/// What a shell has to read so that it asks us what there is.
fn completions(shell: &str) -> Result<String, CliError> {
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(shell) else {
        let names: Vec<_> = shells.names().collect();
        let error = format!("{shell:?}: expected one of {}", names.join(", "));
        return Err(CliError::Argument(error));
    };
    let mut script = Vec::new();
    completer
        .write_registration("COMPLETE", NAME, NAME, NAME, &mut script)
        .map_err(CliError::Output)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}
