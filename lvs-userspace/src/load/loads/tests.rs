use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 11));

/// One real server on a clock of its own.
struct Bench {
    loads: Loads,
    now: Instant,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let mut loads = Loads::default();
        loads.reconfigure(settings, &BTreeSet::from([ADDRESS]), now);
        Self { loads, now }
    }

    /// The next report is this.
    fn next(&mut self, outcome: Result<&str, &str>) -> Vec<News> {
        self.now = self.now.max(self.loads.next().expect("it is always asked again"));
        let due = self.loads.take_due(self.now);
        assert_eq!(due.len(), 1);
        assert_eq!(self.loads.take_due(self.now), [], "one request at a time");
        let outcome = match outcome {
            Ok(text) => Ok(Report::parse(text.as_bytes()).unwrap()),
            Err(reason) => Err(reason.to_owned()),
        };
        self.loads.outcome(due[0], &outcome, self.now)
    }

    fn share(&self) -> u16 {
        self.loads.machines[&ADDRESS].standing.share
    }
}

#[test]
fn a_busy_machine_gets_less_step_by_step_and_all_again_when_it_is_idle() {
    let mut bench = Bench::new(Settings::default());
    let mut shares = Vec::new();
    for text in ["100%", "20%", "20%", "20%", "20%", "20%", "98%", "100%", "100%", "99%", "100%"] {
        bench.next(Ok(text));
        shares.push(bench.share());
    }
    assert_eq!(shares, [100, 75, 50, 30, 25, 25, 50, 75, 90, 95, 95]);
    for _ in 0..3 {
        bench.next(Ok("100%"));
    }
    assert_eq!(bench.share(), 100);
}

#[test]
fn small_changes_and_extremes() {
    let settings = Settings { smoothing: 100, step: 100, hysteresis: 15, ..Settings::default() };
    let mut bench = Bench::new(settings);
    for (text, share) in
        [("90%", 100), ("86%", 85), ("74%", 85), ("70%", 70), ("0%", 10), ("250%", 100)]
    {
        bench.next(Ok(text));
        assert_eq!(bench.share(), share, "{text}");
    }
}

#[test]
fn words_of_the_operator() {
    let mut bench = Bench::new(Settings::default());
    let standing = |share, admin, is_down| News::Standing(Standing { share, admin, is_down });
    assert_eq!(bench.next(Ok("100%")), []);
    assert_eq!(
        bench.next(Ok("drain # disk")),
        [News::Admin(Admin::Drain, Some("disk".to_owned())), standing(100, Admin::Drain, false)]
    );
    assert_eq!(bench.next(Ok("drain")), [], "nothing new");
    assert_eq!(bench.next(Ok("50%")), [standing(75, Admin::Drain, false)], "until it is ready");
    assert_eq!(
        bench.next(Ok("ready")),
        [News::Admin(Admin::Ready, None), standing(75, Admin::Ready, false)]
    );
    assert_eq!(bench.next(Ok("down")), [News::Down(None), standing(75, Admin::Ready, true)]);
    assert_eq!(bench.next(Ok("up")), [News::Up, standing(75, Admin::Ready, false)]);
    let maintenance = bench.next(Ok("maint"));
    assert_eq!(maintenance[0], News::Admin(Admin::Maintenance, None));
}

#[test]
fn reports_that_go_stale() {
    let mut bench = Bench::new(Settings::default());
    for _ in 0..6 {
        bench.next(Ok("10% drain down"));
    }
    assert_eq!(bench.share(), 10);
    let start = bench.now;
    assert_eq!(bench.next(Err("refused")), [News::Silent("refused".to_owned())]);
    let stale = loop {
        let news = bench.next(Err("refused"));
        if !news.is_empty() {
            break news;
        }
    };
    let standing = Standing { share: 100, admin: Admin::Drain, is_down: false };
    assert_eq!(stale, [News::Stale, News::Standing(standing)]);
    let after = bench.now - start;
    assert!((30..36).contains(&after.as_secs()), "{after:?}");
    let again = bench.next(Ok("100%"));
    assert_eq!(again, [News::Answers]);
}

#[test]
fn what_was_known_before_holds_until_the_next_report() {
    let mut bench = Bench::new(Settings::default());
    bench.loads.restore(ADDRESS, Standing { share: 20, ..Standing::default() });
    bench.next(Ok("20%"));
    assert_eq!(bench.share(), 20);
    let next = bench.next(Ok("100%"));
    assert_eq!(next, [News::Standing(Standing { share: 45, ..Standing::default() })]);
}

#[test]
fn a_silence_is_complained_about_now_and_then() {
    let mut bench = Bench::new(Settings::default());
    let start = bench.now;
    let mut complaints = 0;
    while bench.now - start < Duration::from_secs(3600) {
        let news = bench.next(Err("rubbish"));
        complaints += news.iter().filter(|it| matches!(it, News::Silent(_))).count();
    }
    assert!((11..=13).contains(&complaints), "{complaints}");
}

#[test]
fn an_answer_to_an_old_question_does_not_count() {
    let mut bench = Bench::new(Settings::default());
    let due = bench.loads.take_due(bench.now)[0];
    let others = Settings { port: 1, ..Settings::default() };
    bench.loads.reconfigure(others.clone(), &BTreeSet::from([ADDRESS]), bench.now);
    let report = Ok(Report::parse(b"drain").unwrap());
    assert_eq!(bench.loads.outcome(due, &report, bench.now), []);
    assert_eq!(bench.next(Ok("100%")), []);
    bench.loads.reconfigure(others, &BTreeSet::new(), bench.now);
    assert_eq!(bench.loads.next(), None);
}

proptest! {
    #[test]
    fn a_share_keeps_to_its_limits(
        texts in prop::collection::vec(prop::option::of(0u16..300), 1..60),
        floor in 0u16..=100,
        step in 5u16..=100,
        hysteresis in 0u16..=30,
        smoothing in 1u16..=100,
    ) {
        let settings = Settings { floor, step, hysteresis, smoothing, ..Settings::default() };
        let mut bench = Bench::new(settings);
        let mut before = 100u16;
        for text in texts {
            let stale = match text {
                Some(share) => bench.next(Ok(&format!("{share}%"))),
                None => bench.next(Err("silence")),
            }
            .contains(&News::Stale);
            let share = bench.share();
            prop_assert!(share <= 100 && share + GRAIN > floor, "{share}");
            prop_assert!(stale || before.abs_diff(share) <= step);
            before = share;
        }
        // Whatever came before, a machine that stays idle gets its whole weight, or nearly.
        for _ in 0..1000 {
            bench.next(Ok("100%"));
        }
        prop_assert!(bench.share() + hysteresis.max(1) > 100, "{}", bench.share());
    }
}
