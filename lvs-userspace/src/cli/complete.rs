//! What a shell offers when somebody presses Tab: what lvsd knows, if it answers.

use std::{env, ffi::OsStr, path::Path};

use clap_complete::CompletionCandidate;

use crate::{
    control::{api::Services, client::Client},
    model::{Protocol, Scheduler},
};

pub(super) fn protocols(current: &OsStr) -> Vec<CompletionCandidate> {
    matching(current, Protocol::ALL.map(|it| it.name().to_owned()))
}

pub(super) fn schedulers(current: &OsStr) -> Vec<CompletionCandidate> {
    matching(current, Scheduler::ALL.map(|it| it.name().to_owned()))
}

/// Addresses and ports of the virtual services.
pub(super) fn services(current: &OsStr) -> Vec<CompletionCandidate> {
    let address =
        |it: &super::api::Service| std::net::SocketAddr::new(it.address, it.port).to_string();
    matching(current, known().services.iter().map(address))
}

/// Addresses of the real servers.
pub(super) fn real_servers(current: &OsStr) -> Vec<CompletionCandidate> {
    let known = known();
    let real_servers = known.services.iter().flat_map(|it| &it.real_servers);
    matching(current, real_servers.map(|it| it.address.to_string()))
}

fn matching(current: &OsStr, words: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let mut words: Vec<_> = words.into_iter().filter(|word| word.starts_with(&*current)).collect();
    words.sort();
    words.dedup();
    words.into_iter().map(CompletionCandidate::new).collect()
}

/// What lvsd has; nothing if it does not answer: who presses Tab wants no error.
fn known() -> Services {
    let socket = env::var_os("LVS_SOCKET").unwrap_or_else(|| super::SOCKET.into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.map(|it| it.block_on(Client::new(Path::new(&socket)).services()));
    match answer {
        Ok(Ok(services)) => services,
        Ok(Err(_)) | Err(_) => Services { services: Vec::new() },
    }
}
