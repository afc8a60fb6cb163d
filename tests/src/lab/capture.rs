//! What goes over a host's wire, seen from the switch: there XDP hides nothing.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::Stdio,
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{Host, Lab, host::enter, network::SWITCH, process::Process};

/// The UDP port to which nothing else is sent.
const MARK: u16 = 1077;

/// Frames on the wire of one host, in both directions, one line each as tcpdump prints them.
#[derive(Debug)]
pub struct Capture {
    _tcpdump: Process,
    host: Host,
    lines: Receiver<String>,
}

impl Lab {
    /// Begins to capture at the switch's port to `host`.
    pub fn capture(&self, host: Host) -> Result<Capture> {
        let mut command = enter(SWITCH, Path::new("tcpdump"));
        command.args(["--immediate-mode", "-l", "-n", "-e", "-tt", "-i", host.name()]);
        // Otherwise each frame takes the place of the longest, and thirty are more than there is room for
        // (in KiB) when tcpdump has to wait for a processor.
        command.args(["--snapshot-length", "512", "--buffer-size", "16384"]);
        let mut tcpdump = Process::spawn(
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()),
        )?;
        let child = tcpdump.child().context("tcpdump was detached")?;
        let output = child.stdout.take().context("tcpdump has no output")?;
        let errors = child.stderr.take().context("tcpdump has no error output")?;

        let mut said = String::new();
        let mut errors = BufReader::new(errors);
        while !said.contains("listening on") {
            if errors.read_line(&mut said)? == 0 {
                bail!("tcpdump at the switch's port {host}: {}", said.trim());
            }
        }
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // Kept open until the end: tcpdump must not fail for want of a reader.
            let _errors = errors;
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Capture { _tcpdump: tcpdump, host, lines })
    }
}

impl Capture {
    /// Ends it and returns all frames up to now. A datagram to a port of its own marks the place:
    /// when that is seen, nothing before it can be missing.
    pub fn stop(self, lab: &Lab) -> Result<Vec<String>> {
        let from = if self.host == Host::Client { Host::Director } else { Host::Client };
        let mark = SocketAddr::from((self.host.address(), MARK));
        lab.within(from, || UdpSocket::bind("0.0.0.0:0")?.send_to(&[], mark))??;

        let mark = format!(" > {}.{}: ", mark.ip(), mark.port());
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut frames = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = self.lines.recv_timeout(left).context("the capture's mark was not seen")?;
            if frame.contains(&mark) {
                return Ok(frames);
            }
            frames.push(frame);
        }
    }
}
