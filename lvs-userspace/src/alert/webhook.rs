//! JSON that is posted to a URL for each change.

use std::time::{Duration, Instant};

use reqwest::{Client, header, redirect::Policy};
use tokio::{sync::mpsc, time::sleep};
use tracing::{info, warn};

use super::Alert;
use crate::{
    patience::{BackOff, Complaints},
    tls,
};

/// So long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// So often it is tried; an alert that nobody wants then is dropped.
const ATTEMPTS: u32 = 5;

/// Posts until there is nobody left to alert.
pub(super) async fn post(url: String, mut alerts: mpsc::Receiver<Alert>) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => return warn!(url, error, "no alerts by web hook"),
    };
    let mut complaints = Complaints::default();
    while let Some(alert) = alerts.recv().await {
        let mut back_off = BackOff::new(Duration::from_secs(1), Duration::from_secs(30));
        // When there is nobody left to alert, the rest is not to take for ever.
        let attempts = if alerts.is_closed() { 1 } else { ATTEMPTS };
        for attempt in 1..=attempts {
            match post_once(&client, &url, &alert).await {
                Ok(()) => {
                    if complaints.settle() {
                        info!(url, "the web hook takes alerts again");
                    }
                    break;
                }
                Err(error) if complaints.is_due(Instant::now()) => {
                    warn!(url, error, "the web hook does not take an alert");
                }
                Err(_) => {}
            }
            if attempt < attempts {
                sleep(back_off.wait()).await;
            }
        }
    }
}

fn client() -> Result<Client, String> {
    // A redirection would make a GET of it, whose success says nothing (RFC 9110, section 15.4.3).
    let builder = Client::builder()
        .tls_backend_preconfigured(tls::strict(&[])?)
        .redirect(Policy::none())
        .timeout(ANSWER);
    builder.build().map_err(|error| reason(&error))
}

async fn post_once(client: &Client, url: &str, alert: &Alert) -> Result<(), String> {
    let body = serde_json::to_string(alert).map_err(|error| error.to_string())?;
    let request = client.post(url).header(header::CONTENT_TYPE, "application/json").body(body);
    let answer = request.send().await.map_err(|error| reason(&error))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answers {status}")),
    }
}

/// With what is behind it, which reqwest keeps to itself.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
