//! The benchmarks' own programs, which do less than any load balancer has to.

use anyhow::Result;
use aya::{
    Ebpf,
    programs::{XdpMode, xdp::XdpLink},
};
use lvs_tests::lab::{Host, Lab};

use super::{cable::Cable, contender::Contender, object, traffic::Traffic};

/// A program and its maps.
pub(crate) struct Small {
    name: &'static str,
    /// The one for packets of connections that are new.
    opener: &'static str,
    ebpf: Ebpf,
    interface: u32,
    /// What holds one of them there.
    link: Option<XdpLink>,
}

impl Small {
    /// Loads it; `opener` is the one for packets of connections that are new.
    pub(crate) fn load(lab: &Lab, cable: Cable, [name, opener]: [&'static str; 2]) -> Result<Self> {
        let mut ebpf = lab.within(Host::Director, object::load)??;
        object::program(&mut ebpf, name)?.load()?;
        if opener != name {
            object::program(&mut ebpf, opener)?.load()?;
        }
        Ok(Self { name, opener, ebpf, interface: cable.at_director, link: None })
    }
}

impl Contender for Small {
    fn name(&self) -> &'static str {
        self.name
    }

    fn attach(&mut self, lab: &Lab, traffic: Traffic) -> Result<()> {
        let name = match traffic {
            Traffic::Known(_) => self.name,
            Traffic::Syns => self.opener,
        };
        let Self { ebpf, interface, .. } = self;
        let link = lab.within(Host::Director, || -> Result<_> {
            let program = object::program(ebpf, name)?;
            let id = program.attach_to_if_index(*interface, XdpMode::Driver)?;
            Ok(program.take_link(id)?)
        })??;
        self.link = Some(link);
        Ok(())
    }

    fn detach(&mut self, _lab: &Lab) -> Result<()> {
        self.link = None;
        Ok(())
    }

    fn forwarded(&self, _lab: &Lab) -> Result<Option<u64>> {
        Ok(None)
    }

    fn expect_connections(&self, _lab: &Lab, _wanted: u32) -> Result<()> {
        // A packet of one that it does not know would not come back.
        Ok(())
    }
}
