//! How the program gets onto an interface, and stays there when lvsd ends: by a link that is pinned.

use std::{fs, io};

use aya::programs::{
    ProgramError, XdpMode as AyaMode,
    links::{FdLink, PinnedLink},
};
use tracing::{debug, info};

use super::{BpfDataplane, LoadError, load::program, pins::PinnedAt};
use crate::config::XdpMode;

/// How an interface runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedAs {
    /// In its driver.
    Native,
    /// In the kernel's network stack.
    Generic,
}

impl AttachedAs {
    /// Its name in logs and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }

    const fn mode(self) -> AyaMode {
        match self {
            Self::Native => AyaMode::Driver,
            Self::Generic => AyaMode::Skb,
        }
    }

    const fn is_allowed(self, mode: XdpMode) -> bool {
        match mode {
            XdpMode::Auto => true,
            XdpMode::Native => matches!(self, Self::Native),
            XdpMode::Generic => matches!(self, Self::Generic),
        }
    }
}

impl BpfDataplane {
    /// Puts the program on an interface: in the place of the one that is there already, if that is
    /// ours, so that no packet is lost.
    ///
    /// # Errors
    /// When the kernel does not take it in any of the modes that are allowed.
    pub fn attach(
        &mut self,
        interface: &str,
        index: u32,
        mode: XdpMode,
    ) -> Result<AttachedAs, LoadError> {
        let failed = |error: &anyhow::Error| LoadError::Attach {
            interface: interface.to_owned(),
            reason: attach_advice(error),
        };
        for link in self.pins.links().filter(|link| link.interface == index) {
            if link.attached_as.is_allowed(mode) {
                match self.replace(&link) {
                    Ok(()) => return Ok(link.attached_as),
                    // The interface that it was for is gone; this one has but its number.
                    Err(error) => debug!(interface, %error, "can't replace the program before"),
                }
            }
            fs::remove_file(&link.path).map_err(|error| failed(&error.into()))?;
        }

        match mode {
            XdpMode::Native => self.attach_as(AttachedAs::Native, index),
            XdpMode::Generic => self.attach_as(AttachedAs::Generic, index),
            XdpMode::Auto => match self.attach_as(AttachedAs::Native, index) {
                Err(error) if !is_busy(&error) => {
                    let reason = format!("{error:#}");
                    info!(interface, reason, "the driver does not take XDP, trying generic mode");
                    self.attach_as(AttachedAs::Generic, index)
                }
                result => result,
            },
        }
        .map_err(|error| failed(&error))
    }

    /// Takes the program off all interfaces but these.
    ///
    /// # Errors
    /// When a link can't be removed.
    pub fn detach_others(&mut self, interfaces: &[u32]) -> io::Result<()> {
        for link in self.pins.links().filter(|link| !interfaces.contains(&link.interface)) {
            info!(index = link.interface, "takes the XDP program off an interface");
            fs::remove_file(&link.path)?;
        }
        Ok(())
    }

    fn attach_as(&mut self, attached_as: AttachedAs, index: u32) -> anyhow::Result<AttachedAs> {
        let program = program(&mut self.ebpf, self.program)?;
        let id = program.attach_to_if_index(index, attached_as.mode())?;
        let link: FdLink = program.take_link(id)?.try_into()?;
        link.pin(self.pins.link_path(index, attached_as))?;
        Ok(attached_as)
    }

    fn replace(&mut self, link: &PinnedAt) -> anyhow::Result<()> {
        let program = program(&mut self.ebpf, self.program)?;
        let pinned = FdLink::from(PinnedLink::from_pin(&link.path)?);
        let id = program.attach_to_link(pinned.try_into()?)?;
        // The pin holds it from here on.
        drop(program.take_link(id)?);
        Ok(())
    }
}

/// The kernel's error, with what to do about those that operators meet.
fn attach_advice(error: &anyhow::Error) -> String {
    if is_busy(error) {
        return "another XDP program is attached there; detach it first (`ip link set DEV xdp off`)"
            .to_owned();
    }
    if let Some(ProgramError::UnknownInterface { .. }) = error.downcast_ref() {
        return "there is no such interface".to_owned();
    }
    format!("{error:#}")
}

/// Whether another program is there already.
fn is_busy(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let errno = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        matches!(errno, Some(libc::EBUSY | libc::EEXIST))
    })
}
