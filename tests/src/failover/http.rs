//! Questions and answers, as far as measuring needs HTTP. Pure.

use anyhow::{Context, Result, ensure};

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Who answered: the body, without the white space around it.
    pub(super) body: String,
    /// Bytes of all of it.
    pub(super) length: usize,
}

/// A question for a path; after the answer the connection stays open, or not.
pub(super) fn question(path: &str, stays: bool) -> Vec<u8> {
    let connection = if stays { "keep-alive" } else { "close" };
    format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: {connection}\r\n\r\n").into_bytes()
}

/// The head of an answer: bytes of it, and of the body; `None` as long as it is not whole.
pub(super) fn head(received: &[u8]) -> Result<Option<(usize, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = received.windows(END.len()).position(|it| it == END) else { return Ok(None) };
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    ensure!(head.starts_with("http/1.1 200 "), "the web server said: {head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.context("no length in the web server's answer")?.trim().parse()?;
    Ok(Some((end + END.len(), length)))
}

/// The first answer of what was received; `None` as long as it is not whole.
pub(super) fn answer(received: &[u8]) -> Result<Option<Answer>> {
    let Some((head, length)) = head(received)? else { return Ok(None) };
    let Some(body) = received.get(head..head + length) else { return Ok(None) };
    let body = std::str::from_utf8(body).context("the web server's answer is no text")?;
    Ok(Some(Answer { body: body.trim().to_owned(), length: head + length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_not_yet() {
        let whole = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 4\r\n\r\nrs1\nHTTP/1.1";
        let length = whole.len() - "HTTP/1.1".len();
        for cut in 0..length {
            assert_eq!(answer(&whole[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(answer(whole).unwrap(), Some(Answer { body: "rs1".to_owned(), length }));
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let refused = answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        assert!(refused.unwrap_err().to_string().contains("404"));
        assert!(answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
