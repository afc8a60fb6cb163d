//! Asks on the network, past the kernel's own routes and neighbours, so that a question gets to one
//! real server even if it is for a VIP that many have.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Syn,
    packets::{Asker, Heard, Question, hear},
};
use crate::{
    model::MacAddr,
    net::{PacketSocket, vip_routes},
};

/// How often a question is asked that has no answer: packets get lost.
const ROUNDS: u32 = 2;
/// How long answers are waited for, each time.
const WAIT: Duration = Duration::from_millis(500);
/// So many questions are sent at once, then there is a pause, so that no queue overflows.
const BURST: usize = 32;
const PAUSE: Duration = Duration::from_millis(1);

/// Each question has a number of its own, by which its answer is known. Their upper halves, as
/// identifiers of echoes, are the same as of the marks of checks: hardly anybody else's.
static NEXT: AtomicU32 = AtomicU32::new(vip_routes::FIRST);

/// A question that is to be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) question: Question,
    pub(super) asker: Asker,
    /// The real server that it is about, or by whose way everybody is asked.
    pub(super) real_server: IpAddr,
    /// The interface that it is asked on.
    pub(super) interface: u32,
    /// Who is asked.
    pub(super) to: MacAddr,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// This one has the address.
    Owner(MacAddr),
    /// There is somebody.
    Echo,
    /// To a SYN.
    Syn(Syn),
}

/// Questions with their answers.
pub(super) type Answered = Vec<(Probe, BTreeSet<Answer>)>;

/// Asks all of it, all at the same time; where that was not possible: why, by the interface's index.
pub(super) async fn ask(probes: Vec<Probe>) -> (Answered, BTreeMap<u32, String>) {
    let mut conversations: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for probe in probes {
        let ethertype = probe.question.ethertype().0;
        conversations.entry((probe.interface, ethertype)).or_default().push(probe);
    }
    let conversations =
        conversations.into_iter().map(|((interface, ethertype), probes)| async move {
            (interface, converse(interface, ethertype, probes).await)
        });
    let (mut answered, mut failed) = (Vec::new(), BTreeMap::new());
    for (interface, result) in join_all(conversations).await {
        match result {
            Ok(these) => answered.extend(these),
            Err(error) => drop(failed.insert(interface, error.to_string())),
        }
    }
    (answered, failed)
}

/// Asks questions of one kind on one interface.
async fn converse(interface: u32, ethertype: u16, probes: Vec<Probe>) -> io::Result<Answered> {
    let socket = PacketSocket::open(interface, ethertype)?;
    let first = NEXT.fetch_add(u32::try_from(probes.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    let mut answered: Answered = probes.into_iter().map(|it| (it, BTreeSet::new())).collect();
    for _ in 0..ROUNDS {
        let unanswered = |(_, (probe, answers)): &(u32, &(Probe, BTreeSet<Answer>))| {
            // Others may have the address, too.
            answers.is_empty() || matches!(probe.question, Question::Who(_))
        };
        let numbered = || (0..).map(|at| first.wrapping_add(at)).zip(&answered);
        for (sent, (number, (probe, _))) in numbered().filter(unanswered).enumerate() {
            send(&socket, probe, &probe.question, number).await?;
            if sent % BURST == BURST - 1 {
                sleep(PAUSE).await;
            }
        }
        let end = Instant::now() + WAIT;
        while let Ok(received) = timeout_at(end, socket.receive()).await {
            let (from, packet) = received?;
            if let Some(heard) = hear(ethertype.into(), &packet) {
                note(heard, from, first, &mut answered);
            }
        }
    }
    for (at, (probe, answers)) in (0..).zip(&answered) {
        if let Question::Syn(to) = probe.question
            && answers.contains(&Answer::Syn(Syn::Accepted))
        {
            send(&socket, probe, &Question::Reset(to), first.wrapping_add(at)).await?;
        }
    }
    Ok(answered)
}

async fn send(
    socket: &PacketSocket,
    probe: &Probe,
    question: &Question,
    number: u32,
) -> io::Result<()> {
    let no_packet = || io::Error::other("asked by an address of another family");
    let packet = question.packet(&probe.asker, number).ok_or_else(no_packet)?;
    socket.send(probe.to, &packet).await
}

/// Takes an answer in, if it is one to these questions.
fn note(heard: Heard, from: MacAddr, first: u32, answered: &mut Answered) {
    let (number, answer) = match heard {
        Heard::Owner { address, mac } => {
            for (probe, answers) in answered {
                if probe.question == Question::Who(address) {
                    answers.insert(Answer::Owner(mac.unwrap_or(from)));
                }
            }
            return;
        }
        Heard::Echo { number, .. } => (number, Answer::Echo),
        Heard::Syn { number, answer, .. } => (number, Answer::Syn(answer)),
    };
    let Some((probe, answers)) = answered.get_mut(number.wrapping_sub(first) as usize) else {
        return;
    };
    let is_asked = match (probe.question, heard) {
        (Question::Echo(asked, _), Heard::Echo { from, .. }) => asked == from,
        (Question::Syn(asked), Heard::Syn { from, .. }) => asked == from,
        _ => false,
    };
    if is_asked {
        answers.insert(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 11]);

    fn probe(question: Question) -> (Probe, BTreeSet<Answer>) {
        let mac = MacAddr([2, 0, 0, 0, 0, 3]);
        let asker = Asker { mac, address: "192.0.2.3".parse().unwrap(), port: 40_000 };
        let real_server = "192.0.2.11".parse().unwrap();
        (Probe { question, asker, real_server, interface: 2, to: MAC }, BTreeSet::new())
    }

    #[test]
    fn an_answer_is_that_to_its_question() {
        let [vip, real, other]: [IpAddr; 3] =
            ["192.0.2.10", "192.0.2.11", "192.0.2.12"].map(|it| it.parse().unwrap());
        let questions = [
            Question::Echo(real, 84),
            Question::Echo(vip, 84),
            Question::Syn((vip, 80).into()),
            Question::Who(vip),
        ];
        let first = u32::MAX - 1;
        let number = |at: u32| first.wrapping_add(at);
        let echo = |from, at| Heard::Echo { from, number: number(at) };
        let syn = |from: IpAddr, port, at| Heard::Syn {
            from: (from, port).into(),
            number: number(at),
            answer: Syn::Refused,
        };
        let owner = |address, mac| Heard::Owner { address, mac };
        let cases = [
            (echo(real, 0), Some((0, Answer::Echo))),
            (echo(vip, 1), Some((1, Answer::Echo))),
            // By somebody else, to another's question, or to none.
            (echo(other, 0), None),
            (echo(vip, 0), None),
            (echo(vip, 2), None),
            (echo(vip, 4), None),
            (syn(vip, 80, 2), Some((2, Answer::Syn(Syn::Refused)))),
            (syn(vip, 81, 2), None),
            (syn(vip, 80, 1), None),
            (owner(vip, Some(MAC)), Some((3, Answer::Owner(MAC)))),
            (owner(vip, None), Some((3, Answer::Owner(MacAddr([9; 6]))))),
            (owner(real, Some(MAC)), None),
        ];
        for (heard, expected) in cases {
            let mut answered: Answered = questions.map(probe).into();
            note(heard, MacAddr([9; 6]), first, &mut answered);
            let noted: Vec<_> = answered
                .iter()
                .enumerate()
                .flat_map(|(at, (_, answers))| answers.iter().map(move |answer| (at, *answer)))
                .collect();
            assert_eq!(noted, expected.into_iter().collect::<Vec<_>>(), "{heard:?}");
        }
    }
}
