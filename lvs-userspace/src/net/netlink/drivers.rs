//! What the drivers of interfaces do and can do, over generic netlink.

use std::collections::BTreeSet;

use ethtool::{EthtoolAttr, EthtoolFeatureAttr, EthtoolHandle};
use futures::{StreamExt as _, TryStreamExt as _};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use rtnetlink::packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla as _,
    NlasIterator, Parseable as _, ParseableParametrized,
};

use super::NetError;

/// A connection to the kernel, by which drivers are asked.
#[derive(Debug)]
pub struct Drivers(EthtoolHandle);

/// What an interface's driver does with XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpAbilities {
    /// It runs programs itself.
    pub native: bool,
    /// It takes frames now that programs of other interfaces send to it.
    pub takes_redirected: bool,
}

impl Drivers {
    /// Opens a connection.
    ///
    /// # Errors
    /// When there are no sockets to be had.
    pub fn open() -> Result<Self, NetError> {
        let (connection, handle, _) = ethtool::new_connection().map_err(NetError::Open)?;
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// The offloads of an interface that are on, as `ethtool -k` names them but for a few; `None` if
    /// the kernel does not say (before 5.7, or the interface has just gone).
    pub async fn offloads(&mut self, interface: &str) -> Option<BTreeSet<String>> {
        let answers = self.0.feature().get(Some(interface)).execute().await.ok()?;
        let answers: Vec<_> = answers.try_collect().await.ok()?;
        let attributes = answers.iter().flat_map(|answer| &answer.payload.nlas);
        let active = attributes.filter_map(|attribute| match attribute {
            EthtoolAttr::Feature(EthtoolFeatureAttr::Active(bits)) => Some(bits),
            _ => None,
        });
        Some(active.flatten().filter(|bit| bit.value).map(|bit| bit.name.clone()).collect())
    }

    /// What an interface does with XDP; `None` if the kernel does not say (before 6.3).
    pub async fn xdp(&mut self, interface: u32) -> Option<XdpAbilities> {
        let ask = NetDevice::new(NetDevice::INTERFACE, interface.to_ne_bytes().into());
        let mut message = NetlinkMessage::from(GenlMessage::from_payload(ask));
        message.header.flags = NLM_F_REQUEST;
        let mut answers = self.0.handle.request(message).await.ok()?;
        match answers.next().await?.ok()?.payload {
            NetlinkPayload::InnerMessage(answer) => answer.payload.abilities(),
            _ => None,
        }
    }
}

/// A message of the family `netdev` (Documentation/netlink/specs/netdev.yaml, include/uapi/linux/netdev.h).
#[derive(Clone, Debug)]
struct NetDevice(Vec<DefaultNla>);

impl NetDevice {
    /// The command to tell of one interface.
    const GET: u8 = 1;
    /// Attributes.
    const INTERFACE: u16 = 1;
    const XDP: u16 = 3;
    /// Bits of what it can do with XDP.
    const BASIC: u64 = 1;
    const NDO_XMIT: u64 = 4;

    fn new(attribute: u16, value: Vec<u8>) -> Self {
        Self(vec![DefaultNla::new(attribute, value)])
    }

    fn abilities(&self) -> Option<XdpAbilities> {
        let attribute = self.0.iter().find(|it| it.kind() == Self::XDP)?;
        let mut bits = [0; 8];
        if attribute.value_len() != bits.len() {
            return None;
        }
        attribute.emit_value(&mut bits);
        let bits = u64::from_ne_bytes(bits);
        Some(XdpAbilities {
            native: bits & Self::BASIC != 0,
            takes_redirected: bits & Self::NDO_XMIT != 0,
        })
    }
}

impl GenlFamily for NetDevice {
    fn family_name() -> &'static str {
        "netdev"
    }

    fn command(&self) -> u8 {
        Self::GET
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for NetDevice {
    fn buffer_len(&self) -> usize {
        self.0.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.0.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for NetDevice {
    fn parse_with_param(buffer: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(buffer).map(|it| DefaultNla::parse(&it?));
        Ok(Self(attributes.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_can_do_is_read() {
        let read = |bits: u64| {
            let mut bytes = [0; 12];
            NetDevice::new(NetDevice::XDP, bits.to_ne_bytes().into()).emit(&mut bytes);
            let header = GenlHeader { cmd: NetDevice::GET, version: 1 };
            NetDevice::parse_with_param(&bytes, header).expect("a message").abilities()
        };
        let abilities = |native, takes_redirected| Some(XdpAbilities { native, takes_redirected });
        assert_eq!(read(0), abilities(false, false));
        assert_eq!(read(3), abilities(true, false));
        assert_eq!(read(0x67), abilities(true, true));
        let other = NetDevice::new(NetDevice::INTERFACE, vec![1, 0, 0, 0]);
        assert_eq!(other.abilities(), None, "a kernel that does not say");
    }

    /// Each machine has a loopback interface, which runs no XDP natively.
    #[tokio::test]
    async fn the_kernel_is_asked() {
        let mut drivers = Drivers::open().expect("a socket");
        if let Some(offloads) = drivers.offloads("lo").await {
            assert!(offloads.contains("loopback"), "{offloads:?}");
            assert!(!offloads.contains("rx-lro"), "{offloads:?}");
        }
        if let Some(abilities) = drivers.xdp(1).await {
            assert!(!abilities.native, "{abilities:?}");
        }
        assert_eq!(drivers.offloads("no such").await, None);
        assert_eq!(drivers.xdp(u32::MAX).await, None);
    }
}
