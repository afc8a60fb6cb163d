//! What happens inside: pure, the script that the guest runs on its root file system.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    path::Path,
};

use crate::sh::quoted;

/// The script's name in the shared directory.
pub(super) const SCRIPT: &str = "script";
/// What the command has printed.
pub(super) const STDOUT: &str = "stdout";
/// What it has printed as errors.
pub(super) const STDERR: &str = "stderr";
/// How it has ended.
pub(super) const STATUS: &str = "status";

/// File systems of the guest's own, over those of the host: what the kernel tells there is of
/// another kernel, and what is written there is not for the host.
const MOUNTS: [(&str, &str); 9] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
];

/// What the guest is to do.
pub(super) struct Order<'a> {
    /// The command.
    pub(super) command: &'a [OsString],
    /// Where to run it.
    pub(super) directory: &'a Path,
    /// Its environment.
    pub(super) variables: &'a [(OsString, OsString)],
    /// What `/lib/modules` is to be.
    pub(super) modules: &'a Path,
    /// Where to put what it prints, and its status.
    pub(super) answer: &'a Path,
}

/// Whether a variable of the host's is for the guest, too.
pub(super) fn keeps(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let kind = ["CARGO", "RUST", "LVS_"].iter().any(|prefix| name.starts_with(prefix));
    kind || ["PATH", "HOME", "LANG", "LD_LIBRARY_PATH"].contains(&&*name)
}

/// The script.
pub(super) fn script(order: &Order<'_>) -> String {
    let Order { command, directory, variables, modules, answer } = order;
    let mut text = String::new();
    // Nor over what the command needs: a clone may be below /tmp.
    let needed = [directory, modules, answer];
    let hides = |place: &str| needed.iter().any(|it| it.starts_with(place));
    for (kind, place) in MOUNTS.into_iter().filter(|(_, place)| !hides(place)) {
        // Those that the kernel makes directories for, and devpts's and shm's in a new /dev.
        let make =
            if place.starts_with("/dev/") { format!("mkdir -p {place}; ") } else { String::new() };
        writeln!(text, "{make}mount -t {kind} {kind} {place}").ok();
    }
    let quote = |path: &Path| quoted(path.as_os_str());
    let modules = quote(modules);
    let answer = |name| quote(&answer.join(name));
    // A machine that has no modules has no place for them either.
    text += "[ -d /lib/modules ] || made=y\n\
             mkdir -p /lib/modules\n";
    writeln!(text, "mount --bind {modules} /lib/modules").ok();
    text += "ip link set lo up\n";
    for (name, value) in *variables {
        writeln!(text, "export {}={}", name.to_string_lossy(), quoted(value)).ok();
    }
    let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
    writeln!(
        text,
        "(cd {} && exec {}) >{} 2>{} </dev/null\n\
         status=$?\n\
         umount -l /lib/modules\n\
         [ -z \"$made\" ] || rmdir /lib/modules\n\
         echo $status >{}",
        quote(directory),
        words.join(" "),
        answer(STDOUT),
        answer(STDERR),
        answer(STATUS),
    )
    .ok();
    // Nobody is there who would have to be told.
    text += "echo o >/proc/sysrq-trigger\n\
             sleep 60\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_runs_as_it_was_given() {
        let script = script(&Order {
            command: &["sh", "-c", "exit 3"].map(OsString::from),
            directory: Path::new("/work/my tree"),
            variables: &[("CARGO_HOME".into(), "/it's".into())],
            modules: Path::new("/work/target/vm/6.1/lib/modules"),
            answer: Path::new("/work/target/vm/run-7"),
        });
        for line in [
            "mount -t proc proc /proc",
            "mkdir -p /dev/pts; mount -t devpts devpts /dev/pts",
            "mount --bind /work/target/vm/6.1/lib/modules /lib/modules",
            r"export CARGO_HOME='/it'\''s'",
            "(cd '/work/my tree' && exec sh -c 'exit 3') >/work/target/vm/run-7/stdout \
             2>/work/target/vm/run-7/stderr </dev/null",
            "echo $status >/work/target/vm/run-7/status",
        ] {
            assert!(script.lines().any(|it| it == line), "{line}\nnot in\n{script}");
        }
    }

    #[test]
    fn what_the_command_needs_is_not_hidden() {
        for (directory, is_hidden) in [("/work/lvs", true), ("/tmp/lvs", false)] {
            let directory = Path::new(directory);
            let script = script(&Order {
                command: &[OsString::from("true")],
                directory,
                variables: &[],
                modules: &directory.join("modules"),
                answer: &directory.join("answer"),
            });
            let hides = |it: &str| it == "mount -t tmpfs tmpfs /tmp";
            assert_eq!(script.lines().any(hides), is_hidden, "{}", directory.display());
        }
    }

    #[test]
    fn only_what_programs_are_found_and_built_by_goes_along() {
        for (name, is_kept) in
            [("PATH", true), ("CARGO_HOME", true), ("LVS_SOCKET", true), ("TMPDIR", false)]
        {
            assert_eq!(keeps(OsStr::new(name)), is_kept, "{name}");
        }
    }
}
