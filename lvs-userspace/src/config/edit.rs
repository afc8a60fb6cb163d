//! Changes of a running configuration, one service or real server at a time. Pure.
//!
//! They are made on the words of the file, and what comes out is read as a file is: so every key can
//! be changed, and what is refused is refused in the same words.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{Config, ConfigError, Connections, VirtualService};
use crate::model::ServiceId;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "edit", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// A new virtual service.
    AddService {
        /// Its name.
        service: ServiceId,
        /// Its keys; those that are not given have their defaults.
        #[serde(default)]
        keys: Keys,
    },
    /// Other keys of a virtual service.
    EditService {
        /// Its name.
        service: ServiceId,
        /// Those that are not given stay.
        #[serde(default)]
        keys: Keys,
    },
    /// A virtual service less, with its real servers.
    DeleteService {
        /// Its name.
        service: ServiceId,
    },
    /// A new real server of a virtual service.
    AddRealServer {
        /// The name of the service.
        service: ServiceId,
        /// Its address.
        real_server: IpAddr,
        /// Its keys; those that are not given have their defaults.
        #[serde(default)]
        keys: Keys,
    },
    /// Other keys of a real server.
    EditRealServer {
        /// The name of the service.
        service: ServiceId,
        /// Its address.
        real_server: IpAddr,
        /// Those that are not given stay.
        #[serde(default)]
        keys: Keys,
    },
    /// A real server less.
    DeleteRealServer {
        /// The name of the service.
        service: ServiceId,
        /// Its address.
        real_server: IpAddr,
    },
    /// No virtual services at all.
    Clear,
    /// Other timeouts of connections.
    EditConnections {
        /// Keys of the section `[connections]`; those that are not given stay.
        keys: Keys,
    },
}

/// Keys of a virtual service or of a real server, named as in the configuration file and with the same
/// values; `null` takes one away, so that its default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Keys(pub serde_json::Map<String, serde_json::Value>);

impl Keys {
    /// These, with one more.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }
}

/// Why a change can't be made; in the words of libipvs where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is a service of that name.
    #[error("Service already exists")]
    ServiceExists,
    /// There is none.
    #[error("No such service")]
    NoService,
    /// There is none that the real server could be of.
    #[error("Service not defined")]
    ServiceNotDefined,
    /// The service has a real server of that address.
    #[error("Destination already exists")]
    RealServerExists,
    /// It has none.
    #[error("No such destination")]
    NoRealServer,
    /// A key that can't be changed, or has no value that a file could have.
    #[error("{key}: {message}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// One of several changes can't be made.
    #[error("change {number}: {error}")]
    One {
        /// Which, from 1.
        number: usize,
        /// Why.
        error: Box<EditError>,
    },
    /// What would come out makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// This configuration with all of these changes, made one after the other.
    ///
    /// # Errors
    /// Why one of them can't be made, or what comes out can't be.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, EditError> {
        let mut draft = Draft::new(&self.virtual_services, &self.connections);
        for (number, edit) in (1..).zip(edits) {
            draft.edit(edit).map_err(|error| match edits.len() {
                1 => error,
                _ => EditError::One { number, error: Box::new(error) },
            })?;
        }
        let (virtual_services, connections) = draft.read()?;
        Ok(Self { virtual_services, connections, ..self.clone() })
    }
}

/// Services that are being changed.
struct Draft<'a> {
    /// In their order; those that are gone leave a gap.
    services: Vec<Option<Drafted<'a>>>,
    places: BTreeMap<ServiceId, usize>,
    connections: &'a Connections,
    /// What is otherwise of them.
    timeouts: Keys,
}

enum Drafted<'a> {
    Unchanged(&'a VirtualService),
    /// In the words of the file.
    Changed(ServiceId, Table),
}

impl<'a> Draft<'a> {
    fn new(services: &'a [VirtualService], connections: &'a Connections) -> Self {
        Self {
            connections,
            timeouts: Keys::default(),
            places: services.iter().map(|it| it.id).zip(0..).collect(),
            services: services.iter().map(|it| Some(Drafted::Unchanged(it))).collect(),
        }
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), EditError> {
        match edit {
            Edit::Clear => {
                self.services.clear();
                self.places.clear();
            }
            Edit::EditConnections { keys } => {
                let other = keys.0.keys().find(|key| !TIMEOUTS.contains(&key.as_str()));
                if let Some(key) = other {
                    let message = "can't be changed while lvsd runs; there are ".to_owned();
                    let message = message + &TIMEOUTS.join(", ");
                    return Err(EditError::Key { key: key.clone(), message });
                }
                self.timeouts.0.extend(keys.0.clone());
            }
            Edit::AddService { service, keys } => {
                if self.places.contains_key(service) {
                    return Err(EditError::ServiceExists);
                }
                let mut table = Table::new();
                table.insert("address".to_owned(), service.address.to_string().into());
                table.insert("port".to_owned(), i64::from(service.port).into());
                table.insert("protocol".to_owned(), service.protocol.name().into());
                set(&mut table, keys)?;
                self.places.insert(*service, self.services.len());
                self.services.push(Some(Drafted::Changed(*service, table)));
            }
            Edit::EditService { service, keys } => {
                set(self.service(service).ok_or(EditError::NoService)?, keys)?;
            }
            Edit::DeleteService { service } => {
                let at = self.places.remove(service).ok_or(EditError::NoService)?;
                self.services[at] = None;
            }
            Edit::AddRealServer { service, real_server, keys } => {
                let real_servers = self.real_servers(service)?;
                if position(real_servers, *real_server).is_some() {
                    return Err(EditError::RealServerExists);
                }
                let mut table = Table::new();
                table.insert("address".to_owned(), real_server.to_string().into());
                set(&mut table, keys)?;
                real_servers.push(table.into());
            }
            Edit::EditRealServer { service, real_server, keys } => {
                let real_servers = self.real_servers(service)?;
                let at = position(real_servers, *real_server).ok_or(EditError::NoRealServer)?;
                let table = real_servers[at].as_table_mut().ok_or(EditError::NoRealServer)?;
                set(table, keys)?;
            }
            Edit::DeleteRealServer { service, real_server } => {
                let real_servers = self.real_servers(service)?;
                let at = position(real_servers, *real_server).ok_or(EditError::NoRealServer)?;
                real_servers.remove(at);
            }
        }
        Ok(())
    }

    /// A service in the words of the file, to be changed.
    fn service(&mut self, id: &ServiceId) -> Option<&mut Table> {
        let place = self.services.get_mut(*self.places.get(id)?)?;
        if let Some(Drafted::Unchanged(service)) = place {
            *place = Some(Drafted::Changed(*id, in_words(service)?));
        }
        match place {
            Some(Drafted::Changed(_, table)) => Some(table),
            Some(Drafted::Unchanged(_)) | None => None,
        }
    }

    /// The real servers of a service in the words of the file.
    fn real_servers(&mut self, id: &ServiceId) -> Result<&mut Vec<Value>, EditError> {
        let service = self.service(id).ok_or(EditError::ServiceNotDefined)?;
        let list = service.entry("real_server").or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut().ok_or(EditError::ServiceNotDefined)
    }

    /// Reads what has changed as a file is read.
    fn read(self) -> Result<(Vec<VirtualService>, Connections), EditError> {
        let services: Vec<_> = self.services.into_iter().flatten().collect();
        let changed: Vec<_> = services
            .iter()
            .filter_map(|it| match it {
                Drafted::Changed(id, table) => Some((*id, table)),
                Drafted::Unchanged(_) => None,
            })
            .collect();
        let mut document = Table::new();
        let tables = changed.iter().map(|(_, table)| Value::from((*table).clone())).collect();
        document.insert("virtual_service".to_owned(), Value::Array(tables));
        let mut connections: Table = self.connections.to_toml().parse().unwrap_or_default();
        let section = connections.entry("connections").or_insert_with(|| Table::new().into());
        if let Some(table) = section.as_table_mut() {
            set(table, &self.timeouts)?;
        }
        document.extend(connections);
        let text = format!("director = {{ name = \"x\", interfaces = [\"x\"] }}\n{document}");
        let read = Config::parse(&text, "").map_err(|errors| {
            let problems: BTreeSet<_> = errors.0.iter().map(|it| problem(it, &changed)).collect();
            EditError::Invalid(problems.into_iter().collect::<Vec<_>>().join("\n"))
        })?;
        let connections = read.connections;
        let mut read = read.virtual_services.into_iter();
        let services = services.into_iter().filter_map(|it| match it {
            Drafted::Unchanged(service) => Some(service.clone()),
            Drafted::Changed(..) => read.next(),
        });
        Ok((services.collect(), connections))
    }
}

/// A service in the words of the file.
fn in_words(service: &VirtualService) -> Option<Table> {
    let mut document: Table = service.to_toml().parse().ok()?;
    let Value::Array(mut services) = document.remove("virtual_service")? else { return None };
    match services.pop()? {
        Value::Table(table) => Some(table),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_) => None,
    }
}

fn position(real_servers: &[Value], address: IpAddr) -> Option<usize> {
    let is_it = |it: &Value| {
        it.get("address").and_then(Value::as_str).and_then(|it| it.parse().ok()) == Some(address)
    };
    real_servers.iter().position(is_it)
}

/// The keys of `[connections]` that can be changed while lvsd runs.
const TIMEOUTS: [&str; 6] =
    ["tcp_established", "tcp_syn_received", "tcp_fin_wait", "tcp_time_wait", "tcp_closed", "udp"];

/// Keys by which a service or a real server is known.
const NAMES: [&str; 4] = ["address", "port", "protocol", "real_server"];

/// A key that is derived from another: if only that one changes, it goes.
const DERIVED: [(&str, &str); 2] =
    [("upper_threshold", "lower_threshold"), ("persistence_timeout", "persistence_granularity")];

fn set(table: &mut Table, keys: &Keys) -> Result<(), EditError> {
    for (key, value) in &keys.0 {
        let wrong = |message: String| EditError::Key { key: key.clone(), message };
        if NAMES.contains(&key.as_str()) {
            return Err(wrong("can't be changed: delete it, and add another".to_owned()));
        }
        if value.is_null() {
            table.remove(key);
        } else {
            let value = Value::try_from(value).map_err(|error| wrong(error.to_string()))?;
            table.insert(key.clone(), value);
        }
    }
    for (from, derived) in DERIVED {
        let goes = match keys.0.get(from) {
            Some(value) => value.is_null() || from == "upper_threshold",
            None => false,
        };
        if goes && !keys.0.contains_key(derived) {
            table.remove(derived);
        }
    }
    Ok(())
}

/// An error of the file that the changed services would make, in words that name them.
fn problem(error: &ConfigError, changed: &[(ServiceId, &Table)]) -> String {
    let number = |text: &str| text.split(']').next()?.parse::<usize>().ok()?.checked_sub(1);
    let place = || {
        let rest = error.key.strip_prefix("virtual_service[")?;
        let (id, table) = changed.get(number(rest)?)?;
        let real_server = || {
            let (_, rest) = rest.split_once("real_server[")?;
            table.get("real_server")?.get(number(rest)?)?.get("address")?.as_str()
        };
        Some((*id, real_server().unwrap_or_default()))
    };
    let key = error.key.rsplit(['.', ']']).next().unwrap_or_default();
    let mut words = Vec::new();
    if let Some((id, real_server)) = place() {
        words.push(format!("{id} {real_server}").trim_end().to_owned());
    }
    words.extend([key, &error.message].map(str::to_owned));
    words.retain(|it| !it.is_empty());
    words.join(": ")
}

#[cfg(test)]
mod tests;
