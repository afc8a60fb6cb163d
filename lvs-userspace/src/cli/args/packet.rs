//! A packet that is asked about.

use clap::{Args, builder::PossibleValue};
use clap_complete::engine::ArgValueCompleter;

use crate::{
    cli::{complete, names},
    control::api::{Flag, Question},
    model::Protocol,
};

/// A packet, as `tcp 192.0.2.1:40000 192.0.2.10:80`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Packet {
    /// tcp or udp
    #[arg(value_parser = names::protocol, add = ArgValueCompleter::new(complete::protocols))]
    protocol: Protocol,
    /// Who sends it, like 192.0.2.1:40000 or `[2001:db8::1]:40000`
    client: String,
    /// What it is sent to, like 192.0.2.10:80, `[2001:db8::10]:80` or www:http
    #[arg(value_name = "VIRTUAL", add = ArgValueCompleter::new(complete::services))]
    virtual_address: String,
    /// What kind of TCP it is
    #[arg(long, value_enum)]
    flag: Option<Flag>,
}

impl Packet {
    pub(in crate::cli) fn question(&self) -> Result<Question, String> {
        Ok(Question {
            protocol: self.protocol,
            client: names::socket_address(&self.client, self.protocol)?,
            virtual_address: names::socket_address(&self.virtual_address, self.protocol)?,
            flag: self.flag,
        })
    }
}

impl clap::ValueEnum for Flag {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Syn => "It opens a connection; this is what is meant if nothing is said",
            Self::Ack => "It belongs to a connection",
            Self::Fin => "It ends what the client has to say",
            Self::Rst => "It ends the connection",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}
