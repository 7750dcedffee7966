//! `/metrics` for Prometheus: counts since the store was made, what waits now, and the process. Base units, and no label
//! by endpoint or account: their number has no bound.

use std::fmt::Write as _;

use actix_web::{HttpResponse, http::StatusCode, web::Data};

use super::{Api, answer, extract::NoQuery};
use crate::{
    domain::endpoint::EndpointStatus,
    store::{Space, Totals},
};

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "probes", operation_id = "metrics",
    responses((status = 200, description = "Prometheus text, format 0.0.4.", body = String, content_type = "text/plain")))]
pub async fn metrics(_: NoQuery, api: Data<Api>) -> HttpResponse {
    let mut text = String::with_capacity(4_096);
    store_metrics(&mut text, &api.store().totals());
    space_metrics(&mut text, api.store().space());
    endpoint_metrics(&mut text, &api);
    process_metrics(&mut text);
    answer::builder(StatusCode::OK).content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

fn store_metrics(text: &mut String, totals: &Totals) {
    for (name, help, value) in [
        ("mythichooks_events_accepted_total", "Events accepted.", totals.accepted),
        ("mythichooks_attempts_total", "HTTP requests made to endpoints.", totals.attempts),
        ("mythichooks_retries_total", "Attempts that were not the first of their delivery.", totals.retried),
    ] {
        metric(text, name, "counter", help, &[("", value)]);
    }
    metric(
        text,
        "mythichooks_deliveries_completed_total",
        "counter",
        "Deliveries that were delivered or failed for good.",
        &[("{status=\"delivered\"}", totals.delivered), ("{status=\"failed\"}", totals.failed)],
    );
    metric(
        text,
        "mythichooks_deliveries_pending",
        "gauge",
        "Deliveries that are pending now.",
        &[("", totals.pending)],
    );
}

fn space_metrics(text: &mut String, space: Space) {
    let mut one = |name: &str, kind: &str, help: &str, value: u64| metric(text, name, kind, help, &[("", value)]);
    one("mythichooks_store_bytes", "gauge", "What the store takes on disk, in bytes.", space.store);
    if let Some(quota) = space.quota {
        one("mythichooks_store_quota_bytes", "gauge", "What the store may take on disk, in bytes.", quota);
    }
    if let Some(free) = space.free {
        one("mythichooks_disk_free_bytes", "gauge", "What is free on the store's file system, in bytes.", free);
    }
    one("mythichooks_disk_floor_bytes", "gauge", "Below so many free bytes events are refused.", space.floor);
    let accepting = u64::from(space.accepting);
    one(
        "mythichooks_store_accepting",
        "gauge",
        "1 while there is room for events, 0 while they are refused.",
        accepting,
    );
    one(
        "mythichooks_events_pruned_early_total",
        "counter",
        "Events pruned before their retention ended, because of the quota, since the process started.",
        space.pruned_early,
    );
}

fn endpoint_metrics(text: &mut String, api: &Api) {
    let (mut enabled, mut paused, mut disabled) = (0, 0, 0);
    for endpoint in api.registry().snapshot().endpoints().values() {
        match endpoint.status {
            EndpointStatus::Enabled => enabled += 1,
            EndpointStatus::Paused => paused += 1,
            EndpointStatus::Disabled { .. } => disabled += 1,
        }
    }
    metric(
        text,
        "mythichooks_endpoints",
        "gauge",
        "Endpoints, by status.",
        &[("{status=\"enabled\"}", enabled), ("{status=\"paused\"}", paused), ("{status=\"disabled\"}", disabled)],
    );
    let build = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    metric(text, "mythichooks_build_info", "gauge", "The release that runs.", &[(build, 1)]);
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, samples: &[(&str, u64)]) {
    // Writing to a `String` cannot fail.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

/// The names that Prometheus' own client libraries use for a process. What cannot be read is left out.
fn process_metrics(text: &mut String) {
    let mut float = |name: &str, kind: &str, help: &str, value: f64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a process are far below 2^53")]
    let seconds = usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9;
    float("process_cpu_seconds_total", "counter", "CPU time of the process, in seconds.", seconds);
    if let Some((virtual_bytes, resident_bytes)) = memory() {
        float("process_virtual_memory_bytes", "gauge", "Virtual memory of the process, in bytes.", virtual_bytes);
        float("process_resident_memory_bytes", "gauge", "Resident memory of the process, in bytes.", resident_bytes);
    }
    if let Some(start) = start_time() {
        float("process_start_time_seconds", "gauge", "When the process started, in Unix seconds.", start);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        #[expect(clippy::cast_precision_loss, reason = "descriptors are far fewer than 2^53")]
        float("process_open_fds", "gauge", "Open file descriptors.", entries.count() as f64);
    }
}

/// Virtual and resident bytes (proc_pid_statm(5)).
fn memory() -> Option<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = text.split_ascii_whitespace().map(|pages| pages.parse::<f64>().ok());
    #[expect(clippy::cast_precision_loss, reason = "a page's size is far below 2^53")]
    let size = rustix::param::page_size() as f64;
    Some((pages.next()?? * size, pages.next()?? * size))
}

/// The start in clock ticks since boot (proc_pid_stat(5), field 22) and the time of boot (proc_stat(5)).
fn start_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in brackets that can hold spaces.
    let ticks: f64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "ticks a second are far below 2^53")]
    let rate = rustix::param::clock_ticks_per_second() as f64;
    Some(boot + ticks / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_a_help_and_a_type() {
        let mut text = String::new();
        store_metrics(&mut text, &Totals { accepted: 7, pending: 2, ..Totals::default() });
        let space = Space { store: 5, quota: Some(6), free: Some(7), floor: 8, accepting: true, pruned_early: 9 };
        space_metrics(&mut text, space);
        process_metrics(&mut text);
        assert!(text.contains("\nmythichooks_events_accepted_total 7\n"));
        assert!(text.contains("\nmythichooks_deliveries_pending 2\n"));
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(samples.len() >= 10);
        for sample in samples {
            let name = sample.split(['{', ' ']).next().unwrap();
            assert!(text.contains(&format!("# HELP {name} ")) && text.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }
}
