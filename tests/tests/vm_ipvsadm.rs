//! The real ipvsadm beside lvsctl called by that name: the same commands to both, one after the other, and
//! the same words on stdout and stderr and the same exit status from both.
//!
//! The real one needs a kernel with IPVS, so it runs in a virtual machine (`cargo xtask vm`).

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, Options, config, program};

/// The commands, in their order: arguments, and behind `<<` lines of stdin with `;` between them.
const COMMANDS: &str = "
-L -n
-Ln
-L -n --stats
-L -n --rate
-L -n --thresholds
-L -n --persistent-conn
-L -n -c
-L --timeout
-L --daemon
-S -n
-A -t 10.77.0.100:80 -s wrr
-A -t 10.77.0.100:80 -s wrr
-A -u 10.77.0.100:53 -s rr
-A -t 10.77.0.100:443
-A -t 10.77.0.100:22 -s sh -p
-A -t 10.77.0.100:21 -s lc -p 120
-A -t 10.77.0.100:25 -s wlc -p 600 -M 255.255.255.0
-A -u 10.77.0.100:514 -s rr -o
-A -t 10.77.0.100:0 -s wlc -p 360
-A -t [fd77::100]:80 -s wrr
-A -t [fd77::100]:443 -s mh -p 50 -M 64
-A --tcp-service 10.77.0.100:8080 --scheduler sed
-A --udp-service=10.77.0.100:123 --scheduler=nq
-A -t10.77.0.100:110 -sdh
-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w 3
-a -t 10.77.0.100:80 -r 10.77.0.12 -w 2
-a -t 10.77.0.100:80 -r 10.77.0.13:80
-a -t 10.77.0.100:80 -r 10.77.0.13:80
-a -u 10.77.0.100:53 -r 10.77.0.12:53 -g
-a -u 10.77.0.100:53 -r 10.77.0.11:53 -g
-a -t 10.77.0.100:443 -r 10.77.0.11:443 -x 100 -y 50
-a -t 10.77.0.100:22 -r 10.77.0.11:22 -w 0
-a -t [fd77::100]:80 -r [fd77::11]:80 -w 5
-a -t [fd77::100]:80 -r [fd77::12]:80
--add-server --tcp-service 10.77.0.100:8080 --real-server 10.77.0.12:8080 --gatewaying --weight 7
-L -n
-l -n
--list --numeric
-L -n --sort
-L -n -t 10.77.0.100:80
-L -n -u 10.77.0.100:53
-L -n -t [fd77::100]:80
-L -n --stats
-L -n --stats -t 10.77.0.100:80
-L -n --stats --exact
-L -n --rate
-L -n --rate --exact
-L -n --thresholds
-L -n --persistent-conn
-L -n -c
-L -n -c --persistent-conn
--save --numeric
-e -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w 9
-e -t 10.77.0.100:80 -r 10.77.0.12:80
-E -t 10.77.0.100:443 -s rr
-E -t 10.77.0.100:443 -s wrr -p 100
-L -n -t 10.77.0.100:443
-E -t 10.77.0.100:443
-d -t 10.77.0.100:80 -r 10.77.0.13:8080
-a -t 10.77.0.100:443 -r 10.77.0.12:8443
-d -t 10.77.0.100:80 -r 10.77.0.13:80
-d -t 10.77.0.100:80 -r 10.77.0.13:80
-D -t 10.77.0.100:110
-D -t 10.77.0.100:110
-L -n
-Z
-Z -t 10.77.0.100:80
-Z -t 10.77.0.100:81
--set 100 0 30
-L --timeout
--set 900 120 300
-L --timeout
-a -t 10.77.0.100:81 -r 10.77.0.11:81
-e -t 10.77.0.100:81 -r 10.77.0.11:81
-d -t 10.77.0.100:81 -r 10.77.0.11:81
-e -t 10.77.0.100:443 -r 10.77.0.99:443
-E -t 10.77.0.100:81
-L -n -t 10.77.0.100:81
-A -t 10.77.0.100:81 -s nonsense
-A -t 10.77.0.100
-A -t 10.77.0.100:81 -o
-A -t
-A
-A -s rr
-a -t 10.77.0.100:80
-a -r 10.77.0.11
-D
-e -t 10.77.0.100:80 -w 3
-A -t 10.77.0.100:81 -w 3
-D -t 10.77.0.100:80 -s rr
-d -t 10.77.0.100:80 -r 10.77.0.11 -w 2
-C -t 10.77.0.100:80
-S -t 10.77.0.100:80
-L -s rr
-L -n -n
-A -t 10.77.0.100:81 -s rr -s wrr
-L -c -t 10.77.0.100:80
-L --timeout --daemon
-L -n --timeout --stats
-L -n -c --stats
-A -D
-L foo
-q
-n
foo
-L -q
-L --stat
-L --stats=1
-A -t 10.77.0.100:81 -p 0
-A -t 10.77.0.100:81 -p x
-A -t 10.77.0.100:81 -M 255.255.255
-A -t [fd77::100]:81 -p -M 129
-A -t 10.77.0.100:nonsense
-A -t 10.77.0.300:80
-a -t 10.77.0.100:80 -r 10.77.0.300
-a -t 10.77.0.100:80 -r fd77::11
-a -t 10.77.0.100:80 -r 10.77.0.13 -w -1
-a -t 10.77.0.100:80 -r 10.77.0.13 -w x
-a -t 10.77.0.100:80 -r 10.77.0.13 -x -1
-a -t 10.77.0.100:80 -r 10.77.0.13 -y x
--set 1 2
--set
--set 1 2 x
--set 1 2 3 4
-C
-L -n
-S -n
-R << -A -t 10.77.0.100:80 -s wrr;-a -t 10.77.0.100:80 -r 10.77.0.11:80 -g -w 3;ipvsadm -a -t 10.77.0.100:80 -r 10.77.0.12:80 -g -w 1
-S -n
--restore << -A -u 10.77.0.100:53 -s rr -p 300 -M 255.255.0.0
--save -n
-R -n
-L -n
--clear
";

/// Where ours says something else, and why that is as it should be.
const OTHERWISE: &[(&str, &str)] = &[
    ("--save --numeric", "thresholds are saved, too: what is restored is what was saved"),
    (
        "-A -t 10.77.0.100:81 -M 255.255.255",
        "to inet_aton this is 255.255.0.255, a mask with a hole, and nobody means that",
    ),
];

/// What a command said, and its exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    stdout: String,
    stderr: String,
    status: i32,
}

fn commands() -> impl Iterator<Item = (&'static str, String)> {
    COMMANDS.lines().filter(|line| !line.is_empty()).map(|line| match line.split_once("<<") {
        Some((command, stdin)) => (command.trim(), stdin.trim().replace(';', "\n") + "\n"),
        None => (line, String::new()),
    })
}

/// Only what is said of the version and the size of the table may be otherwise.
fn without_version(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("IP Virtual Server version ") {
        Some(_) => "IP Virtual Server version\n".to_owned(),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// What the real one says to each, in a virtual machine.
fn real(directory: &Path) -> Result<Vec<Said>> {
    let mut script = "set -u\n".to_owned();
    for (number, (command, stdin)) in commands().enumerate() {
        let file = directory.join(number.to_string());
        fs::write(file.with_extension("in"), stdin)?;
        let file = file.display();
        script += &format!(
            "ipvsadm {command} <{file}.in >{file}.out 2>{file}.err\necho $? >{file}.status\n"
        );
    }
    let file = directory.join("script");
    fs::write(&file, script)?;
    let status = Command::new(program("xtask")?)
        .args(["vm", "6.12", "--time-limit", "600", "--", "bash"])
        .arg(&file)
        .stdin(Stdio::null())
        .status()?;
    ensure!(status.success(), "the virtual machine: {status}");
    let read = |number: usize, what: &str| {
        let file = directory.join(number.to_string()).with_extension(what);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    (0..commands().count())
        .map(|number| {
            Ok(Said {
                stdout: without_version(&read(number, "out")?),
                stderr: read(number, "err")?,
                status: read(number, "status")?.trim().parse()?,
            })
        })
        .collect()
}

/// What lvsctl says under its name.
fn ours(ipvsadm: &Path, lvsd: &Lvsd, command: &str, stdin: &str) -> Result<Said> {
    // By its bare name, as the shell in the machine has it.
    let directory = ipvsadm.parent().context("a directory")?;
    let mut child = Command::new("ipvsadm")
        .args(command.split_whitespace())
        .env("PATH", directory)
        .env("LVS_SOCKET", &lvsd.socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("stdin")?.write_all(stdin.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(Said {
        stdout: without_version(&String::from_utf8(output.stdout)?),
        stderr: String::from_utf8(output.stderr)?,
        status: output.status.code().context("killed")?,
    })
}

fn directory() -> Result<PathBuf> {
    // The machine sees this file system, but has a /tmp of its own.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ipvsadm");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

#[test]
fn both_say_the_same() -> Result<()> {
    let directory = directory()?;
    let real = real(&directory)?;
    let lab = Lab::up(Options::default())?;
    let text = config(Host::Director, [1; 3]);
    let nothing = text.split("[[virtual_service]]").next().unwrap_or_default();
    let lvsd = lab.start_lvsd(Host::Director, nothing)?;
    let ipvsadm = directory.join("ipvsadm");
    symlink(program("lvsctl")?, &ipvsadm)?;

    let otherwise: BTreeMap<_, _> = OTHERWISE.iter().copied().collect();
    let mut differences = Vec::new();
    for ((command, stdin), real) in commands().zip(real) {
        let ours = ours(&ipvsadm, &lvsd, command, &stdin)?;
        let is_same = ours == real;
        // What is listed as otherwise must be.
        if is_same == otherwise.contains_key(command) {
            differences.push(format!("ipvsadm {command}\nreal: {real:#?}\nours: {ours:#?}"));
        }
    }
    let n = differences.len();
    assert!(n == 0, "{n} differences:\n{}", differences.join("\n"));
    Ok(())
}
