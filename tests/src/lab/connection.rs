//! A connection of the client to a web server, kept open for many requests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{Host, Lab, VIP};

/// One TCP connection for HTTP requests, one after the other.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Lab {
    /// Connects the client to the virtual service.
    pub fn connect(&self) -> Result<Connection> {
        self.connect_to(VIP)
    }

    /// Connects the client to port 80 of any address.
    pub fn connect_to(&self, address: impl Into<IpAddr>) -> Result<Connection> {
        let address = SocketAddr::new(address.into(), 80);
        let limit = Duration::from_secs(5);
        let stream = self
            .within(Host::Client, || TcpStream::connect_timeout(&address, limit))?
            .with_context(|| format!("the client cannot connect to {address}"))?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }
}

impl Connection {
    /// Makes one request; returns who answered.
    pub fn request(&mut self) -> Result<String> {
        self.stream.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")?;
        let status = self.line()?;
        ensure!(status.starts_with("HTTP/1.1 200 "), "the web server said: {status}");
        let mut length = None;
        loop {
            let header = self.line()?.to_ascii_lowercase();
            match header.split_once(':') {
                Some(("content-length", value)) => length = Some(value.trim().parse()?),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length.context("no length in the web server's answer")?];
        self.stream.read_exact(&mut body)?;
        Ok(String::from_utf8(body)?.trim_end().to_owned())
    }

    /// The client's end.
    pub fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.stream.get_ref().local_addr()?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the web server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}
