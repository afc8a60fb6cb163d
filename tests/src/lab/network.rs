//! Namespaces, the switch and the wires between them.
//!
//! What a veth does by itself for speed would show the XDP program frames that no wire carries, so
//! some of it is turned off:
//!
//! - senders compute checksums themselves, because XDP loses the mark "to be filled in later";
//! - VLAN tags stay in the frame;
//! - the switch's side of a director's wire has a program that does nothing, without which the
//!   frames that the director sends by XDP_TX would not arrive.

use std::{fs, os::unix::fs::MetadataExt, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        statfs::{BPF_FS_MAGIC, statfs},
    },
    unistd::Pid,
};

use super::{
    BPF_FILE_SYSTEM, DIRECTORY, Host, VIP, VIP_V6, bpf,
    host::{enter, namespace_file},
    process::{output, wait_for},
    remove_if_there,
};

/// The namespace of the switch.
pub(super) const SWITCH: &str = "lvs-switch";

/// Where the program of the switch's ports is pinned until they have it.
const PASS_PIN: &str = "/sys/fs/bpf/lvs-pass";

/// All namespaces.
fn namespaces() -> impl Iterator<Item = String> {
    std::iter::once(SWITCH.to_owned()).chain(Host::ALL.map(Host::namespace))
}

/// Builds all of it.
pub(super) fn build() -> Result<()> {
    mount_bpf_file_system()?;
    let batch: String = namespaces().map(|name| format!("netns add {name}\n")).collect();
    shell(Command::new("sh"), &ip_batch(&batch))?;
    shell(enter(SWITCH, Path::new("sh")), &switch_script())?;
    for host in Host::ALL {
        shell(host.command(Path::new("sh")), &host_script(host))?;
    }
    let pass = Path::new(DIRECTORY).join("pass.o");
    fs::write(&pass, bpf::pass()?).with_context(|| format!("cannot write {}", pass.display()))?;
    shell(enter(SWITCH, Path::new("sh")), &ports_script(&pass))
}

/// Whether any namespace is there.
pub(super) fn exists() -> bool {
    namespaces().any(|namespace| namespace_file(&namespace).exists())
}

/// Removes the namespaces and, with them, the wires.
pub(super) fn remove() -> Result<()> {
    remove_if_there(Path::new(PASS_PIN), |pin| fs::remove_file(pin))?;
    let batch: String = namespaces()
        .filter(|name| namespace_file(name).exists())
        .map(|name| format!("netns del {name}\n"))
        .collect();
    if batch.is_empty() { Ok(()) } else { shell(Command::new("sh"), &ip_batch(&batch)) }
}

/// Kills every process in the namespaces, whoever started it, and waits for their end.
pub(super) fn end_processes() -> Result<()> {
    wait_for("end of the lab's processes", Duration::from_secs(5), || {
        let pids = match processes() {
            Ok(pids) if pids.is_empty() => return Some(Ok(())),
            Ok(pids) => pids,
            Err(error) => return Some(Err(error)),
        };
        pids.into_iter()
            .try_for_each(|pid| match kill(pid, Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => Ok(()),
                Err(error) => Err(error).with_context(|| format!("cannot end process {pid}")),
            })
            .err()
            .map(Err)
    })?
}

/// Every process in the namespaces.
fn processes() -> Result<Vec<Pid>> {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let ours: Vec<_> = namespaces().filter_map(|name| identity(&namespace_file(&name))).collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        // A process that has ended but is not yet waited for has no namespace any more.
        let namespace = identity(&entry.path().join("ns/net"));
        if let (Some(pid), Some(namespace)) = (pid, namespace)
            && ours.contains(&namespace)
        {
            found.push(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

/// What makes a namespace a host: its wire to the switch, its addresses, its sysctls.
fn host_script(host: Host) -> String {
    let (mac, port) = (host.mac(), host.name());
    let (v4, v6) = (host.address(), host.address_v6());
    let mut batch = format!(
        "link set lo up\n\
         link add eth0 address {mac} type veth peer name {port} netns {SWITCH}\n\
         addr add {v4}/24 dev eth0\n\
         addr add {v6}/64 dev eth0 nodad\n"
    );
    // Said outright, because a new namespace begins with the machine's own settings for IPv4.
    let mut settings = vec![
        "ipv4/ip_forward=0",
        "ipv4/conf/all/rp_filter=0",
        "ipv4/conf/default/rp_filter=0",
        "ipv6/conf/default/accept_dad=0",
        "ipv6/conf/default/router_solicitations=0",
    ];
    if Host::REAL_SERVERS.contains(&host) {
        // Direct routing: it takes packets for the VIP, but keeps quiet about having it.
        batch += &format!("addr add {VIP}/32 dev lo\naddr add {VIP_V6}/128 dev lo nodad\n");
        settings.extend([
            "ipv4/conf/all/arp_ignore=1",
            "ipv4/conf/default/arp_ignore=1",
            "ipv4/conf/all/arp_announce=2",
            "ipv4/conf/default/arp_announce=2",
        ]);
    }
    // Once all is set, so that nothing is sent with other settings.
    batch += "link set eth0 up\n";

    let mut script = String::new();
    for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
        script += &format!("echo {value} > /proc/sys/net/{name}\n");
    }
    script + &ip_batch(&batch) + "ethtool -K eth0 tx off rxvlan off txvlan off\n"
}

/// What makes a namespace the switch: a bridge that forwards at once and sends nothing of its own.
///
/// It comes before the wires, also so that no port has the same interface index as its host's
/// eth0: the kernel would take such a port for a physical one and report its carrier up to a second
/// late.
fn switch_script() -> String {
    "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\n".to_owned()
        + &ip_batch(
            "link add switch type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set switch up\n",
        )
}

/// Plugs the hosts' wires into the switch and waits until they are live.
fn ports_script(pass: &Path) -> String {
    let mut script = String::new();
    let mut batch = String::new();
    for port in Host::ALL {
        batch += &format!("link set {port} master switch up\n");
    }
    script += &ip_batch(&batch);
    for port in Host::ALL {
        script += &format!("ethtool -K {port} rxvlan off txvlan off\n");
    }
    // `ip link` could do it too, but leaves directories of its own in the BPF file system.
    script += &format!("bpftool prog load {} {PASS_PIN}\n", pass.display());
    for port in [Host::Director, Host::Standby] {
        script += &format!("bpftool net attach xdpdrv pinned {PASS_PIN} dev {port}\n");
    }
    script += &format!("rm {PASS_PIN}\n");
    script
        + "for attempt in $(seq 500); do\n\
             bridge link | grep -qv 'state forwarding' || exit 0\n\
             sleep 0.01\n\
           done\n\
           echo 'a port of the switch stays down:' >&2\n\
           bridge link >&2\n\
           exit 1\n"
}

/// Shell for one `ip` that runs many commands.
fn ip_batch(commands: &str) -> String {
    format!("ip -batch - <<END\n{commands}END\n")
}

/// Runs a script in the shell that `command` starts.
fn shell(mut command: Command, script: &str) -> Result<()> {
    let output = output(command.args(["-ec", script]))?;
    ensure!(
        output.status.success(),
        "cannot build or remove the lab's network: {}\nin:\n{script}",
        String::from_utf8_lossy(&output.stderr).trim(),
    );
    Ok(())
}

/// Mounts it where lvsd pins its maps, if nobody has.
fn mount_bpf_file_system() -> Result<()> {
    let mounted = statfs(BPF_FILE_SYSTEM)
        .with_context(|| format!("{BPF_FILE_SYSTEM}: this kernel has no BPF file system"))?
        .filesystem_type()
        == BPF_FS_MAGIC;
    if mounted {
        return Ok(());
    }
    shell(Command::new("sh"), &format!("mount -t bpf bpf {BPF_FILE_SYSTEM}"))
}
