//! Commands: how they are made, shown and run, and where their files are.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The top of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The directories in which programs are looked for: `PATH`, cargo's own, and those of the
/// administrator, which are not on everyone's `PATH`.
pub(crate) fn search_path() -> Vec<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .chain(cargo_home.map(|home| home.join("bin")))
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .collect()
}

/// Where `program` is, if it is on this machine.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    search_path().into_iter().map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// `cargo` at the top of the workspace, as a person would call it there: without what the cargo
/// that runs xtask has put into the environment.
pub(crate) fn cargo<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Command {
    cargo_called("cargo", args)
}

/// The same for another program of cargo's kind.
pub(crate) fn cargo_called<I>(program: &str, args: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name == "CARGO"
            || ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(&*name);
        }
    }
    command
}

/// Shows `command` and runs it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    status(command)
}

/// Shows `command` and runs it, with what it prints on stderr: it's progress, not a result.
pub(crate) fn run_aside(command: &mut Command) -> Result<()> {
    run(command.stdout(io::stderr()))
}

/// Runs `command` and says only whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What `command` prints, without the white space at its ends.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, complaint.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn status(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// `command` as it could be typed into a shell, but for the variables it takes out.
pub(crate) fn shown(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        let value = value.filter(|_| name != "PATH")?;
        Some(format!("{}={}", name.to_string_lossy(), quoted(value)))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    set.chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a shell needs it.
pub(crate) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let mut command = Command::new("cargo");
        command.args(["check", "a b", "it's"]).env("RUSTC", "/usr/bin/rustc").env_remove("HOME");
        assert_eq!(shown(&command), r"RUSTC=/usr/bin/rustc cargo check 'a b' 'it'\''s'");
    }

    #[test]
    fn an_error_names_the_command_that_failed() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("it exits with 3");
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed (exit status: 3)");
        let error = run(&mut Command::new("no-such-program")).expect_err("there is none");
        assert_eq!(error.to_string(), "cannot run `no-such-program`");
    }

    #[test]
    fn output_is_what_was_printed() {
        let printed = output(Command::new("sh").args(["-c", "echo '  two words '"]));
        assert_eq!(printed.expect("sh runs"), "two words");
    }

    #[test]
    fn a_program_is_found_where_it_is() {
        assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(find("no-such-program"), None);
    }
}
