//! A machine that is emulated by QEMU, and the file server behind its root file system.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Emulator, Kernel, guest};
use crate::sh;

/// What the guest calls its root file system.
pub(super) const TAG: &str = "root";

/// Memory, in QEMU's words.
const MEMORY: &str = "2G";

/// What the kernel has said.
const CONSOLE: &str = "console";
const SOCKET: &str = "socket";
/// What the file server has said.
const FILE_SERVER_LOG: &str = "virtiofsd.log";

/// How often to look at what the guest has written.
const LOOK: Duration = Duration::from_millis(50);

/// So many last lines of the console tell why a machine has failed.
const LINES: usize = 15;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A running machine; it ends with this.
pub(super) struct Machine<'a> {
    directory: &'a Path,
    qemu: Process,
    _file_server: Process,
}

impl<'a> Machine<'a> {
    /// Boots it. Its files are in `directory`.
    pub(super) fn start(
        kernel: Kernel,
        initramfs: &Path,
        directory: &'a Path,
        steady: bool,
    ) -> Result<Self> {
        // From here on a Ctrl-C must not end this before all that it starts has ended.
        ctrlc::set_handler(|| INTERRUPTED.store(true, Relaxed))?;
        let emulator =
            Emulator::find().context("there is no QEMU, or no virtiofsd: install both")?;
        let socket = directory.join(SOCKET);
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot make the socket {}", socket.display()))?;
        let mut command = emulator.file_server()?;
        // The host's root can't always be pivoted away from. The socket is its stdin: of one that it
        // makes itself it would leave a file in /run.
        command.args(["--fd=0", "-o", "source=/", "-o", "sandbox=chroot", "-o", "cache=always"]);
        let log = File::create(directory.join(FILE_SERVER_LOG))?;
        command.stdin(OwnedFd::from(listener)).stdout(log.try_clone()?).stderr(log);
        let file_server = Process::start(&mut command)?;
        eprintln!("vm: boots Linux {} in QEMU", kernel.version()?);
        let mut command = emulator.qemu()?;
        command.args(arguments(&kernel.image()?, initramfs, steady)).current_dir(directory);
        let qemu = Process::start(command.stdin(Stdio::null()).stdout(io::stderr()))?;
        Ok(Self { directory, qemu, _file_server: file_server })
    }

    /// Shows what the command prints until it ends; gives its status.
    pub(super) fn follow(mut self, limit: Duration) -> Result<u8> {
        let start = Instant::now();
        let mut stdout = Tail::new(self.directory.join(guest::STDOUT));
        let mut stderr = Tail::new(self.directory.join(guest::STDERR));
        loop {
            let ended = self.qemu.0.try_wait()?;
            stdout.show(&mut io::stdout())?;
            stderr.show(&mut io::stderr())?;
            if ended.is_some() {
                break;
            }
            ensure!(!INTERRUPTED.load(Relaxed), "interrupted");
            if start.elapsed() > limit {
                bail!("not within {limit:?}: the machine is ended (--time-limit says how long)");
            }
            thread::sleep(LOOK);
        }
        let status = fs::read_to_string(self.directory.join(guest::STATUS)).unwrap_or_default();
        status.trim().parse().with_context(|| self.last_words())
    }

    fn last_words(&self) -> String {
        let mut text = "the machine stopped before the command had ended".to_owned();
        for name in [FILE_SERVER_LOG, CONSOLE] {
            let said = fs::read(self.directory.join(name)).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let lines: Vec<_> = said.lines().map(str::trim_end).collect();
            let last = &lines[lines.len().saturating_sub(LINES)..];
            text += &format!("\n{name}:\n{}", last.join("\n"));
        }
        text
    }
}

/// QEMU's arguments.
fn arguments(image: &Path, initramfs: &Path, steady: bool) -> Vec<String> {
    let text = format!(
        "-nodefaults -no-user-config -display none -no-reboot \
         -machine q35,accel=tcg -cpu max -smp 2 -m {MEMORY} \
         -object memory-backend-memfd,id=memory,size={MEMORY},share=on -numa node,memdev=memory \
         -chardev socket,id=files,path={SOCKET} \
         -device vhost-user-fs-pci,chardev=files,tag={TAG},queue-size=1024 \
         -serial file:{CONSOLE}"
    );
    let mut arguments: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    if steady {
        // An instruction takes a nanosecond, and what is idle waits as long as it should.
        arguments.extend(["-icount", "shift=0,sleep=on"].map(str::to_owned));
    }
    // A kernel that has failed ends the machine.
    let append = "console=ttyS0 panic=-1 rdinit=/init";
    let files =
        ["-kernel", &image.display().to_string(), "-initrd", &initramfs.display().to_string()];
    arguments.extend(files.map(str::to_owned));
    arguments.extend(["-append", append].map(str::to_owned));
    arguments
}

/// Killed when it is dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let name = sh::shown(command);
        Ok(Self(command.spawn().with_context(|| format!("cannot run `{name}`"))?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already, and that is what is wanted.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    file: Option<File>,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Shows what is new.
    fn show(&mut self, to: &mut impl Write) -> Result<()> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut new = Vec::new();
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut new)?;
        }
        to.write_all(&new)?;
        Ok(to.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_shows_everything_once() {
        let path = std::env::temp_dir().join(format!("lvs-xtask-tail-{}", std::process::id()));
        let mut tail = Tail::new(path.clone());
        let mut shown = Vec::new();
        tail.show(&mut shown).expect("no file is no error");
        let mut file = File::create(&path).expect("a file");
        for text in ["one\n", "", "two\nthr"] {
            file.write_all(text.as_bytes()).expect("it can be written");
            tail.show(&mut shown).expect("it can be read");
        }
        assert_eq!(shown, b"one\ntwo\nthr");
        fs::remove_file(&path).expect("it is ours");
    }

    #[test]
    fn the_machine_boots_what_it_is_told_to() {
        let arguments = arguments(Path::new("/k/vmlinuz"), Path::new("/i n/cpio"), true);
        let clock = ["-icount", "shift=0,sleep=on"];
        for pair in [["-kernel", "/k/vmlinuz"], ["-initrd", "/i n/cpio"], clock] {
            assert!(arguments.windows(2).any(|it| it == pair), "{arguments:?}");
        }
    }
}
