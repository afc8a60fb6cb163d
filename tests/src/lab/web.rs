//! The real web servers: nginx on each real server, answering with the server's name.

use std::{fs, net::SocketAddr, net::TcpStream, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};

use super::{DIRECTORY, Host, long_file, process::Process, wait_for};

/// Starts all of them and waits until they answer.
pub(super) fn start() -> Result<Vec<Process>> {
    long_file::write(&Path::new(DIRECTORY).join("long"))?;
    let mut servers = Vec::new();
    for host in Host::REAL_SERVERS {
        servers.push((host, spawn(host)?));
    }
    for (host, server) in &mut servers {
        wait_until_ready(*host, server)?;
    }
    Ok(servers.into_iter().map(|(_, server)| server).collect())
}

/// Starts one, and waits until it answers.
pub(super) fn restart(host: Host) -> Result<Process> {
    let mut server = spawn(host)?;
    wait_until_ready(host, &mut server)?;
    Ok(server)
}

/// Starts one; all its files are under the lab's directory.
fn spawn(host: Host) -> Result<Process> {
    let directory = Path::new(DIRECTORY).join(host.name());
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration(host, &directory))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let log = fs::File::create(directory.join("error.log")).context("cannot create error.log")?;
    let mut command = host.command(Path::new("nginx"));
    command.args(["-e", "stderr", "-p"]).arg(&directory).arg("-c").arg(&file);
    Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))
}

/// One process, and connections that live as long as the client wants.
fn configuration(host: Host, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  default_type text/plain;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  server {{
    listen 80 reuseport backlog=4096;
    listen [::]:80;
    location / {{ return 200 \"{host}\\n\"; }}
    location = /long {{ alias {DIRECTORY}/long; limit_rate 1m; }}
  }}
}}
"
    )
}

fn wait_until_ready(host: Host, server: &mut Process) -> Result<()> {
    let address = SocketAddr::from((host.address(), 80));
    wait_for(&format!("nginx on {host}"), Duration::from_secs(10), || {
        match server.exited() {
            Ok(None) => {}
            Ok(Some(status)) => return Some(Err(status.to_string())),
            Err(error) => return Some(Err(error.to_string())),
        }
        host.within(|| TcpStream::connect(address)).ok()?.ok().map(|_| Ok(()))
    })?
    .or_else(|status| {
        let log = Path::new(DIRECTORY).join(host.name()).join("error.log");
        let log = fs::read_to_string(log).unwrap_or_default();
        bail!("nginx on {host} ended at once, {status}: {}", log.trim())
    })
}
