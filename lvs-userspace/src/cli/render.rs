//! Answers as text. Pure: the same answer always looks the same.

mod status;
mod why;

use std::net::SocketAddr;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

pub(super) use status::status;
pub(super) use why::why;

use crate::{
    control::api::{
        self, Connections, Event, Health, Rate, Rates, Reloaded, Services, Status, Unsaved, What,
    },
    doctor::{Diagnosis, Finding, Severity},
};

/// `lvsctl list`.
pub(super) fn list(services: &Services, colour: bool) -> String {
    let mut table = plain_table();
    table.set_header(vec![
        "SERVICE",
        "REAL SERVER",
        "WEIGHT",
        "STATE",
        "ACTIVE",
        "INACTIVE",
        "CONNS",
        "PACKETS",
        "BYTES",
        "WHY",
    ]);
    for column in table.column_iter_mut().filter(|column| ![0, 1, 3, 9].contains(&column.index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for service in &services.services {
        let address = SocketAddr::new(service.address, service.port);
        let name = Cell::new(format!("{} {address} {}", service.protocol, service.scheduler));
        let row = vec![
            if colour { name.add_attribute(Attribute::Bold) } else { name },
            Cell::new(""),
            Cell::new(""),
            Cell::new(""),
            Cell::new(sum(service, |rs| rs.active_connections)),
            Cell::new(sum(service, |rs| rs.inactive_connections)),
            Cell::new(service.connections),
            Cell::new(service.packets_in),
            Cell::new(service.bytes_in),
        ];
        table.add_row(row);
        for real_server in &service.real_servers {
            table.add_row(real_server_row(real_server, colour));
        }
    }
    lines(&table)
}

fn real_server_row(real_server: &api::RealServer, colour: bool) -> Vec<Cell> {
    let weight = if real_server.effective_weight == real_server.weight {
        real_server.weight.to_string()
    } else {
        format!("{} of {}", real_server.effective_weight, real_server.weight)
    };
    let its_colour = match (real_server.health, real_server.effective_weight) {
        (Health::Up, 0) => Color::Yellow,
        (Health::Up, _) => Color::Green,
        (Health::Down, _) => Color::Red,
    };
    let health = match real_server.health {
        Health::Up => "up",
        Health::Down => "down",
    };
    let state = Cell::new(real_server.state.as_deref().unwrap_or(health));
    vec![
        Cell::new(""),
        Cell::new(real_server.address),
        Cell::new(weight),
        if colour { state.fg(its_colour) } else { state },
        Cell::new(real_server.active_connections),
        Cell::new(real_server.inactive_connections),
        Cell::new(real_server.connections),
        Cell::new(real_server.packets_in),
        Cell::new(real_server.bytes_in),
        Cell::new(real_server.why.as_deref().unwrap_or_default()),
    ]
}

fn sum(service: &api::Service, count: impl Fn(&api::RealServer) -> u64) -> u64 {
    service.real_servers.iter().map(count).sum()
}

/// `lvsctl stats`.
pub(super) fn stats(services: &Services, status: &Status) -> String {
    let mut table = plain_table();
    table.set_header(vec!["SERVICE", "REAL SERVER", "CONNS", "PACKETS", "BYTES"]);
    for column in table.column_iter_mut().filter(|column| column.index > 1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for it in &services.services {
        let name = format!("{} {}", it.protocol, SocketAddr::new(it.address, it.port));
        let counts = [it.connections, it.packets_in, it.bytes_in].map(|it| it.to_string());
        table.add_row([name, String::new()].into_iter().chain(counts));
        for it in &it.real_servers {
            let counts = [it.connections, it.packets_in, it.bytes_in].map(|it| it.to_string());
            table.add_row([String::new(), it.address.to_string()].into_iter().chain(counts));
        }
    }
    format!("{}\n{}", lines(&table), fates(status))
}

/// What became of packets that were not forwarded.
fn fates(status: &Status) -> String {
    let mut table = plain_table();
    table.set_header(vec!["PACKETS NOT FORWARDED", "COUNT", "MEANING"]);
    if let Some(count) = table.column_mut(1) {
        count.set_cell_alignment(CellAlignment::Right);
    }
    for fate in &status.fates {
        table.add_row(vec![fate.name.clone(), fate.packets.to_string(), fate.meaning.clone()]);
    }
    let mut text = lines(&table);
    if status.unrecorded > 0 {
        text += &format!(
            "\n{} SYNs were forwarded and not recorded: more began than half_open has room for\n",
            status.unrecorded
        );
    }
    text
}

/// `lvsctl diff`.
pub(super) fn unsaved(unsaved: &Unsaved) -> String {
    let Unsaved { file, changes, needs_restart } = unsaved;
    if changes.is_empty() && needs_restart.is_empty() {
        return format!("what is running is what {file} says\n");
    }
    let mut text: String = changes.iter().flat_map(|line| [line, "\n"]).collect();
    for line in needs_restart {
        text += &format!("! {line}\n");
    }
    text + &format!(
        "(+ runs and is not in {file}, - is there and does not run; `lvsctl save` writes it there, \
         `lvsctl reload` goes back)\n"
    )
}

/// A line of `lvsctl watch`.
pub(super) fn event(event: &Event) -> String {
    let time = &event.time;
    match &event.what {
        What::State { protocol, address, port, real_server, from, to, reason } => {
            let service = SocketAddr::new(*address, *port);
            let who = real_server.map(|it| format!(" {it}")).unwrap_or_default();
            format!("{time} {protocol} {service}{who}: {from} -> {to}: {reason}\n")
        }
        What::Configuration { by, change } => format!("{time} {change} (by {by})\n"),
        What::Role { from, to, reason } => {
            format!("{time} failover: {from} -> {to}: {reason}\n")
        }
        What::Maps { out_of_sync: Some(reason) } => {
            format!("{time} the maps are out of sync: {reason}\n")
        }
        What::Maps { out_of_sync: None } => format!("{time} the maps are in sync again\n"),
        What::Missed { events } => format!("{time} {events} events were missed\n"),
    }
}

/// `lvsctl doctor`.
pub(super) fn diagnosis(diagnosis: &Diagnosis, colour: bool) -> String {
    let Diagnosis { checks, findings } = diagnosis;
    let mut text = String::new();
    for finding in findings {
        let (severity, code) = match finding.severity {
            Severity::Problem => ("PROBLEM", 31),
            Severity::Warning => ("WARNING", 33),
        };
        let Finding { name, what, evidence, advice, .. } = finding;
        text += &if colour {
            format!("\x1b[1;{code}m{severity}\x1b[0m {what} ({name})\n")
        } else {
            format!("{severity} {what} ({name})\n")
        };
        text += &format!("  seen: {evidence}\n  do:   {advice}\n\n");
    }
    text + &match findings.len() {
        0 => format!("nothing found: {checks} checks\n"),
        1 => format!("1 finding: {checks} checks\n"),
        n => format!("{n} findings: {checks} checks\n"),
    }
}

/// `lvsctl reload`.
pub(super) fn reloaded(reloaded: &Reloaded, dry_run: bool) -> String {
    let Reloaded { changes, needs_restart, out_of_sync } = reloaded;
    let mut text: String = changes.iter().flat_map(|line| [line, "\n"]).collect();
    for line in needs_restart {
        text += &format!("! {line}\n");
    }
    if text.is_empty() {
        text += "nothing has changed\n";
    } else if dry_run {
        text += "(not done: --dry-run)\n";
    }
    text + &self::out_of_sync(out_of_sync.as_deref())
}

/// That the maps are not what they should be.
pub(super) fn out_of_sync(reason: Option<&str>) -> String {
    reason.map(|reason| format!("OUT OF SYNC: {reason}\n")).unwrap_or_default()
}

/// `lvsctl connections`.
pub(super) fn connections(connections: &Connections) -> String {
    let mut table = plain_table();
    table.set_header(vec!["PROTOCOL", "STATE", "EXPIRES", "CLIENT", "VIRTUAL", "REAL SERVER"]);
    for it in &connections.connections {
        table.add_row(vec![
            it.protocol.to_string(),
            it.state.clone(),
            minutes(it.expires_in_s),
            it.client.to_string(),
            it.virtual_address.to_string(),
            it.real_server.to_string(),
        ]);
    }
    lines(&table)
}

/// As ipvsadm shows how long a connection has.
fn minutes(seconds: u64) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// A table's lines, without the space that it leaves at both ends of each.
fn lines(table: &Table) -> String {
    let trimmed =
        |line: String| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    table.lines().map(trimmed).collect()
}

/// `lvsctl rates`.
pub(super) fn rates(rates: &Rates) -> String {
    let mut table = plain_table();
    table.set_header(vec!["SERVICE", "REAL SERVER", "CONNS/S", "PACKETS/S", "BYTES/S"]);
    for column in table.column_iter_mut().filter(|column| column.index > 1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let row = |service: String, real_server: String, rate: &Rate| {
        let counts = [rate.connections_per_s, rate.packets_in_per_s, rate.bytes_in_per_s];
        [service, real_server].into_iter().chain(counts.map(|count| count.to_string()))
    };
    for service in &rates.services {
        let address = SocketAddr::new(service.address, service.port);
        table.add_row(row(format!("{} {address}", service.protocol), String::new(), &service.rate));
        for it in &service.real_servers {
            table.add_row(row(String::new(), it.address.to_string(), &it.rate));
        }
    }
    lines(&table)
}

#[cfg(test)]
mod tests;
