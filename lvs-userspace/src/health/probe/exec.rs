//! A program of the operator, as mon had its monitors.
//!
//! It gets the real server's address as its last argument, and in the environment LVS_ADDRESS,
//! LVS_PORT, LVS_PROTOCOL and LVS_VIP. Status 0 is a success; else the last line that it printed is
//! the reason. When its time is over, its process group is killed.

use tokio::process::Command;

use crate::{
    health::{Failure, Target},
    process,
};

pub(super) async fn probe(target: Target, port: u16, command: &[String]) -> Result<(), Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::Failed("no program given".to_owned()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(target.real_server.to_string())
        .env("LVS_ADDRESS", target.real_server.to_string())
        .env("LVS_PORT", port.to_string())
        .env("LVS_PROTOCOL", target.service.protocol.name())
        .env("LVS_VIP", target.service.address.to_string());
    let ended = process::run(&mut command)
        .await
        .map_err(|error| Failure::io(format_args!("can't run {program}"), &error))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Failure::Failed(format!("{program}: {}: {}", ended.status, ended.last_line())))
}
