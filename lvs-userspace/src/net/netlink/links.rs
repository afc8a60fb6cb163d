//! Whether interfaces can send and receive, as it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, channel::mpsc::UnboundedReceiver};
use rtnetlink::{
    Handle, MulticastGroup, new_multicast_connection,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        link::{LinkAttribute, LinkFlags, LinkMessage},
    },
    sys::SocketAddr,
};
use tokio::time::timeout;

use super::NetError;

/// News can get lost (netlink(7), ENOBUFS); so often everything is asked for anew.
const ASK: Duration = Duration::from_secs(1);

/// Some interfaces, watched.
#[derive(Debug)]
pub struct Links {
    handle: Handle,
    news: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
    /// Whether each is up, as was last told.
    known: BTreeMap<String, Option<bool>>,
}

impl Links {
    /// Watches the interfaces with these names, whether they are there or not.
    ///
    /// # Errors
    /// When there are no sockets to be had.
    pub fn watch(names: impl IntoIterator<Item = String>) -> Result<Self, NetError> {
        let (connection, handle, news) =
            new_multicast_connection(&[MulticastGroup::Link]).map_err(NetError::Open)?;
        tokio::spawn(connection);
        let known = names.into_iter().map(|name| (name, None)).collect();
        Ok(Self { handle, news, known })
    }

    /// The next change: an interface, and whether it is up now. The first are what is the case.
    pub async fn next(&mut self) -> Vec<(String, bool)> {
        loop {
            let news = timeout(ASK, self.news.next()).await;
            let up = match news.ok().flatten().map(|(message, _)| message.payload) {
                Some(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))) => {
                    name(&link).map(|name| BTreeMap::from([(name.to_owned(), is_up(&link))]))
                }
                // One that is gone is seen by its absence.
                Some(_) | None => self.ask().await,
            };
            let changed = up.map(|up| self.compare(&up)).unwrap_or_default();
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    /// All that there are now; `None` if the kernel does not say.
    async fn ask(&mut self) -> Option<BTreeMap<String, bool>> {
        let links = self.handle.link().get().execute();
        let links: Vec<_> = links.try_collect().await.ok()?;
        let mut up: BTreeMap<_, _> =
            links.iter().filter_map(|link| Some((name(link)?.to_owned(), is_up(link)))).collect();
        let missing: BTreeSet<_> = self.known.keys().filter(|it| !up.contains_key(*it)).collect();
        up.extend(missing.into_iter().map(|name| (name.clone(), false)));
        Some(up)
    }

    fn compare(&mut self, up: &BTreeMap<String, bool>) -> Vec<(String, bool)> {
        let mut changed = Vec::new();
        for (name, &is_up) in up {
            if let Some(known) = self.known.get_mut(name)
                && known.replace(is_up) != Some(is_up)
            {
                changed.push((name.clone(), is_up));
            }
        }
        changed
    }
}

fn name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(&**name),
        _ => None,
    })
}

/// Whether it was switched on and has a carrier.
fn is_up(link: &LinkMessage) -> bool {
    link.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp)
}
