//! Mail about changes: all that happen within a short time in one, and again and again until the mail
//! server takes it. What was not sent when lvsd ends is lost.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{Alert, Encryption, Mail};
use crate::patience::{BackOff, Complaints};

/// So long a mail server may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Attempts when there is nobody left to alert, and so nobody to take this task's place.
const LAST_ATTEMPTS: u32 = 5;
/// Alerts in one mail; of more only the number is told.
const LINES: usize = 500;

/// What stands in one mail.
#[derive(Debug, Default, PartialEq, Eq)]
struct Digest {
    alerts: Vec<Alert>,
    left_out: usize,
}

impl Digest {
    fn add(&mut self, alert: Alert) {
        if self.alerts.len() < LINES {
            self.alerts.push(alert);
        } else {
            self.left_out += 1;
        }
    }

    fn subject(&self) -> String {
        match &self.alerts[..] {
            [alert] => format!("[lvs {}] {} is {}", alert.director, alert.about(), alert.to),
            [first, ..] => {
                let changes = self.alerts.len() + self.left_out;
                format!("[lvs {}] {changes} changes", first.director)
            }
            [] => String::new(),
        }
    }

    fn body(&self) -> String {
        let mut body: String =
            self.alerts.iter().flat_map(|alert| [alert.line(), "\n".to_owned()]).collect();
        if self.left_out > 0 {
            body += &format!("and {} more: see the log\n", self.left_out);
        }
        body
    }
}

/// Sends until there is nobody left to alert.
pub(super) async fn send(settings: Mail, mut alerts: mpsc::Receiver<Alert>) {
    let mut complaints = Complaints::default();
    while let Some(first) = alerts.recv().await {
        let mut digest = Digest::default();
        digest.add(first);
        let mut is_open = gather(&mut digest, &mut alerts, settings.gather).await;
        let mut back_off = BackOff::new(settings.retry, LONGEST_WAIT);
        let mut attempts = 0;
        loop {
            match send_once(&settings, &digest).await {
                Ok(()) => {
                    if complaints.settle() {
                        info!(server = settings.server, "the mail server takes mail again");
                    }
                    break;
                }
                Err(error) if complaints.is_due(Instant::now()) => {
                    warn!(server = settings.server, error, "can't send mail; trying again");
                }
                Err(_) => {}
            }
            if is_open {
                // What happens meanwhile goes into the same mail.
                is_open = gather(&mut digest, &mut alerts, back_off.wait()).await;
                continue;
            }
            attempts += 1;
            if attempts == LAST_ATTEMPTS {
                let lost = digest.alerts.len() + digest.left_out;
                warn!(
                    server = settings.server,
                    lost, "the last mail by these settings is given up"
                );
                return;
            }
            sleep(back_off.wait()).await;
        }
    }
}

/// Takes in whatever comes within this time; says whether there may be more.
async fn gather(digest: &mut Digest, alerts: &mut mpsc::Receiver<Alert>, time: Duration) -> bool {
    let end = sleep(time);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return true,
            alert = alerts.recv() => match alert {
                Some(alert) => digest.add(alert),
                None => return false,
            },
        }
    }
}

async fn send_once(settings: &Mail, digest: &Digest) -> Result<(), String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| format!("{text}: {error}"));
    let mut message = Message::builder().from(mailbox(&settings.from)?);
    for to in &settings.to {
        message = message.to(mailbox(to)?);
    }
    let message = message
        .subject(digest.subject())
        .header(ContentType::TEXT_PLAIN)
        .body(digest.body())
        .map_err(|error| error.to_string())?;
    let transport = transport(settings)?;
    match timeout(PATIENCE, transport.send(message)).await {
        Ok(sent) => sent.map(drop).map_err(|error| reason(&error)),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

/// Made anew for each mail: passwords and certificates may change.
fn transport(settings: &Mail) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let read = |what, file: &Path| {
        let read = fs::read_to_string(file);
        read.map_err(|error| format!("can't read {what} in {}: {error}", file.display()))
    };
    let parameters = || {
        let mut builder = TlsParameters::builder(settings.server.clone());
        if let Some(file) = &settings.ca_file {
            let pem = read("the certificates", file)?;
            let certificates = Certificate::from_pem(pem.as_bytes()).map_err(|it| reason(&it))?;
            builder = builder.add_root_certificate(certificates);
        }
        builder.build().map_err(|it| reason(&it))
    };
    let tls = match settings.encryption {
        Encryption::StartTls => Tls::Required(parameters()?),
        Encryption::Tls => Tls::Wrapper(parameters()?),
        Encryption::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server)
        .port(settings.port)
        .timeout(Some(PATIENCE))
        .tls(tls);
    if let Some((user, file)) = &settings.login {
        let password = read("the password", file)?;
        let password = password.trim_end_matches(['\n', '\r']).to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::alert;

    #[test]
    fn a_failing_rack_is_one_mail() {
        let mut digest = Digest::default();
        digest.add(alert(11, "down"));
        assert_eq!(digest.subject(), "[lvs midas] tcp 10.77.0.100:80 10.77.0.11 is down");
        for number in 1..600 {
            digest.add(alert((number % 200) as u8, "down"));
        }
        assert_eq!(digest.subject(), "[lvs midas] 600 changes");
        let body = digest.body();
        assert_eq!(body.lines().count(), LINES + 1);
        assert!(body.ends_with("and 100 more: see the log\n"), "{body}");
    }
}
