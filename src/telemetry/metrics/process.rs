//! The metrics of the process under their usual names (`process_…`), as every client library of Prometheus has them. They are read from
//! `/proc` at each scrape; without it there are none.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use std::{fmt, fs};

/// The collector of the process's metrics.
#[derive(Debug)]
pub(super) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(ProcessStatus { cpu, threads, start, virtual_memory, resident_memory }) = ProcessStatus::read() else {
            return Ok(());
        };
        let descriptor =
            encoder.encode_descriptor("process_cpu_seconds", "CPU time of the process", None, MetricType::Counter);
        descriptor?.encode_counter::<NoLabelSet, _, u64>(&cpu, None)?;
        let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        // The folder itself is open while it is read.
        let open = f64::from(u32::try_from(open.saturating_sub(1)).unwrap_or(u32::MAX));
        // The usual value of no limit.
        let limit = getrlimit(Resource::Nofile).current.map_or(f64::INFINITY, float);
        for (name, help, value) in [
            ("process_open_fds", "Open files of the process", open),
            ("process_max_fds", "Limit of open files", limit),
            ("process_threads", "Threads of the process", threads),
            ("process_virtual_memory_bytes", "Size of the address space", virtual_memory),
            ("process_resident_memory_bytes", "Resident memory of the process", resident_memory),
            ("process_start_time_seconds", "Time at which the process started, in seconds since 1970", start),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// The values of `/proc/self/stat` (proc(5)), in seconds and bytes.
#[derive(Debug)]
struct ProcessStatus {
    cpu: f64,
    threads: f64,
    start: f64,
    virtual_memory: f64,
    resident_memory: f64,
}

impl ProcessStatus {
    fn read() -> Option<Self> {
        let system = fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?, boot)
    }

    fn parse(stat: &str, boot: f64) -> Option<Self> {
        // The name of the program may hold spaces and brackets; the fields that follow it are numbered from 3.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok().map(float);
        let ticks = float(clock_ticks_per_second());
        Some(Self {
            cpu: (field(14)? + field(15)?) / ticks,
            threads: field(20)?,
            start: boot + field(22)? / ticks,
            virtual_memory: field(23)?,
            resident_memory: field(24)? * float(u64::try_from(page_size()).ok()?),
        })
    }
}

/// Returns a number as Prometheus stores it. Beyond 2^53 it is rounded.
fn float(number: u64) -> f64 {
    let [high, low] = [number >> u32::BITS, number & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or(0));
    f64::from(high) * (f64::from(u32::MAX) + 1.0) + f64::from(low)
}

#[cfg(test)]
mod tests {
    use super::{ProcessStatus, float};

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat =
            "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 1000 2000000 300 18446744073709551615";
        let ProcessStatus { cpu, threads, start, virtual_memory, resident_memory } =
            ProcessStatus::parse(stat, 1_000.0).unwrap();
        let ticks = float(rustix::param::clock_ticks_per_second());
        let page = float(u64::try_from(rustix::param::page_size()).unwrap());
        let shown = [cpu, threads, start, virtual_memory, resident_memory];
        let expected = [200.0 / ticks, 7.0, 1_000.0 + 1_000.0 / ticks, 2_000_000.0, 300.0 * page];
        assert!(shown.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-9), "{shown:?}");
        assert!(ProcessStatus::parse("42 (modgud) S 1 2", 0.0).is_none());
    }

    #[test]
    fn large_numbers_are_those_of_the_system() {
        for (number, expected) in
            [(0, 0.0), (1 << 32, 4_294_967_296.0), (9_007_199_254_740_991, 9_007_199_254_740_991.0)]
        {
            assert!((float(number) - expected).abs() < 0.5, "{number}");
        }
    }
}
