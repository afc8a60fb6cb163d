//! A TCP connection, closed at once.

use std::net::SocketAddr;

use tokio::net::TcpStream;

pub(super) async fn probe(address: SocketAddr) -> Result<(), String> {
    match TcpStream::connect(address).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("can't connect to {address}: {error}")),
    }
}
