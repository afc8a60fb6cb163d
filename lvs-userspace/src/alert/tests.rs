mod mail;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::model::ServiceId;

const SOON: Duration = Duration::from_secs(10);

/// That a real server, 10.77.0.HOST, is something else now.
pub(super) fn alert(host: u8, to: &str) -> Alert {
    Alert {
        time: "2026-01-02T03:04:05Z".to_owned(),
        director: "midas".to_owned(),
        protocol: Some(Protocol::Tcp),
        address: Some([10, 77, 0, 100].into()),
        port: Some(80),
        real_server: Some([10, 77, 0, host].into()),
        from: "up".to_owned(),
        to: to.to_owned(),
        reason: "because".to_owned(),
    }
}

fn change(host: u8, to: State) -> Change {
    Change {
        service: ServiceId { protocol: Protocol::Tcp, address: [10, 77, 0, 100].into(), port: 80 },
        real_server: Some([10, 77, 0, host].into()),
        from: State::Up,
        to,
        reason: "because\nof this".to_owned(),
    }
}

/// The lines of a file, as soon as there are so many.
async fn lines(path: &Path, count: usize) -> Vec<String> {
    let end = Instant::now() + SOON;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count || Instant::now() > end {
            return lines;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_line_says_it_all() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let alert = Alert::new(&change(11, State::Down), "midas", time);
    assert_eq!(
        alert.line(),
        "2023-11-14T22:13:20Z midas tcp 10.77.0.100:80 10.77.0.11: up -> down: because of this"
    );
    let quorum = Change { real_server: None, to: State::NoQuorum, ..change(11, State::Down) };
    assert!(Alert::new(&quorum, "midas", time).line().contains("10.77.0.100:80: up -> no quorum:"));
    assert_eq!(
        Alert::of_role("backup", "master", "nobody objects", "midas", time).line(),
        "2023-11-14T22:13:20Z midas failover: backup -> master: nobody objects"
    );
}

#[tokio::test]
async fn the_file_gets_a_line_for_each_and_may_be_moved_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts.log");
    let settings = Settings { file: Some(path.clone()), ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    alerts.tell(&change(11, State::Down));
    alerts.tell(&change(11, State::Up));
    assert_eq!(lines(&path, 2).await.len(), 2);
    fs::rename(&path, directory.path().join("alerts.log.1")).unwrap();
    alerts.tell(&change(12, State::Down));
    let after = lines(&path, 1).await;
    assert!(after[0].contains("10.77.0.12: up -> down"), "{after:?}");
}

/// Nobody else has a turn while they are told.
#[tokio::test]
async fn the_file_gets_all_that_happens_at_once_and_what_waits_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts.log");
    let settings = Settings { file: Some(path.clone()), ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    for number in 0..5000 {
        alerts.tell(&change((number % 250) as u8, State::Down));
    }
    alerts.close().await;
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5000);
}

/// A hook that appends a line when it begins, and one when it ends after a while.
fn slow_hook(directory: &Path) -> (String, std::path::PathBuf) {
    let (told, script) = (directory.join("told"), directory.join("hook"));
    let told_by = told.display();
    let text = format!(
        "#!/bin/sh\necho \"$1 $LVS_PORT $LVS_TO begins\" >> {told_by}\nsleep 0.1\n\
         echo \"$1 $LVS_PORT $LVS_TO ends\" >> {told_by}\n"
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (script.display().to_string(), told)
}

/// What hooks were told, whole and one after the other.
fn told(lines: &[String]) -> Vec<&str> {
    let pairs = lines.chunks(2).map(|pair| match pair {
        [begins, ends] => {
            let what = begins.strip_suffix(" begins").unwrap_or_else(|| panic!("{lines:?}"));
            assert_eq!(ends.strip_suffix(" ends"), Some(what), "two at once: {lines:?}");
            what
        }
        _ => panic!("one did not end: {lines:?}"),
    });
    pairs.collect()
}

#[tokio::test]
async fn of_one_real_server_nobody_is_told_two_things_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (script, file) = slow_hook(directory.path());
    let hooks = ["a", "b"].map(|word| vec![script.clone(), word.to_owned()]).into();
    let settings = Settings { hooks, hook_timeout: SOON, ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    let of_443 = |it: Change| Change { service: ServiceId { port: 443, ..it.service }, ..it };
    alerts.tell(&change(11, State::Down));
    alerts.tell(&of_443(change(11, State::Down)));
    let lines = lines(&file, 8).await;
    assert_eq!(told(&lines), ["a 80 down", "b 80 down", "a 443 down", "b 443 down"]);
}

/// Who is told as before does not notice; who is told no more gets what waits, before others are told.
#[tokio::test]
async fn other_settings_take_nothing_from_who_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (script, file) = slow_hook(directory.path());
    let settings = |word: &str, name: &str| Settings {
        file: Some(directory.path().join(name)),
        hooks: vec![vec![script.clone(), word.to_owned()]],
        hook_timeout: SOON,
        ..Settings::default()
    };
    let mut alerts = Alerts::new("midas", &settings("old", "one"));
    alerts.tell(&change(11, State::Down));
    alerts.tell(&change(11, State::Up));
    lines(&file, 1).await;
    alerts.reconfigure(&settings("old", "two"));
    alerts.tell(&change(11, State::Drained));
    alerts.reconfigure(&Settings::default());
    alerts.reconfigure(&settings("new", "two"));
    alerts.tell(&change(11, State::Down));
    let lines = lines(&file, 8).await;
    assert_eq!(told(&lines), ["old 80 down", "old 80 up", "old 80 drained", "new 80 down"]);
    let count = |name: &str| {
        fs::read_to_string(directory.path().join(name)).unwrap_or_default().lines().count()
    };
    assert_eq!((count("one"), count("two")), (2, 2));
}

#[tokio::test]
async fn hooks_are_told_in_order_and_those_that_hang_are_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (told, script) = (directory.path().join("told"), directory.path().join("hook"));
    // That of host 13 hangs, with a child, and so would whoever waits for it.
    let text = format!(
        "#!/bin/sh\necho \"$1 $LVS_ADDRESS $LVS_FROM $LVS_TO $LVS_REASON begins\" >> {told}\n\
         if [ $LVS_ADDRESS = 10.77.0.13 ]; then sleep 1000 & echo $! >> {told}; wait; fi\n\
         sleep 0.05; echo \"$LVS_ADDRESS $LVS_TO ends\" >> {told}\n",
        told = told.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let settings = Settings {
        hooks: vec![
            vec![script.display().to_string(), "word".to_owned()],
            vec!["/nowhere/hook".to_owned()],
        ],
        hook_timeout: Duration::from_millis(500),
        ..Settings::default()
    };
    let mut alerts = Alerts::new("midas", &settings);
    alerts.tell(&change(13, State::Down));
    for state in [State::Down, State::Up, State::Drained] {
        alerts.tell(&change(11, state));
    }
    alerts.tell(&change(13, State::Up));
    let lines = lines(&told, 10).await;
    let of_11: Vec<_> = lines.iter().filter(|line| line.contains(".11 ")).collect();
    assert_eq!(
        of_11,
        [
            "word 10.77.0.11 up down because of this begins",
            "10.77.0.11 down ends",
            "word 10.77.0.11 up up because of this begins",
            "10.77.0.11 up ends",
            "word 10.77.0.11 up drained because of this begins",
            "10.77.0.11 drained ends",
        ]
    );
    let begun: Vec<_> = lines.iter().filter(|line| line.contains(".13 ")).collect();
    assert_eq!(begun.len(), 2, "the second comes when the first was killed: {lines:?}");
    let child: u32 = lines.iter().find_map(|line| line.parse().ok()).expect("the child's id");
    let end = Instant::now() + SOON;
    while Path::new(&format!("/proc/{child}")).exists()
        && !fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default().contains(") Z ")
    {
        assert!(Instant::now() < end, "the child of the first lives on");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Answers with an error and a redirection, and gives out the body of the third request.
#[tokio::test]
async fn a_web_hook_that_refuses_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        // Where the redirection leads is here again.
        for answer in ["500 No", "302 Elsewhere\r\nLocation: /alerts", "204 Yes"] {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).await.unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if answer.contains("204") {
                return serde_json::from_slice::<serde_json::Value>(&body).unwrap();
            }
        }
        unreachable!("one of the answers ends it")
    });
    let settings = Settings { webhook: Some(url), ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    alerts.tell(&change(11, State::Down));
    let body = timeout(SOON, server).await.unwrap().unwrap();
    assert_eq!((&body["real_server"], &body["to"]), (&"10.77.0.11".into(), &"down".into()));
    assert_eq!((&body["address"], &body["port"]), (&"10.77.0.100".into(), &80.into()));
}
