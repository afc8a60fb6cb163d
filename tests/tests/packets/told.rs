//! What the program tells lvsd of connections for other directors, and what it does when nobody tells
//! them, or when another may still tell of some.

use lvs_common::{abi::tells, fate::Fate, forward::Verdict};

use crate::{
    Runner,
    frames::{self as f, v6},
    host::HostTables,
    world,
};

/// Something that lvsd was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A connection from this port of a client.
    Connection(u16),
    /// Where a client stays.
    Client,
}

/// What lvsd was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub beginnings: Vec<Subject>,
    pub changes: Vec<Subject>,
}

const FIN: f::Flags = f::Flags { syn: false, ack: true, fin: true, rst: false };

/// Frames, one after the other, each with what is told of it.
pub fn it_tells_what_is_new(runner: &mut impl Runner) {
    let connection = |port| vec![Subject::Connection(port)];
    let nothing = Vec::new;
    let all = tells::CHANGES | tells::BEGINNINGS;
    for (wanted, frame, beginnings, changes) in [
        (0, f::tcp(900, 80, f::SYN), nothing(), nothing()),
        (0, f::tcp(900, 80, f::ACK), nothing(), nothing()),
        (all, f::tcp(1000, 80, f::SYN), connection(1000), nothing()),
        (all, f::tcp(1000, 80, f::SYN), nothing(), nothing()),
        (all, f::tcp(1000, 80, f::ACK), nothing(), connection(1000)),
        (all, f::tcp(1000, 80, f::ACK), nothing(), nothing()),
        (all, f::tcp(1000, 80, FIN), nothing(), connection(1000)),
        (all, f::tcp(1000, 80, f::ACK), nothing(), nothing()),
        (all, f::tcp(1000, 80, f::RST), nothing(), connection(1000)),
        // A port that is used again keeps its place.
        (all, f::tcp(1000, 80, f::SYN), nothing(), connection(1000)),
        (all, f::udp(1001, 53, b"?"), connection(1001), nothing()),
        (all, f::udp(1001, 53, b"?"), nothing(), connection(1001)),
        (all, f::udp(1001, 53, b"?"), nothing(), nothing()),
        (all, f::tcp(1002, world::STICKY_PORT, f::SYN), connection(1002), vec![Subject::Client]),
        (all, f::tcp(1003, 80, f::ACK), nothing(), nothing()),
        (all, v6::tcp(1004, 80, f::SYN), connection(1004), nothing()),
        (all, v6::tcp(1004, 80, f::ACK), nothing(), connection(1004)),
        (tells::CHANGES, f::tcp(1005, 80, f::SYN), nothing(), nothing()),
        (tells::CHANGES, f::tcp(1005, 80, f::ACK), nothing(), connection(1005)),
        (tells::BEGINNINGS, f::tcp(1006, 80, f::SYN), connection(1006), nothing()),
        (tells::BEGINNINGS, f::tcp(1006, 80, f::ACK), nothing(), nothing()),
    ] {
        runner.listen(wanted);
        assert_eq!(runner.run(&mut frame.clone()), Verdict::Transmit);
        assert_eq!(runner.told(), Told { beginnings, changes }, "{frame:x?}");
    }
}

/// The MAC that a frame is sent to.
fn sent_to(runner: &mut impl Runner, mut frame: Vec<u8>) -> Vec<u8> {
    assert_eq!(runner.run(&mut frame), Verdict::Transmit);
    frame[..6].to_vec()
}

/// When nobody tells the next director of new connections, they go where it sends what it does not know.
pub fn untold_it_goes_where_another_would_guess(runner: &mut impl Runner) {
    let guess = sent_to(runner, f::tcp(2000, 80, f::ACK));
    runner.follow(false);
    for port in 2001..2013 {
        assert_eq!(sent_to(runner, f::tcp(port, 80, f::SYN)), guess);
        // And there they stay.
        assert_eq!(sent_to(runner, f::tcp(port, 80, f::ACK)), guess);
    }
    runner.follow(true);
    let others = (2013..2019).filter(|&port| sent_to(runner, f::tcp(port, 80, f::SYN)) != guess);
    assert!(others.count() >= 3, "the scheduler picks again");
}

/// As long as another may tell of it, TCP of no known connection is dropped, and nothing else is.
pub fn what_may_be_told_of_is_not_reset(runner: &mut impl Runner) {
    sent_to(runner, f::tcp(3000, 80, f::SYN));
    runner.hold_strays(true);
    let before = runner.fate(Fate::DroppedStray);
    for flags in [f::ACK, FIN, f::RST] {
        assert_eq!(runner.run(&mut f::tcp(3001, 80, flags)), Verdict::Drop);
        assert_eq!(runner.run(&mut v6::tcp(3001, 80, flags)), Verdict::Drop);
    }
    assert_eq!(runner.fate(Fate::DroppedStray) - before, 6);
    sent_to(runner, f::tcp(3000, 80, f::ACK));
    sent_to(runner, f::tcp(3002, 80, f::SYN));
    sent_to(runner, f::udp(3003, 53, b"?"));
    runner.hold_strays(false);
    sent_to(runner, f::tcp(3001, 80, f::ACK));
}

#[test]
fn it_tells_what_is_new_on_the_host() {
    it_tells_what_is_new(&mut HostTables::new(world::tables()));
}

#[test]
fn untold_it_goes_where_another_would_guess_on_the_host() {
    untold_it_goes_where_another_would_guess(&mut HostTables::new(world::tables()));
}

#[test]
fn what_may_be_told_of_is_not_reset_on_the_host() {
    what_may_be_told_of_is_not_reset(&mut HostTables::new(world::tables()));
}
