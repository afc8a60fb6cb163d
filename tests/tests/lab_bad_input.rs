//! What lvsd can't do: it says so in a sentence, ends with 2 and leaves nothing behind.

use std::{
    fs,
    os::unix::net::{UnixListener, UnixStream},
    process::Output,
};

use anyhow::Result;
use lvs_tests::lab::{Host, Lab, LvsdCommand, Options, WEIGHTS, config, traces};

/// Exit status 2, and every line of stderr begins with the program's name: errors, no log.
fn errors(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty(), "{output:?}");
    stderr.lines().map(str::to_owned).collect()
}

/// The same, with one line, which has all these words.
fn one_sentence(output: &Output, words: &[&str]) {
    let errors = errors(output);
    let [error] = &errors[..] else { panic!("one sentence: {errors:#?}") };
    assert!(error.starts_with("lvsd: "), "{error}");
    for word in words {
        assert!(error.contains(word), "\"{word}\" in: {error}");
    }
}

#[test]
fn a_configuration_with_errors() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let text = "\
[director]
name = \"director\"
interfaces = [\"eth0\"]
xdp_mode = \"turbo\"

[[virtual_service]]
address = \"10.77.0.256\"
port = 80
protocol = \"tcp\"
scheduler = \"slowest\"

[[virtual_service.real_server]]
address = \"10.77.0.11\"
weight = -1

[[virtual_service.real_server]]
address = \"10.77.0.12\"
wieght = 2

[[virtual_service]]
address = \"10.77.0.100\"
port = 0
protocol = \"tcp\"
scheduler = \"wrr\"
";
    let command = LvsdCommand::new(Host::Director, text)?;
    let errors = errors(&command.output()?);
    for (line, word) in [
        (4, "turbo"),
        (7, "10.77.0.256"),
        (10, "slowest"),
        (14, "-1"),
        (18, "wieght"),
        (22, "port"),
    ] {
        let place = format!("{}:{line}:", command.config.display());
        assert!(
            errors.iter().any(|error| error.contains(&place) && error.contains(word)),
            "{place} {word} in {errors:#?}"
        );
    }
    assert_eq!(traces(Host::Director)?, [""; 0]);
    drop(lab);
    Ok(())
}

#[test]
fn sentences() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let good = config(Host::Director, WEIGHTS);
    let usual = LvsdCommand::new(Host::Director, &good)?;

    let missing = LvsdCommand { config: "/run/lvs/lab/none.toml".into(), ..usual.clone() };
    one_sentence(&missing.output()?, &["/run/lvs/lab/none.toml"]);

    let torn = LvsdCommand::new(Host::Director, "[director\n")?;
    assert!(errors(&torn.output()?)[0].contains("director.toml:1:"));

    let elsewhere = LvsdCommand::new(Host::Director, &good.replace("eth0", "eth7"))?;
    one_sentence(&elsewhere.output()?, &["eth7", "no such interface"]);

    // The second interface is wrong: the first must not keep the program.
    let half = good.replace("\"eth0\"", "\"eth0\", \"eth7\"");
    one_sentence(&LvsdCommand::new(Host::Director, &half)?.output()?, &["eth7"]);

    let usual = LvsdCommand::new(Host::Director, &good)?;
    let nobody = setpriv(&["--reuid=65534", "--regid=65534", "--clear-groups"]);
    // Whoever keeps the sources in a directory of his own: nobody may still find the program.
    let nobody = [nobody, setpriv_capabilities("+dac_read_search")].concat();
    one_sentence(&LvsdCommand { wrapper: nobody, ..usual.clone() }.output()?, &["rights", "root"]);

    let powerless = setpriv(&["--bounding-set=-all", "--inh-caps=-all"]);
    one_sentence(&LvsdCommand { wrapper: powerless, ..usual.clone() }.output()?, &["rights"]);

    let plain = LvsdCommand { bpffs: "/run/lvs/lab/pins".into(), ..usual.clone() };
    one_sentence(&plain.output()?, &["/run/lvs/lab/pins", "BPF file system"]);
    assert!(!fs::exists("/run/lvs/lab/pins")?);

    let no_place =
        LvsdCommand { socket: "/run/lvs/lab/director.toml/lvsd.sock".into(), ..usual.clone() };
    one_sentence(&no_place.output()?, &["/run/lvs/lab/director.toml/lvsd.sock"]);

    assert_eq!(traces(Host::Director)?, [""; 0]);
    drop(lab);
    Ok(())
}

fn setpriv(arguments: &[&str]) -> Vec<String> {
    ["setpriv"].iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

fn setpriv_capabilities(kept: &str) -> Vec<String> {
    vec![format!("--inh-caps=-all,{kept}"), format!("--ambient-caps=-all,{kept}")]
}

#[test]
fn a_socket_of_somebody_else() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let usual = LvsdCommand::new(Host::Director, &config(Host::Director, WEIGHTS))?;
    let socket = usual.socket.display().to_string();

    let theirs = UnixListener::bind(&usual.socket)?;
    one_sentence(&usual.output()?, &[&socket]);
    UnixStream::connect(&usual.socket)?;
    theirs.accept()?;
    drop(theirs);
    fs::remove_file(&usual.socket)?;

    // A file that is no socket may be anything, and is not touched.
    fs::write(&usual.socket, "precious")?;
    one_sentence(&usual.output()?, &[&socket]);
    assert_eq!(fs::read_to_string(&usual.socket)?, "precious");
    fs::remove_file(&usual.socket)?;

    assert_eq!(traces(Host::Director)?, [""; 0]);
    drop(lab);
    Ok(())
}

/// Whatever the second one shares with the first, that goes on as if nothing had happened.
#[test]
fn a_second_lvsd() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let text = config(Host::Director, WEIGHTS);
    let first = lab.start_lvsd(Host::Director, &text)?;
    first.wait_until_up()?;
    let usual = LvsdCommand::new(Host::Director, &text)?;
    let socket = usual.socket.display().to_string();
    let bpffs = usual.bpffs.display().to_string();

    let (other_socket, other_bpffs) = ("/run/lvs/lab/second.sock", "/sys/fs/bpf/lvs-second");
    let cases = [
        (usual.clone(), vec![&*socket]),
        (LvsdCommand { bpffs: other_bpffs.into(), ..usual.clone() }, vec![&*socket]),
        (LvsdCommand { socket: other_socket.into(), ..usual.clone() }, vec![&*bpffs]),
        (
            LvsdCommand { socket: other_socket.into(), bpffs: other_bpffs.into(), ..usual },
            vec!["eth0"],
        ),
    ];
    for (second, words) in cases {
        one_sentence(&second.output()?, &words);
        assert!(!fs::exists(other_socket)?, "{words:?}");
        assert!(!fs::exists(other_bpffs)?, "{words:?}");
        assert_eq!(traces(Host::Director)?.len(), 3, "{words:?}");
        assert!(fs::exists(first.socket.as_path())?, "{words:?}");
        assert!(fs::exists(Host::Director.bpffs().join("services"))?, "{words:?}");
        assert_eq!(lab.requests(6)?.len(), 6);
    }
    assert_eq!(first.services()?["services"][0]["connections"], 24);
    Ok(())
}
