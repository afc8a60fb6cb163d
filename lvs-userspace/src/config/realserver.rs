//! The configuration of a real server: the file of `lvs-realserver`, checked.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use super::{
    ConfigErrors,
    check::document,
    reader::Reader,
    values::{self, command, host_address, listen, milliseconds, number, one_of},
};

/// Where a program's answer is no longer waited for, if nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The `[real_server]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServerConfig {
    /// The virtual addresses that this machine answers for, each once.
    pub vips: Vec<IpAddr>,
    /// Where the load report is served; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// What the report says.
    pub report: Report,
    /// TCP ports of the services, each once.
    pub services: Vec<u16>,
}

/// What the load report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// How busy the busiest of these is; at least one.
    Busiest(BTreeSet<Source>),
    /// What a program says, within a time.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
        /// So long it may take.
        timeout: Duration,
    },
}

/// What can be busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The share of time that the CPUs work.
    Cpu,
    /// The load average of a minute, per CPU.
    Load,
    /// The share of memory that is not available.
    Memory,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Load, Self::Memory];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Load => "load",
            Self::Memory => "memory",
        }
    }
}

impl Report {
    /// What `text` on a command line means: sources with commas between them, or `exec=` and a
    /// program with its arguments.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn from_argument(text: &str) -> Result<Self, String> {
        if let Some(command) = text.strip_prefix("exec=") {
            let command: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
            return match command.first() {
                Some(program) if program.starts_with('/') => {
                    Ok(Self::Exec { command, timeout: TIMEOUT })
                }
                Some(_) | None => Err("expected a program with its full path".to_owned()),
            };
        }
        let source = |word: &str| {
            let known = Source::ALL.into_iter().find(|source| source.name() == word);
            known.ok_or_else(|| {
                format!("found {word:?}; expected cpu, load, memory, several with commas, or exec=PROGRAM")
            })
        };
        text.split(',').map(source).collect::<Result<_, _>>().map(Self::Busiest)
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::Busiest(BTreeSet::from([Source::Cpu]))
    }
}

/// Without VIPs: they have no default.
impl Default for RealServerConfig {
    fn default() -> Self {
        Self {
            vips: Vec::new(),
            listen: Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 2357))),
            report: Report::default(),
            services: Vec::new(),
        }
    }
}

impl RealServerConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) => Err(ConfigErrors::unreadable(&file, &error)),
        }
    }

    /// Reads a text; `file` is what errors call it.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        document(text, file, |document| {
            let config = document.table("real_server").and_then(|section| real_server(&section));
            document.unknown_keys();
            config
        })
    }
}

/// A virtual address on a command line.
///
/// # Errors
/// Why it is none.
pub fn vip(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().map_err(|_| "expected an IP address, like 192.0.2.10".to_owned())?;
    values::can_be_a_host(address)
}

fn real_server(section: &Reader<'_>) -> Option<RealServerConfig> {
    let defaults = RealServerConfig::default();
    let vips = each_once(section, "vips", host_address);
    match &vips {
        None => section.missing("vips"),
        Some(vips) if vips.is_empty() => section.complain("vips", "expected at least one"),
        Some(_) => {}
    }
    let listen = section.optional("listen", listen);
    let report = report(section);
    let services = each_once(section, "services", number("a TCP port", 1..=u16::MAX));
    section.unknown_keys();
    Some(RealServerConfig {
        vips: vips?,
        listen: listen.map_or(defaults.listen, |at| at.value),
        report: report.unwrap_or_default(),
        services: services.unwrap_or_default(),
    })
}

fn report(section: &Reader<'_>) -> Option<Report> {
    if section.is_table("report") {
        let section = section.section("report")??;
        let exec = section.required("exec", command);
        let range = Duration::from_millis(10)..=Duration::from_secs(60);
        let timeout = section.optional("timeout", milliseconds(range));
        section.unknown_keys();
        let timeout = timeout.map_or(TIMEOUT, |at| at.value);
        return Some(Report::Exec { command: exec?.value, timeout });
    }
    let names = Source::ALL.map(|source| (source.name(), source));
    let sources = each_once(section, "report", one_of(&names))?;
    if sources.is_empty() {
        section.complain("report", "expected at least one of \"cpu\", \"load\", \"memory\"");
    }
    Some(Report::Busiest(sources.into_iter().collect()))
}

/// A list, in which nothing may be twice.
fn each_once<T: PartialEq + std::fmt::Debug>(
    section: &Reader<'_>,
    key: &'static str,
    read: impl Fn(&toml::de::DeValue<'_>) -> Result<T, String>,
) -> Option<Vec<T>> {
    let mut values = Vec::new();
    for element in section.list(key, read)? {
        if values.contains(&element.value) {
            section.problem(&element.span, key, &format!("{:?} is there twice", element.value));
        } else {
            values.push(element.value);
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn parse(keys: &str) -> Result<RealServerConfig, ConfigErrors> {
        RealServerConfig::parse(&format!("[real_server]\n{keys}"), "rs.toml")
    }

    fn check_errors(keys: &str, expected: Expect) {
        expected.assert_eq(&parse(keys).expect_err("a bad configuration").to_string());
    }

    #[test]
    fn vips_are_enough() {
        let config = parse("vips = [\"192.0.2.10\", \"2001:db8::10\"]").unwrap();
        assert_eq!(config.vips.len(), 2);
        assert_eq!(RealServerConfig { vips: Vec::new(), ..config }, RealServerConfig::default());
    }

    #[test]
    fn a_report_has_many_forms() {
        let busiest = |sources: &[Source]| Report::Busiest(sources.iter().copied().collect());
        let exec = |timeout| Report::Exec { command: vec!["/bin/x".into(), "-v".into()], timeout };
        for (text, expected) in [
            ("\"load\"", busiest(&[Source::Load])),
            ("[\"memory\", \"cpu\"]", busiest(&[Source::Cpu, Source::Memory])),
            ("{ exec = [\"/bin/x\", \"-v\"] }", exec(TIMEOUT)),
            (
                "{ exec = [\"/bin/x\", \"-v\"], timeout = \"250ms\" }",
                exec(Duration::from_millis(250)),
            ),
        ] {
            let config = parse(&format!("vips = [\"192.0.2.10\"]\nreport = {text}")).unwrap();
            assert_eq!(config.report, expected, "{text}");
        }
        assert_eq!(Report::from_argument("cpu,load"), Ok(busiest(&[Source::Cpu, Source::Load])));
        assert_eq!(Report::from_argument("exec=/bin/x -v"), Ok(exec(TIMEOUT)));
        for text in ["", "disk", "exec=", "exec=x", "cpu,"] {
            Report::from_argument(text).expect_err(text);
        }
    }

    #[test]
    fn none_listens_nowhere() {
        assert_eq!(parse("vips = [\"192.0.2.10\"]\nlisten = \"none\"").unwrap().listen, None);
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        check_errors(
            "vips = [\"192.0.2.10\", \"127.0.0.1\", 7, \"192.0.2.10\"]\nlisten = \"2357\"\n\
             report = [\"cpu\", \"disk\"]\nservices = [80, 0, 80]\nlissen = 1",
            expect![[r#"
                rs.toml:2:23: real_server.vips: 127.0.0.1 is a loopback address; expected the address of a host
                rs.toml:2:36: real_server.vips: found 7; expected an IP address, like "192.0.2.10"
                rs.toml:2:39: real_server.vips: 192.0.2.10 is there twice
                rs.toml:3:10: real_server.listen: found "2357"; expected an address and a port, like "[::]:2357", or "none"
                rs.toml:4:18: real_server.report: found "disk"; expected one of "cpu", "load", "memory"
                rs.toml:5:17: real_server.services: found 0; expected a TCP port from 1 to 65535
                rs.toml:5:20: real_server.services: 80 is there twice
                rs.toml:6:1: real_server.lissen: there is no such key; did you mean listen?"#]],
        );
        check_errors(
            "vips = []\nreport = { exec = [\"x\"], timeout = \"1h\", often = true }",
            expect![[r#"
                rs.toml:2:8: real_server.vips: expected at least one
                rs.toml:3:19: real_server.report.exec: found an array; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
                rs.toml:3:36: real_server.report.timeout: found "1h"; expected a time from "10ms" to "60s", like "500ms" or "2s"
                rs.toml:3:42: real_server.report.often: there is no such key; expected one of exec, timeout"#]],
        );
        check_errors(
            "report = []",
            expect![[r#"
            rs.toml:1:1: real_server: the key vips is missing
            rs.toml:2:10: real_server.report: expected at least one of "cpu", "load", "memory""#]],
        );
        let missing = RealServerConfig::parse("", "rs.toml").expect_err("nothing there");
        expect!["rs.toml:1:1: the section [real_server] is missing"]
            .assert_eq(&missing.to_string());
    }
}
