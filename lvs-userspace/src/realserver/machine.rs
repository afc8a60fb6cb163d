//! The kernel's side: sees the machine's network, and carries changes out.

use std::{collections::BTreeMap, fs, net::IpAddr};

use anyhow::Context as _;
use tracing::{info, warn};

use super::plan::{Arp, Change, SETTINGS, Seen};
use crate::net::{
    netlink::{NetError, Netlink},
    settings::{self, path, setting_of},
};

/// The machine that this runs on, or rather its network namespace.
#[derive(Debug)]
pub(super) struct Machine {
    netlink: Netlink,
}

impl Machine {
    pub(super) fn open() -> anyhow::Result<Self> {
        Ok(Self { netlink: Netlink::without_news()? })
    }

    pub(super) async fn look(&self) -> anyhow::Result<Seen> {
        let interfaces = self.netlink.interfaces().await.context("can't list interfaces")?;
        let addresses = self.netlink.addresses().await.context("can't list addresses")?;
        let default_routes = self.netlink.default_routes().await.context("can't list routes")?;
        let mut files: Vec<_> = SETTINGS.iter().map(|(file, _)| (*file).to_owned()).collect();
        let names = interfaces.iter().map(|it| it.name.as_str()).chain(["all"]);
        files.extend(names.flat_map(|name| {
            let arp = Arp::ALL.map(Arp::name).into_iter();
            arp.chain(["rp_filter"]).map(move |setting| setting_of(name, setting))
        }));
        let mut values = BTreeMap::new();
        for file in files {
            if let Some(value) = settings::read(&file).with_context(|| path(&file))? {
                values.insert(file, value);
            }
        }
        Ok(Seen { interfaces, addresses, settings: values, default_routes })
    }

    /// Carries one change out.
    pub(super) async fn carry_out(&self, change: &Change, seen: &Seen) -> anyhow::Result<()> {
        let loopback = || seen.loopback().map(|it| it.index).context("there is no loopback");
        match change {
            Change::Set { setting, value } | Change::Restore { setting, value } => {
                write(setting, *value)?;
                info!(%setting, value, "set");
            }
            Change::Leave { setting, value } => {
                warn!(%setting, value, "somebody else has changed this since: left as it is");
            }
            Change::Add(address) => {
                let added = self.netlink.add_vip(loopback()?, *address).await;
                added.map_err(|error| can_not_add(*address, error))?;
                info!(%address, "put on lo");
            }
            Change::Remove(address) => {
                let removed = self.netlink.remove_vip(loopback()?, *address).await;
                removed.with_context(|| format!("can't take {address} off lo"))?;
                info!(%address, "taken off lo");
            }
        }
        Ok(())
    }
}

fn can_not_add(address: IpAddr, error: NetError) -> anyhow::Error {
    // Without the right to do it, it would be "not permitted" (EPERM).
    let is_off = matches!(&error, NetError::Refused(why)
        if address.is_ipv6() && why.raw_os_error() == Some(libc::EACCES));
    let error = anyhow::Error::new(error);
    let error = if is_off {
        error.context("IPv6 is off there: sysctl -w net.ipv6.conf.lo.disable_ipv6=0")
    } else {
        error
    };
    error.context(format!("can't put {address} on lo"))
}

fn write(setting: &str, value: i32) -> anyhow::Result<()> {
    let path = path(setting);
    fs::write(&path, value.to_string()).with_context(|| format!("can't write {path}"))
}
