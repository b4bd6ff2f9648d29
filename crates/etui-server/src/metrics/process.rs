//! What the process takes of the machine, as the kernel says when somebody asks. The names are those that all programs share.

use std::{
    fmt, fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// This process, and the disk under its data.
#[derive(Debug)]
pub(super) struct Process {
    data: PathBuf,
    started_s: f64,
}

impl Process {
    /// Which starts now.
    pub(super) fn new(data: PathBuf) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { data, started_s: started.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut write = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn Encode| {
            metric.write(&mut encoder, name, help, unit)
        };
        let gauge = |value: u64| ConstGauge::new(value.cast_signed());
        write("process_start_time_seconds", "Since 1970", None, &ConstGauge::new(self.started_s))?;
        if let Some(seconds) = cpu_seconds() {
            let help = "User and system time";
            write("process_cpu", help, Some(&Unit::Seconds), &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident_bytes() {
            write("process_resident_memory_bytes", "Memory that is resident", None, &gauge(bytes))?;
        }
        if let Some(count) = open_files() {
            write("process_open_fds", "Open files and connections", None, &gauge(count))?;
        }
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        write("process_max_fds", "How many may be open", None, &gauge(most.unwrap_or(u64::MAX >> 1)))?;
        if let Ok(disk) = rustix::fs::statvfs(&self.data) {
            let (free, size) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
            write("etui_data_free_bytes", "Free on the disk of the data folder", None, &gauge(free))?;
            write("etui_data_size_bytes", "Size of the disk of the data folder", None, &gauge(size))?;
        }
        Ok(())
    }
}

/// A metric whose own type does not matter here.
trait Encode {
    fn write(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
    ) -> fmt::Result;
}

impl<M: EncodeMetric> Encode for M {
    fn write(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
    ) -> fmt::Result {
        self.encode(encoder.encode_descriptor(name, help, unit, self.metric_type())?)
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything; the fields behind it are numbers (proc(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    let ticks_per_s = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some((f64::from(user) + f64::from(system)) / f64::from(ticks_per_s))
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn open_files() -> Option<u64> {
    // The folder itself is open while it is read.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}
