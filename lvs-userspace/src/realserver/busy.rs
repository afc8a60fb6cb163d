//! How busy a machine is, from 0 (not at all) to 1, out of the texts that the kernel has in /proc.

/// How far a new measurement moves what is told: with one a second, three seconds count.
const NEW: f64 = 0.3;

/// What the CPUs have done since the machine is up, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTimes {
    idle: u64,
    all: u64,
}

impl CpuTimes {
    /// Reads /proc/stat.
    pub(super) fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let numbers: Vec<u64> =
            line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        // user nice system idle iowait irq softirq steal; what guests take is in user and nice.
        let (idle, iowait) = (numbers.get(3)?, numbers.get(4).copied().unwrap_or_default());
        let all = numbers.iter().take(8).fold(0u64, |sum, ticks| sum.saturating_add(*ticks));
        Some(Self { idle: idle.saturating_add(iowait), all })
    }

    /// How busy they were since `earlier`; `None` if no tick has passed.
    pub(super) fn busy_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|ticks| *ticks > 0)?;
        // The kernel's iowait can go back by a little.
        let idle = self.idle.saturating_sub(earlier.idle).min(all);
        Some((all - idle) as f64 / all as f64)
    }
}

/// CPUs that are on, by /proc/stat.
pub(super) fn cpus(stat: &str) -> usize {
    let is_cpu =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with([' ', '\t']));
    stat.lines().filter(is_cpu).count().max(1)
}

/// By /proc/loadavg: as many who want to run as there are CPUs is as busy as can be.
pub(super) fn by_load(loadavg: &str, cpus: usize) -> Option<f64> {
    let minute: f64 = loadavg.split_whitespace().next()?.parse().ok()?;
    Some((minute / cpus.max(1) as f64).clamp(0.0, 1.0))
}

/// By /proc/meminfo.
pub(super) fn by_memory(meminfo: &str) -> Option<f64> {
    let kilobytes = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (total, available) = (kilobytes("MemTotal")?, kilobytes("MemAvailable")?);
    let used = total.saturating_sub(available);
    (total > 0).then(|| used as f64 / total as f64)
}

/// Measurements of one thing, the older the less they count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Smoothed(Option<f64>);

impl Smoothed {
    pub(super) fn add(&mut self, measured: f64) {
        self.0 = Some(self.0.map_or(measured, |before| before + NEW * (measured - before)));
    }

    /// `None` before the first.
    pub(super) fn value(self) -> Option<f64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 50 0 25 400 25 0 0 0 0 0\n\
                        cpu1 50 0 25 400 25 0 0 0 0 0\nintr 1 2 3\nctxt 5\n";

    fn busy(later: &str) -> Option<f64> {
        CpuTimes::parse(later)?.busy_since(CpuTimes::parse(STAT)?)
    }

    #[test]
    fn cpus_are_busy_when_they_neither_idle_nor_wait() {
        assert_eq!(busy(STAT), None);
        assert_eq!(busy("cpu  100 0 50 900 50 0 0 0 0 0"), Some(0.0));
        assert_eq!(busy("cpu  125 5 60 855 95 0 0 10 0 0"), Some(30.0 / 90.0));
        assert_eq!(busy("cpu  200 0 50 800 50 0 0 0 100 0"), Some(1.0));
        // iowait went back.
        assert_eq!(busy("cpu  110 0 50 800 45 0 0 0 0 0"), Some(1.0));
        // Kernels before 2.6 had four.
        assert_eq!(CpuTimes::parse("cpu 1 2 3 4"), Some(CpuTimes { idle: 4, all: 10 }));
        for bad in ["", "cpu", "cpu  1 2", "cpu  a b c d e", "cpu0 1 2 3 4 5"] {
            assert_eq!(CpuTimes::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_load_is_shared_by_the_cpus() {
        assert_eq!(cpus(STAT), 2);
        assert_eq!(cpus(""), 1);
        assert_eq!(by_load("0.50 0.10 0.05 1/100 4242\n", 2), Some(0.25));
        assert_eq!(by_load("9.00 0.10 0.05 1/100 4242\n", 2), Some(1.0));
        assert_eq!(by_load("", 2), None);
    }

    #[test]
    fn memory_is_used_when_it_is_not_available() {
        let text = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    250 kB\n";
        assert_eq!(by_memory(text), Some(0.75));
        assert_eq!(by_memory("MemTotal: 1000 kB\n"), None);
        assert_eq!(by_memory("MemTotal: 0 kB\nMemAvailable: 0 kB\n"), None);
    }

    #[test]
    fn a_peak_counts_little_and_a_lasting_load_much() {
        let mut smoothed = Smoothed::default();
        assert_eq!(smoothed.value(), None);
        smoothed.add(0.0);
        smoothed.add(1.0);
        assert!(smoothed.value().is_some_and(|it| it < 0.4), "{smoothed:?}");
        for _ in 0..10 {
            smoothed.add(1.0);
        }
        assert!(smoothed.value().is_some_and(|it| it > 0.95), "{smoothed:?}");
    }
}
