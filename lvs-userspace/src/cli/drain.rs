//! `server drain --wait`: until the real server has no connections left.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::sleep;

use super::{Answer, CliError, names};
use crate::{
    control::{api::Services, client::Client},
    model::ServiceId,
};

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn wait(
    client: &Client,
    service: ServiceId,
    real_server: &str,
    timeout: Option<Duration>,
) -> Result<Answer, CliError> {
    let address = names::real_server(real_server, &service).map_err(CliError::Argument)?;
    let end = timeout.map(|it| Instant::now() + it);
    let left = || async {
        let services = client.services().await?;
        Ok::<_, CliError>(connections(&services, service, address))
    };
    let Some(mut now) = left().await? else { return Err(gone(address)) };
    let mut most = now;
    // Where stderr is no terminal, it draws nothing.
    let bar = ProgressBar::new(most).with_style(style());
    while now > 0 {
        if end.is_some_and(|end| Instant::now() >= end) {
            bar.abandon();
            let text = format!("{address} still has {now} connections of {service}\n");
            return Ok(Answer { text, is_no: true });
        }
        sleep(LOOK).await;
        now = left().await?.ok_or_else(|| gone(address))?;
        most = most.max(now);
        bar.set_length(most);
        bar.set_position(most - now);
        bar.set_message(format!("{now} left"));
    }
    bar.finish_and_clear();
    Ok(format!("{address} has no connections of {service} left\n").into())
}

fn gone(address: IpAddr) -> CliError {
    CliError::Argument(format!("{address} is no real server of it any more"))
}

fn style() -> ProgressStyle {
    let template = "draining {wide_bar} {pos}/{len} connections gone, {msg}, {elapsed}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The connections that a real server holds; `None` if there is no such real server.
fn connections(services: &Services, id: ServiceId, address: IpAddr) -> Option<u64> {
    let ServiceId { protocol, address: vip, port } = id;
    let is_it =
        |it: &&super::api::Service| (it.protocol, it.address, it.port) == (protocol, vip, port);
    let service = services.services.iter().find(is_it)?;
    let real_server = service.real_servers.iter().find(|it| it.address == address)?;
    Some(real_server.active_connections + real_server.inactive_connections)
}
