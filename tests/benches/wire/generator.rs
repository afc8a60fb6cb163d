//! Sends frames from the client as fast as one CPU can, and counts those that come back.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    maps::{Array, DevMap, PerCpuArray},
    programs::{TestRun as _, TestRunAttrs, TestRunOptions, Xdp, XdpMode},
};
use lvs_tests::lab::{Host, Lab};

use super::{cable::Cable, frames::LENGTH, object};

/// The two programs on the client's end of the cable.
pub(crate) struct Generator {
    ebpf: Ebpf,
}

impl Generator {
    /// Puts them there.
    pub(crate) fn new(lab: &Lab, cable: Cable) -> Result<Self> {
        lab.within(Host::Client, || {
            let mut ebpf = object::load()?;
            let sink = object::program(&mut ebpf, "sink")?;
            sink.load()?;
            sink.attach_to_if_index(cable.at_client, XdpMode::Driver)?;
            object::program(&mut ebpf, "generate")?.load()?;
            let mut port: DevMap<_> =
                ebpf.map_mut("LIVE_PORT").context("no LIVE_PORT")?.try_into()?;
            port.set(0, cable.at_client, None, 0)?;
            Ok(Self { ebpf })
        })?
    }

    /// From now on it sends these frames, of so many clients: a power of two.
    pub(crate) fn set(&mut self, frame: [u8; LENGTH], clients: u32) -> Result<()> {
        ensure!(clients.is_power_of_two(), "{clients} clients are no power of two");
        self.set_map("LIVE_FRAME", template(&frame))?;
        self.set_map("LIVE_MASK", clients - 1)
    }

    /// The next frame is of this client.
    pub(crate) fn go_to(&mut self, client: u32) -> Result<()> {
        self.set_map("LIVE_NEXT", client)
    }

    /// Sends so many frames, at most 256 at a time; what becomes of them happens on this CPU, and before the
    /// next of them.
    pub(crate) fn send(&self, frames: u32, batch: u32) -> Result<()> {
        let generate: &Xdp = self.ebpf.program("generate").context("no generate")?.try_into()?;
        generate.test_run(TestRunOptions {
            data_in: Some(&[0; LENGTH]),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(batch),
            ..TestRunOptions::default()
        })?;
        Ok(())
    }

    /// Frames that have come back so far.
    pub(crate) fn sunk(&self) -> Result<u64> {
        let map = self.ebpf.map("LIVE_SUNK").context("no LIVE_SUNK")?;
        let map = PerCpuArray::<_, u64>::try_from(map)?;
        Ok(map.get(&0, 0)?.iter().sum())
    }

    fn set_map<V: aya::Pod>(&mut self, name: &str, value: V) -> Result<()> {
        let map = self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))?;
        Ok(Array::try_from(map)?.set(0, value, 0)?)
    }
}

/// What the program makes frames of: the bytes, and the sums of both checksums.
fn template(frame: &[u8; LENGTH]) -> [u32; LENGTH / 4 + 2] {
    let sum = |at| u32::from(!u16::from_be_bytes([frame[at], frame[at + 1]]));
    let mut words = [0; LENGTH / 4 + 2];
    for (word, bytes) in words.iter_mut().zip(frame.as_chunks().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words[LENGTH / 4] = sum(14 + 10);
    words[LENGTH / 4 + 1] = sum(14 + 20 + 16);
    words
}
