//! How what was asked for is had from lvsd.

use std::io::{self, Read as _};

use super::{Ask, Failure, List, parse_saved, save::save, show};
use crate::{
    cli::CliError,
    config::Edit,
    control::{
        api::{Filter, Persistence, Services},
        client::{Client, ClientError},
    },
    model::ServiceId,
};

/// Asks, and gives what is to be printed.
pub(in crate::cli) async fn answer(client: &Client, ask: &Ask) -> Result<String, CliError> {
    match ask {
        Ask::Version => Ok(format!("ipvsadm v1.31 (lvsctl {})\n", env!("CARGO_PKG_VERSION"))),
        Ask::Help => Ok(HELP.to_owned()),
        Ask::Edit(edit) => self::edit(client, vec![edit.clone()]).await,
        Ask::Zero(service) => {
            client.zero(*service).await.map_err(refused)?;
            Ok(String::new())
        }
        Ask::Save { numeric } => Ok(save(client.services().await?, *numeric)),
        Ask::Restore => {
            let mut text = String::new();
            let read = io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| CliError::File(format!("stdin: {error}")))?;
            let edits = parse_saved(&text).map_err(Failure::usage)?;
            self::edit(client, edits).await
        }
        Ask::List(list) => self::list(client, list).await,
    }
}

/// Says nothing when all is done, as ipvsadm does.
async fn edit(client: &Client, edits: Vec<Edit>) -> Result<String, CliError> {
    match client.edit(edits).await.map_err(refused)?.out_of_sync {
        Some(reason) => Err(Failure::refused(format!("OUT OF SYNC: {reason}")).into()),
        None => Ok(String::new()),
    }
}

async fn list(client: &Client, list: &List) -> Result<String, CliError> {
    if list.connections {
        let connections = client.connections(&Filter::default()).await?;
        return Ok(show::connections(&connections, &client.persistence().await?, list));
    }
    if list.timeout {
        return Ok(show::timeouts(&client.status().await?.timeouts));
    }
    if list.daemon {
        return Ok(String::new()); // As the kernel says when none runs.
    }
    let head = match list.service {
        Some(_) => String::new(),
        None => show::version(client.status().await?.connection_table_size),
    };
    if list.rate && !list.stats {
        let mut rates = client.rates().await?;
        rates.services.retain(|it| is_meant(list, it.protocol, it.address, it.port));
        if list.service.is_some() && rates.services.is_empty() {
            return Err(no_service());
        }
        return Ok(head + &show::rates(&show::sorted_rates(rates, list), list));
    }
    let mut services = client.services().await?;
    services.services.retain(|it| is_meant(list, it.protocol, it.address, it.port));
    if list.service.is_some() && services.services.is_empty() {
        return Err(no_service());
    }
    if list.persistent {
        count(&mut services, &client.persistence().await?);
    }
    Ok(head + &show::services(&show::sorted(services, list), list))
}

fn is_meant(
    list: &List,
    protocol: crate::model::Protocol,
    address: std::net::IpAddr,
    port: u16,
) -> bool {
    list.service.is_none_or(|only| only == ServiceId { protocol, address, port })
}

fn no_service() -> CliError {
    Failure { text: "No such service".to_owned(), status: 1 }.into()
}

/// Notes how many clients stay with each real server.
fn count(services: &mut Services, persistence: &Persistence) {
    for service in &mut services.services {
        let name = (service.protocol, service.address, service.port);
        for real_server in &mut service.real_servers {
            let clients = persistence.clients.iter().filter(|it| {
                (it.protocol, it.address, it.port) == name && it.real_server == real_server.address
            });
            real_server.persistent_connections = clients.count() as u64;
        }
    }
}

/// What lvsd refuses is said as ipvsadm says what the kernel refuses.
fn refused(error: ClientError) -> CliError {
    match error {
        ClientError::Refused(error) => Failure::refused(error.error).into(),
        ClientError::NoDaemon(_) | ClientError::Rights(_) | ClientError::Connection { .. } => {
            error.into()
        }
    }
}

const HELP: &str = "\
ipvsadm's options, as lvsctl understands them. A service is -t ADDRESS:PORT (TCP) or -u ADDRESS:PORT (UDP).

  -A SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [-o]    add a service (--add-service)
  -E SERVICE [...]                                           change it (--edit-service)
  -D SERVICE                                                 delete it (--delete-service)
  -C                                                         delete all of them (--clear)
  -a SERVICE -r ADDRESS [-g] [-w WEIGHT] [-x N] [-y N]       add a real server (--add-server)
  -e SERVICE -r ADDRESS [...]                                change it (--edit-server)
  -d SERVICE -r ADDRESS                                      delete it (--delete-server)
  -L [SERVICE]                                               list (--list, -l), also without any option
     -n  -c  --stats  --rate  --exact  --thresholds  --persistent-conn  --timeout  --daemon  --nosort
  -Z [SERVICE]                                               set the counters to zero (--zero)
  -S [-n]                                                    print commands that make all this (--save)
  -R                                                         carry such commands out, all or none (--restore)
  --set TCP TCPFIN UDP                                       timeouts in seconds; 0 leaves one as it is
  -v  -h

What ipvsadm does not say has its default, also in -E and -e: -s wlc, -w 1, -p 360. ipvsadm(8) explains it all;
`lvsctl --help` shows lvsctl's own words, which can say more.
";
