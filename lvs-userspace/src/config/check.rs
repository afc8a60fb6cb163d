//! From TOML to a [`Config`], with everything that is wrong noted on the way.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::{
    Config, ConfigErrors, Director, RealServer, VirtualService, XdpMode,
    error::{Problems, line_and_column},
    reader::{At, Reader},
    values::{host_address, interfaces, number, one_of, text},
};
use crate::model::{Protocol, Scheduler, ServiceId, Weight};

const XDP_MODES: [(&str, XdpMode); 3] =
    [("auto", XdpMode::Auto), ("native", XdpMode::Native), ("generic", XdpMode::Generic)];

/// Reads a whole configuration.
pub(super) fn config(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    let problems = Problems::default();
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        let message = error.message().replace('\n', ", ");
        problems.add(&error.span().unwrap_or_default(), "", message);
    }
    // Where the syntax is broken, keys seem to be missing that are there.
    let config =
        if syntax.is_empty() { read(&Reader::new(&document, &problems), text) } else { None };
    problems.into_errors(text, file)?;
    // Without problems there is a value for everything.
    config.ok_or(ConfigErrors(Vec::new()))
}

fn read(document: &Reader<'_>, text: &str) -> Option<Config> {
    let director = document.table("director").and_then(|section| director(section));
    let mut services = Vec::new();
    let mut seen = BTreeMap::new();
    for section in document.tables("virtual_service") {
        services.push(virtual_service(section, &mut seen, text));
    }
    document.unknown_keys();
    Some(Config {
        director: director?,
        virtual_services: services.into_iter().collect::<Option<_>>()?,
    })
}

fn director(section: Reader<'_>) -> Option<Director> {
    let name = section.required("name", self::text("a name, like \"midas\""));
    let interfaces = section.required("interfaces", interfaces);
    let xdp_mode = section.optional("xdp_mode", one_of(&XDP_MODES));
    section.unknown_keys();
    Some(Director {
        name: name?.value,
        interfaces: interfaces?.value,
        xdp_mode: xdp_mode.map(|at| at.value).unwrap_or_default(),
    })
}

fn virtual_service(
    section: Reader<'_>,
    seen: &mut BTreeMap<ServiceId, usize>,
    text: &str,
) -> Option<VirtualService> {
    let protocols = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    let schedulers = Scheduler::ALL.map(|scheduler| (scheduler.name(), scheduler));
    let address = section.required("address", host_address);
    let port = section.required("port", number("a port", 1..=u16::MAX));
    let protocol = section.required("protocol", one_of(&protocols));
    let scheduler = section.optional("scheduler", one_of(&schedulers));

    let mut servers = Vec::new();
    let mut seen_servers = BTreeMap::new();
    for section in section.tables("real_server") {
        servers.push(real_server(section, address.as_ref(), &mut seen_servers, text));
    }
    section.unknown_keys();

    let address = address?;
    let id = ServiceId { protocol: protocol?.value, address: address.value, port: port?.value };
    let (line, _) = line_and_column(text, address.span.start);
    if let Some(first) = seen.insert(id, line) {
        let message = format!("{id} is there twice; the first is in line {first}");
        section.problem(&address.span, "", &message);
    }
    Some(VirtualService {
        id,
        scheduler: scheduler.map_or(Scheduler::Wrr, |at| at.value),
        real_servers: servers.into_iter().collect::<Option<_>>()?,
    })
}

fn real_server(
    section: Reader<'_>,
    vip: Option<&At<std::net::IpAddr>>,
    seen: &mut BTreeMap<std::net::IpAddr, usize>,
    text: &str,
) -> Option<RealServer> {
    let address = section.required("address", host_address);
    let weight = section.optional("weight", number("a weight", 0..=u16::MAX));
    section.unknown_keys();

    let address = address?;
    if vip.is_some_and(|vip| vip.value == address.value) {
        let message = "this is the virtual address; expected the real server's own";
        section.problem(&address.span, "address", message);
    }
    let (line, _) = line_and_column(text, address.span.start);
    if let Some(first) = seen.insert(address.value, line) {
        let message = format!("{} is there twice; the first is in line {first}", address.value);
        section.problem(&address.span, "address", &message);
    }
    Some(RealServer {
        address: address.value,
        weight: weight.map_or(Weight(1), |at| Weight(at.value)),
    })
}
