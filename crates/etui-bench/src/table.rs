//! The table: one line a figure, its target beside it.

use std::{fmt::Write as _, fs, time::Duration};

use serde::Serialize;

const US_PER_MS: f64 = 1000.0;

/// All figures of one run, with the circumstances that they were taken under.
#[derive(Serialize)]
pub(crate) struct Table {
    entries: usize,
    distribution: &'static str,
    cores: usize,
    load_before: String,
    figures: Vec<Figure>,
}

/// One figure. What was not measured stays empty.
#[derive(Default, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// User and system time of the measured process for one operation, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    /// Body bytes of one operation.
    pub(crate) bytes: Option<u64>,
    /// Resident memory in KiB: what `memory_is` says.
    pub(crate) memory_kib: Option<u64>,
    pub(crate) memory_is: &'static str,
    /// Time as the caller sees it, in microseconds.
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) targets: Vec<Target>,
    pub(crate) note: String,
}

/// What a figure should be.
#[derive(Serialize)]
pub(crate) struct Target {
    is: String,
    met: bool,
}

impl Target {
    pub(crate) fn new(is: impl Into<String>, met: bool) -> Self {
        Self { is: is.into(), met }
    }

    /// At most so much CPU time an operation.
    pub(crate) fn cpu_us(measured: f64, most: f64) -> Self {
        Self::new(format!("≤ {} CPU", time(most)), measured <= most)
    }

    /// At most so many bytes.
    pub(crate) fn bytes(measured: u64, most: u64) -> Self {
        Self::new(format!("≤ {most} B"), measured <= most)
    }

    /// At most so long, at the median.
    pub(crate) fn p50_us(measured: f64, most: f64) -> Self {
        Self::new(format!("≤ {}", time(most)), measured <= most)
    }

    /// At most so much memory.
    pub(crate) fn memory_mib(measured_kib: u64, most_mib: u64) -> Self {
        Self::new(format!("≤ {most_mib} MiB"), measured_kib <= most_mib << 10)
    }
}

impl Figure {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// With the median and the 99th percentile of these times.
    pub(crate) fn times(mut self, times: &mut [Duration]) -> Self {
        times.sort_unstable();
        self.p50_us = percentile(times, 50);
        self.p99_us = percentile(times, 99);
        self
    }

    pub(crate) fn memory(mut self, kib: u64, is: &'static str) -> Self {
        self.memory_kib = Some(kib);
        self.memory_is = is;
        self
    }
}

/// Nearest rank; `times` are sorted.
fn percentile(times: &[Duration], percent: usize) -> Option<f64> {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).map(|time| time.as_secs_f64() * 1e6)
}

impl Table {
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            entries,
            distribution: crate::entries::DISTRIBUTION,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_before: load_average(),
            figures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("figures are plain values") + "\n"
    }

    pub(crate) fn to_text(&self) -> String {
        let head = ["figure", "CPU", "bytes", "memory", "p50", "p99", "target", ""].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(self.figures.iter().map(cells)).collect();
        let widths: Vec<usize> = (0..8)
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = format!(
            "{} entries ({})\n{} cores, load {} before and {} after the run\n\n",
            self.entries,
            self.distribution,
            self.cores,
            self.load_before,
            load_average()
        );
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                let left = column == 0 || column >= 6;
                let _ = if left { write!(line, "{cell}{pad}  ") } else { write!(line, "{pad}{cell}  ") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
        for figure in self.figures.iter().filter(|figure| !figure.note.is_empty()) {
            let _ = writeln!(text, "{}: {}", figure.name, figure.note);
        }
        text
    }
}

fn cells(figure: &Figure) -> [String; 8] {
    let targets: Vec<&str> = figure.targets.iter().map(|target| target.is.as_str()).collect();
    let verdict = match (figure.targets.is_empty(), figure.targets.iter().all(|target| target.met)) {
        (true, _) => "",
        (false, true) => "met",
        (false, false) => "MISSED",
    };
    [
        figure.name.to_owned(),
        figure.cpu_us.map(time).unwrap_or_default(),
        figure.bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
        figure.memory_kib.map(|kib| format!("{} {}", mib(kib), figure.memory_is)).unwrap_or_default(),
        figure.p50_us.map(time).unwrap_or_default(),
        figure.p99_us.map(time).unwrap_or_default(),
        targets.join(", "),
        verdict.to_owned(),
    ]
}

fn time(us: f64) -> String {
    if us < US_PER_MS { format!("{us:.0} µs") } else { format!("{:.1} ms", us / US_PER_MS) }
}

fn mib(kib: u64) -> String {
    format!("{}.{} MiB", kib >> 10, (kib & 1023) * 10 / 1024)
}

/// The three load averages, as the kernel gives them.
fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        let figure = Figure::new("x").times(&mut times.clone());
        assert_eq!(figure.p50_us.map(f64::round), Some(100.0));
        assert_eq!(figure.p99_us.map(f64::round), Some(198.0));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn one_missed_target_is_a_miss() {
        let met = || Target::bytes(1, 2);
        let missed = || Target::cpu_us(3.0, 2.0);
        let verdict = |targets| cells(&Figure { targets, ..Figure::default() })[7].clone();
        assert_eq!(verdict(vec![met()]), "met");
        assert_eq!(verdict(vec![met(), missed()]), "MISSED");
        assert_eq!(verdict(vec![]), "");
    }
}
