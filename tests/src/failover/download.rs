//! Downloads that take their time, one after the other, of which every byte is known.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{Plan, http};
use crate::lab::long_file;

/// It looks so often whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// What became of the downloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downloads {
    /// Whether there were to be any.
    pub is_wanted: bool,
    /// Bytes that were right.
    pub bytes: u64,
    /// Downloads that came to their end.
    pub whole: usize,
    /// Why the others did not, unless it was the trial that ended.
    pub broken: Vec<String>,
}

/// Downloads until it is told to stop. `began` is called when the first byte is there.
pub(super) fn run(plan: &Plan, stop: &AtomicBool, began: impl FnOnce()) -> Downloads {
    let mut downloads = Downloads { is_wanted: true, ..Downloads::default() };
    let mut began = Some(began);
    while !stop.load(Ordering::Relaxed) {
        let mut note = |bytes: usize| {
            downloads.bytes += bytes as u64;
            if let Some(began) = began.take() {
                began();
            }
        };
        match download(plan, stop, &mut note) {
            Ok(true) => downloads.whole += 1,
            Ok(false) => break,
            Err(error) => {
                downloads.broken.push(format!("{error:#}"));
                // Nothing is gained by failing as fast as it can.
                std::thread::sleep(LOOK);
            }
        }
    }
    downloads
}

/// One; says whether it came to its end.
fn download(plan: &Plan, stop: &AtomicBool, note: &mut impl FnMut(usize)) -> Result<bool> {
    let mut stream = TcpStream::connect_timeout(&plan.target, plan.limit).context("connecting")?;
    stream.set_read_timeout(Some(LOOK))?;
    let path = plan.download.as_deref().unwrap_or("/");
    stream.write_all(&http::question(path, false))?;
    let mut buffer = vec![0; 1 << 16];
    let (mut head, mut whole): (Vec<u8>, Option<usize>) = (Vec::new(), None);
    let (mut done, mut last) = (0, Instant::now());
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let length = match stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let waited = last.elapsed();
                ensure!(waited < plan.patience, "nothing for {waited:?} after {done} bytes");
                continue;
            }
            Err(error) => return Err(error).context(format!("after {done} bytes")),
        };
        last = Instant::now();
        ensure!(length > 0, "closed after {done} bytes");
        let mut new = &buffer[..length];
        if whole.is_none() {
            head.extend_from_slice(new);
            let Some((end, length)) = http::head(&head)? else { continue };
            whole = Some(length);
            new = head.get(end..).unwrap_or_default();
        }
        let right = new.iter().zip(done..).all(|(byte, at)| *byte == long_file::byte(at));
        ensure!(right, "wrong data after {done} bytes");
        done += new.len();
        note(new.len());
        if whole.is_some_and(|whole| done >= whole) {
            return Ok(true);
        }
    }
}
