//! The ends that a packet can meet when it is not forwarded, each with a counter of its own.
//!
//! A forwarded packet is counted with its real server ([`Traffic`](crate::abi::Traffic)); every
//! other packet with exactly one [`Fate`].

macro_rules! fates {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a packet was not forwarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum Fate {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Fate {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name of the counter.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it means, in a sentence for an operator.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

fates! {
    /// Passed to the kernel: neither IPv4, IPv6 nor ARP.
    PassedOtherEthertype = "passed_other_ethertype",
    /// Passed to the kernel: headers that are cut short or contradict themselves.
    PassedMalformed = "passed_malformed",
    /// Passed to the kernel: neither TCP, UDP nor ICMP.
    PassedOtherProtocol = "passed_other_protocol",
    /// Passed to the kernel: for no VIP.
    PassedNoVip = "passed_no_vip",
    /// Passed to the kernel: TCP or UDP for no virtual service, but for a VIP or what looks like one.
    PassedNoService = "passed_no_service",
    /// Passed to the kernel: a fragment of ICMP.
    PassedFragment = "passed_fragment",
    /// Passed to the kernel: ICMP that is about no connection and asks no VIP.
    PassedIcmp = "passed_icmp",
    /// Passed to the kernel: ARP that asks for no VIP.
    PassedArp = "passed_arp",
    /// Passed to the kernel: for a VIP, while this director is not active.
    PassedInactive = "passed_inactive",
    /// Answered: an ARP request for a VIP.
    AnsweredArp = "answered_arp",
    /// Answered: a neighbour solicitation (the ARP of IPv6) for a VIP.
    AnsweredSolicitation = "answered_solicitation",
    /// Answered: an echo request to a VIP.
    AnsweredEcho = "answered_echo",
    /// Dropped: the virtual service has no real server that takes connections.
    DroppedNoRealServer = "dropped_no_real_server",
    /// Dropped: the MAC of the real server is not known.
    DroppedNeighbourUnknown = "dropped_neighbour_unknown",
    /// Dropped: a fragment whose first has not been seen.
    DroppedFragment = "dropped_fragment",
    /// Dropped: it came from the real server that it would be sent to, or from this director.
    DroppedLoop = "dropped_loop",
    /// Dropped: TCP of no known connection, while another director may still tell of it.
    DroppedStray = "dropped_stray",
    /// Dropped: there was no room in the frame for a VLAN tag.
    DroppedNoRoom = "dropped_no_room",
}

impl Fate {
    /// The index of its counter in `FATES`.
    #[must_use]
    pub const fn index(self) -> u32 {
        self as u32
    }
}
