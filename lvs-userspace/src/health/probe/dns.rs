//! A question to a name server (RFC 1035).

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, TYPE, rdata::RData};
use tokio::time::{Instant, timeout_at};

use super::peer::Peer;
use crate::health::{Dns, DnsRecord, Failure};

/// The longest answer that is looked at, in bytes.
const LONGEST: usize = 65_535;

pub(super) async fn probe(peer: Peer, dns: &Dns, limit: Duration) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(format_args!("can't ask {peer}"), &error);
    // Nobody who does not see the question can answer it.
    let id = RandomState::new().build_hasher().finish() as u16;
    let question = question(id, dns)?;
    let socket = peer.datagrams().await?;
    socket.send(&question).await.map_err(failed)?;
    let end = Instant::now() + limit.mul_f64(0.9);
    let mut buffer = vec![0; LONGEST];
    let mut strange = None;
    loop {
        match timeout_at(end, socket.recv(&mut buffer)).await {
            Ok(Ok(length)) => match judge(buffer.get(..length).unwrap_or_default(), id, dns) {
                Verdict::Good => return Ok(()),
                Verdict::Bad(reason) => return Err(Failure::Failed(format!("{peer} {reason}"))),
                // The answer may still come.
                Verdict::Strange(what) => strange = Some(what),
            },
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => {
                let what = strange.unwrap_or("did not answer");
                return Err(Failure::Failed(format!("{peer} {what}")));
            }
        }
    }
}

/// A query that asks for recursion, as clients' do.
fn question(id: u16, dns: &Dns) -> Result<Vec<u8>, String> {
    let name = Name::new(dns.name.trim_end_matches('.'))
        .map_err(|error| format!("{:?} is no name: {error}", dns.name))?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(
        name,
        record_type(dns.record).into(),
        CLASS::IN.into(),
        false,
    ));
    packet.build_bytes_vec().map_err(|error| format!("can't ask for {:?}: {error}", dns.name))
}

fn record_type(record: DnsRecord) -> TYPE {
    match record {
        DnsRecord::A => TYPE::A,
        DnsRecord::Aaaa => TYPE::AAAA,
        DnsRecord::Cname => TYPE::CNAME,
        DnsRecord::Mx => TYPE::MX,
        DnsRecord::Ns => TYPE::NS,
        DnsRecord::Ptr => TYPE::PTR,
        DnsRecord::Soa => TYPE::SOA,
        DnsRecord::Srv => TYPE::SRV,
        DnsRecord::Txt => TYPE::TXT,
    }
}

/// What a datagram is.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad(String),
    /// No answer to our question.
    Strange(&'static str),
}

fn judge(datagram: &[u8], id: u16, dns: &Dns) -> Verdict {
    let Ok(packet) = Packet::parse(datagram) else {
        return Verdict::Strange("answered with what is no DNS message");
    };
    let rcode = packet.rcode() as u16;
    // Who can't read a question may leave it out of its refusal.
    let asked = match &packet.questions[..] {
        [] => rcode != 0,
        [it] => {
            it.qtype == record_type(dns.record).into()
                && plain(&it.qname.to_string()) == plain(&dns.name)
        }
        _ => false,
    };
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !asked {
        return Verdict::Strange("answered another question");
    }
    if dns.rcode.is_some_and(|expected| expected != rcode) {
        return Verdict::Bad(format!("answered {:?}", packet.rcode()));
    }
    let Some(expected) = &dns.expect else { return Verdict::Good };
    let record = record_type(dns.record);
    let records = packet.answers.iter().filter(|it| it.rdata.type_code() == record);
    let found: Vec<String> = records.flat_map(|it| texts(&it.rdata)).collect();
    if found.iter().any(|it| plain(it) == plain(expected)) {
        return Verdict::Good;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Verdict::Bad(format!("has too much to say for a datagram, without {expected:?}"));
    }
    let found: Vec<_> = found.iter().take(5).map(String::as_str).collect();
    Verdict::Bad(format!("answered [{}], without {expected:?}", found.join(", ")))
}

/// Names are the same whatever their case, and with a dot at the end or without.
fn plain(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

/// What a record says, for those that say one thing.
#[expect(clippy::wildcard_enum_match_arm, reason = "there are many more than are asked for")]
fn texts(record: &RData<'_>) -> Vec<String> {
    match record {
        RData::A(it) => vec![Ipv4Addr::from(it.address).to_string()],
        RData::AAAA(it) => vec![Ipv6Addr::from(it.address).to_string()],
        RData::CNAME(it) => vec![it.0.to_string()],
        RData::NS(it) => vec![it.0.to_string()],
        RData::PTR(it) => vec![it.0.to_string()],
        RData::MX(it) => vec![it.exchange.to_string()],
        RData::SOA(it) => vec![it.mname.to_string(), it.serial.to_string()],
        RData::SRV(it) => vec![it.target.to_string()],
        RData::TXT(it) => String::try_from(it.clone()).into_iter().collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::{
        RCODE, ResourceRecord,
        rdata::{A, NS, TXT},
    };

    use super::*;

    fn dns() -> Dns {
        Dns {
            name: "www.example.org".to_owned(),
            record: DnsRecord::A,
            rcode: Some(0),
            expect: None,
        }
    }

    /// An answer to question 7 with these records.
    fn answer(rcode: RCODE, records: Vec<RData<'_>>) -> Vec<u8> {
        answer_to(&dns(), rcode, records)
    }

    fn answer_to(dns: &Dns, rcode: RCODE, records: Vec<RData<'_>>) -> Vec<u8> {
        let question = question(7, dns).unwrap();
        let mut packet = Packet::parse(&question).unwrap().into_reply();
        *packet.rcode_mut() = rcode;
        let name = Name::new_unchecked("www.example.org");
        for record in records {
            packet.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 60, record));
        }
        packet.build_bytes_vec().unwrap()
    }

    fn records() -> Vec<RData<'static>> {
        vec![
            RData::A(A { address: Ipv4Addr::new(192, 0, 2, 1).into() }),
            RData::NS(NS(Name::new_unchecked("ns1.Example.org"))),
            RData::TXT(TXT::new().with_string("it works").unwrap()),
        ]
    }

    #[test]
    fn answers_are_judged_by_code_and_record() {
        let good = answer(RCODE::NoError, records());
        assert_eq!(judge(&good, 7, &dns()), Verdict::Good);
        for (record, expected) in [
            (DnsRecord::A, "192.0.2.1"),
            (DnsRecord::Ns, "NS1.example.org."),
            (DnsRecord::Txt, "it works"),
        ] {
            let dns = Dns { expect: Some(expected.to_owned()), record, ..dns() };
            let other = Dns { record: DnsRecord::Mx, ..dns.clone() };
            let good = answer_to(&dns, RCODE::NoError, records());
            assert_eq!(judge(&good, 7, &dns), Verdict::Good, "{expected}");
            let good = answer_to(&other, RCODE::NoError, records());
            assert!(matches!(judge(&good, 7, &other), Verdict::Bad(_)), "of another type");
        }
        let other = Dns { expect: Some("192.0.2.2".to_owned()), ..dns() };
        let Verdict::Bad(reason) = judge(&good, 7, &other) else { panic!("another address") };
        assert!(reason.contains("192.0.2.1") && reason.contains("192.0.2.2"), "{reason}");

        let failed = answer(RCODE::ServerFailure, vec![]);
        let Verdict::Bad(reason) = judge(&failed, 7, &dns()) else { panic!("a failure") };
        assert_eq!(reason, "answered ServerFailure");
        assert_eq!(judge(&failed, 7, &Dns { rcode: None, ..dns() }), Verdict::Good);
        assert_eq!(judge(&failed, 7, &Dns { rcode: Some(2), ..dns() }), Verdict::Good);
    }

    #[test]
    fn what_is_no_answer_does_not_count() {
        let good = answer(RCODE::NoError, vec![]);
        let strange = |verdict| matches!(verdict, Verdict::Strange(_));
        assert!(strange(judge(&good, 8, &dns())), "another id");
        assert!(strange(judge(&question(7, &dns()).unwrap(), 7, &dns())), "a question");
        let other = Dns { name: "mail.example.org".to_owned(), ..dns() };
        assert!(strange(judge(&good, 7, &other)), "of another name");
        let other = Dns { record: DnsRecord::Mx, ..dns() };
        assert!(strange(judge(&good, 7, &other)), "of another type");
        assert!(strange(judge(b"hello", 7, &dns())));
        assert!(strange(judge(b"", 7, &dns())));
    }

    #[test]
    fn questions() {
        let root = Dns { name: ".".to_owned(), record: DnsRecord::Ns, ..dns() };
        for dns in [dns(), root] {
            let bytes = question(7, &dns).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            assert_eq!(packet.questions.len(), 1);
            assert_eq!(plain(&packet.questions[0].qname.to_string()), plain(&dns.name));
        }
        let long = Dns { name: "x".repeat(64), ..dns() };
        assert!(question(7, &long).is_err());
    }

    /// A name server that answers the first question with all of these, made from the right answer.
    async fn ask(answers: impl Fn(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> Result<(), String> {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            let (length, client) = server.recv_from(&mut question).await.unwrap();
            let reply = Packet::parse(&question[..length]).unwrap().into_reply();
            for answer in answers(reply.build_bytes_vec().unwrap()) {
                server.send_to(&answer, client).await.unwrap();
            }
        });
        let asked = probe(Peer { address, mark: None }, &dns(), Duration::from_millis(500)).await;
        asked.map_err(|failure| failure.to_string())
    }

    #[tokio::test]
    async fn the_right_answer_is_waited_for() {
        let wrong = |right: &[u8]| [&[!right[0]], &right[1..]].concat();
        let outcome = ask(move |right| vec![b"hello".to_vec(), wrong(&right), right]).await;
        assert_eq!(outcome, Ok(()));
        let reason = ask(move |right| vec![wrong(&right)]).await.unwrap_err();
        assert!(reason.ends_with("answered another question"), "{reason}");
        let reason = ask(|_| Vec::new()).await.unwrap_err();
        assert!(reason.ends_with("did not answer") || reason.contains("refused"), "{reason}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            judge(&bytes, 7, &Dns { expect: Some("x".to_owned()), ..dns() });
        }

        #[test]
        fn any_bent_answer_is_judged(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            length in any::<prop::sample::Index>(),
        ) {
            let mut bytes = answer(RCODE::NoError, records());
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(length.index(bytes.len() + 1));
            judge(&bytes, 7, &Dns { expect: Some("x".to_owned()), ..dns() });
        }
    }
}
