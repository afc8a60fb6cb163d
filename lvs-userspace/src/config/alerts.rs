//! The `[alerts]` section.

use std::{path::PathBuf, time::Duration};

use super::{
    reader::Reader,
    values::{commands, host, mailbox, mailboxes, milliseconds, number, one_of, path, text, url},
};
use crate::alert::{Encryption, Mail, Settings};

const ENCRYPTIONS: [(&str, Encryption); 3] =
    [("starttls", Encryption::StartTls), ("tls", Encryption::Tls), ("none", Encryption::None)];

/// Without the section nobody is told but the log.
pub(super) fn alerts(section: Option<Option<Reader<'_>>>) -> Option<Settings> {
    let defaults = Settings::default();
    let Some(section) = section else { return Some(defaults) };
    let section = section?;
    let file = section.optional("file", path);
    let hooks = section.optional("hooks", commands);
    let times = Duration::from_millis(100)..=Duration::from_secs(3600);
    let hook_timeout = section.optional("hook_timeout", milliseconds(times));
    let webhook = section.optional("webhook", url);
    let mail = section.section("mail").map(|section| section.and_then(|it| mail(&it)));
    section.unknown_keys();
    let mail = match mail {
        Some(mail) => Some(mail?),
        None => None,
    };
    Some(Settings {
        file: file.map(|at| PathBuf::from(at.value)),
        hooks: hooks.map(|at| at.value).unwrap_or_default(),
        hook_timeout: hook_timeout.map_or(defaults.hook_timeout, |at| at.value),
        webhook: webhook.map(|at| at.value),
        mail,
    })
}

fn mail(section: &Reader<'_>) -> Option<Mail> {
    let server = section.required("server", host);
    let port = section.optional("port", number("a port", 1..=u16::MAX));
    let encryption = section.optional("encryption", one_of(&ENCRYPTIONS));
    let from = section.required("from", mailbox);
    let to = section.required("to", mailboxes);
    let ca_file = section.optional("ca_file", path);
    let user = section.optional("user", text("a user of the mail server"));
    let password_file = section.optional("password_file", path);
    let times = Duration::from_millis(100)..=Duration::from_secs(3600);
    let gather = section.optional("gather", milliseconds(times.clone()));
    let retry = section.optional("retry", milliseconds(times));
    section.unknown_keys();
    let alone = |key, at: Option<&super::reader::At<String>>, other| {
        if let Some(at) = at {
            section.problem(&at.span, key, &format!("without {other} this means nothing"));
        }
    };
    match (&user, &password_file) {
        (Some(_), None) => alone("user", user.as_ref(), "password_file"),
        (None, Some(_)) => alone("password_file", password_file.as_ref(), "user"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let encryption = encryption.map(|at| at.value).unwrap_or_default();
    let usual = match encryption {
        Encryption::StartTls => 587,
        Encryption::Tls => 465,
        Encryption::None => 25,
    };
    Some(Mail {
        server: server?.value,
        port: port.map_or(usual, |at| at.value),
        encryption,
        ca_file: ca_file.map(|at| PathBuf::from(at.value)),
        login: user.zip(password_file).map(|(user, file)| (user.value, PathBuf::from(file.value))),
        from: from?.value,
        to: to?.value,
        gather: gather.map_or(Duration::from_secs(10), |at| at.value),
        retry: retry.map_or(Duration::from_secs(15), |at| at.value),
    })
}
