//! An HTTP request over a connection of its own.

use std::net::IpAddr;

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{peer::Peer, tls::Connectors, udp::contains};
use crate::health::{Failure, Http};

/// So much of a body is looked at, in bytes.
const LONGEST: usize = 1 << 20;

pub(super) async fn probe(
    peer: Peer,
    vip: IpAddr,
    http: &Http,
    connectors: &Connectors,
) -> Result<(), Failure> {
    let host = http.host.clone().unwrap_or_else(|| match vip {
        IpAddr::V4(vip) => vip.to_string(),
        IpAddr::V6(vip) => format!("[{vip}]"),
    });
    let stream = peer.connect().await?;
    let judged = match http.tls {
        None => exchange(stream, &host, http).await,
        Some(tls) => {
            let name = host.trim_matches(['[', ']']).to_owned();
            let stream = connectors
                .connect(stream, name, tls.verify)
                .await
                .map_err(|error| format!("TLS with {peer} as {host}: {error}"))?;
            exchange(stream, &host, http).await
        }
    };
    judged.map_err(|error| Failure::Failed(format!("{peer}{} {error}", http.path)))
}

/// Asks, and judges the answer.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    http: &Http,
) -> Result<(), String> {
    let broken = |error: hyper::Error| format!("did not answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with the answer, or when nobody wants that any more.
    let mut connection = tokio::spawn(connection);
    let _ended = AbortOnDrop(connection.abort_handle());

    let request = Request::get(&http.path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("lvsd/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("can't be asked for: {error}"))?;
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        // The connection was over before it was asked, and knows why.
        Err(error) if error.is_canceled() => {
            return Err(broken(match (&mut connection).await {
                Ok(Err(why)) => why,
                Ok(Ok(())) | Err(_) => error,
            }));
        }
        Err(error) => return Err(broken(error)),
    };
    let status = response.status();
    let as_expected = match http.status {
        Some(expected) => status.as_u16() == expected,
        None => status.is_success(),
    };
    if !as_expected {
        return Err(format!("answered {status}"));
    }
    let Some(expected) = &http.body else { return Ok(()) };
    let mut stream = response.into_body();
    let mut search = Search::new(expected.as_bytes());
    while let Some(frame) = stream.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if search.finds_in(&data) {
            return Ok(());
        }
        if search.seen > LONGEST {
            break;
        }
    }
    if search.finds_in(&[]) {
        return Ok(());
    }
    Err(format!("answered {status}, but without {expected:?} in it"))
}

/// Looks for a text in what comes in parts, each looked at once.
struct Search<'a> {
    text: &'a [u8],
    /// The end of what was seen, as far as the text may begin in it.
    end: Vec<u8>,
    seen: usize,
}

impl<'a> Search<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self { text, end: Vec::new(), seen: 0 }
    }

    /// Whether the text ends in this part.
    fn finds_in(&mut self, part: &[u8]) -> bool {
        self.seen += part.len();
        self.end.extend_from_slice(part);
        let found = contains(&self.end, self.text);
        let before = self.end.len().saturating_sub(self.text.len().saturating_sub(1));
        self.end.drain(..before);
        found
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_found_wherever_the_parts_end(
            parts in prop::collection::vec("[ab]{0,5}", 0..8),
            text in "[ab]{0,6}",
        ) {
            let mut search = Search::new(text.as_bytes());
            let found = parts.iter().any(|part| search.finds_in(part.as_bytes()));
            prop_assert_eq!(found || search.finds_in(&[]), parts.concat().contains(&text));
            prop_assert!(search.end.len() < text.len().max(1));
        }
    }
}
