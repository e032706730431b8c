//! modgud's idle figures: start time, memory, size.

use super::Outcome;
use super::process::{Server, resident_mib};
use super::requests::Folder;
use super::stats::Spread;
use super::wire;
use std::path::Path;
use std::time::Instant;

pub(crate) struct Idle {
    /// Time from process start to health "SERVING", in milliseconds.
    pub(crate) start_millis: Spread,
    /// Resident memory once it serves, in MiB.
    pub(crate) resident_mib: Spread,
    /// Size of the program's file, in MiB.
    pub(crate) binary_mib: f64,
}

pub(crate) fn measure(program: &Path, folder: &Folder, starts: usize) -> Outcome<Idle> {
    let config = folder.configuration("profile: bifrost\n")?;
    let (mut millis, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let start = Instant::now();
        let server = Server::modgud(program, folder, &config)?;
        while !serving(&server)? {}
        millis.push(start.elapsed().as_secs_f64() * 1e3);
        resident.push(resident_mib(server.pid())?);
    }
    let bytes = std::fs::metadata(program)?.len();
    Ok(Idle {
        start_millis: Spread::of(millis),
        resident_mib: Spread::of(resident),
        binary_mib: bytes as f64 / 1024.0 / 1024.0,
    })
}

/// Returns true if the server is healthy, by the call of Envoy's health checks and Kubernetes' gRPC probes.
fn serving(server: &Server) -> Outcome<bool> {
    /// `HealthCheckResponse { status: SERVING }`.
    const SERVING: [u8; 2] = [0x08, 1];
    Ok(wire::call(server.address, None, "/grpc.health.v1.Health/Check", &[])? == SERVING)
}
