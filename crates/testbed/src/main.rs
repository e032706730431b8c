//! The demo: a whole gateway on this machine, and a walk through what it allows and what it denies.

mod steps;

use clap::Parser;
use modgud::clock::Clock;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Programs, Setup, Testbed, TestbedError};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use steps::Step;
use tokio::signal::unix::{SignalKind, signal};

/// Start modgud, sample modules and a real Envoy on free loopback ports, and walk through allow and deny.
///
/// On a terminal everything then keeps running until Ctrl-C, so that you can try it by hand.
#[derive(Debug, Parser)]
#[command(
    name = "modgud-demo",
    version,
    max_term_width = 110,
    after_help = "Example:\n  make demo\n  modgud-demo --envoy /usr/bin/envoy --python python3     (Python needs PyJWT and cryptography)"
)]
struct Args {
    /// The modgud to run; by default the one in the folder of this program
    #[arg(long, value_name = "FILE")]
    modgud: Option<PathBuf>,
    /// The Envoy to run (1.40)
    #[arg(long, value_name = "FILE", default_value = "envoy")]
    envoy: PathBuf,
    /// The Python that runs the sample modules; it needs `PyJWT` and `cryptography`
    #[arg(long, value_name = "FILE", default_value = "python3")]
    python: PathBuf,
    /// Keep running until Ctrl-C, on a terminal or not
    #[arg(long, conflicts_with = "once")]
    stay: bool,
    /// End after the walk, on a terminal or not
    #[arg(long)]
    once: bool,
}

/// Maximum time until modgud's log line of a denial arrives.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("this program's own path is unknown, use --modgud: {0}")]
    Own(io::Error),
    #[error(transparent)]
    Testbed(#[from] TestbedError),
    #[error(transparent)]
    Step(#[from] steps::StepError),
    #[error("signals can't be received: {0}")]
    Signals(io::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match demo(Args::parse()).await {
        Ok(exit) => exit,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "modgud: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a line on standard output. A closed reader is no failure of the demo.
fn say(text: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

async fn demo(args: Args) -> Result<ExitCode, DemoError> {
    let Args { modgud, envoy, python, stay, once } = args;
    let stay = stay || (!once && io::stdin().is_terminal() && io::stdout().is_terminal());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DemoError::Signals)?;
    let modgud = match modgud {
        Some(modgud) => modgud,
        None => std::env::current_exe().map_err(DemoError::Own)?.with_file_name("modgud"),
    };
    let programs = Programs { modgud, envoy, python };

    say("Starting, on free ports of 127.0.0.1:");
    let setup = Setup { page: true, ..Setup::default() };
    let start = Testbed::start(&programs, &setup, |what| say(format_args!("  - {what}")));
    let mut testbed = tokio::select! {
        started = start => started?,
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
    };
    let walked = walk(&mut testbed).await;
    if stay && walked.is_ok() {
        say("\nEverything keeps running for you to try. Ctrl-C stops it.");
        interrupt.recv().await;
    }
    testbed.stop().await;
    walked
}

async fn walk(testbed: &mut Testbed) -> Result<ExitCode, DemoError> {
    say(format_args!(
        "\n  client ──▶ Envoy {} ──▶ crm, documents, core\n               └──▶ modgud {}: authenticates and authorizes\n",
        testbed.gateway, testbed.modgud_grpc
    ));
    let mut wrong = 0_usize;
    let steps = steps::all(&testbed.key, Clock::System.now())?;
    for (number, step) in (1_usize..).zip(&steps) {
        let Step { title, method, path, headers, expected, show, .. } = step;
        let borrowed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = Exchange::send(testbed.gateway, method, path, &borrowed).await.map_err(TestbedError::from)?;
        let mark = if answer.status == *expected { "✓" } else { "✗" };
        wrong = wrong.saturating_add(usize::from(answer.status != *expected));
        say(format_args!("{mark} {number:>2}. {title}"));
        say(format_args!("      {method} {path}{}", step.headers_in_short()));
        say(format_args!("      → {}  {}", answer.status, show(&answer)));
        if answer.status != 200 {
            // modgud logs each denial on a line, and no other client sends requests: the next line is this step's.
            let logged = testbed.modgud.wait_for(LOG_TIMEOUT, steps::log_summary).await;
            say(format_args!("      modgud: {}", logged.unwrap_or_else(|_| "logged nothing".to_owned())));
        }
    }
    if wrong > 0 {
        say(format_args!(
            "\n{wrong} of {} did not end as expected. Please report this with the lines above.",
            steps.len()
        ));
        return Ok(ExitCode::FAILURE);
    }
    say(format_args!("\nAll {} as expected. What to try next:", steps.len()));
    let token = steps::good_token(&testbed.key, Clock::System.now())?;
    say(format_args!("  TOKEN={token}"));
    say(format_args!("  curl -H \"Authorization: JWT $TOKEN\" http://{}/crm/appointment/1/", testbed.gateway));
    say(format_args!(
        "  curl -H \"Authorization: JWT $TOKEN\" http://{}/crm/docs/swagger.json > crm.json && modgud openapi merge crm=crm.json",
        testbed.gateway
    ));
    say(format_args!("  modgud call {} --path /crm/ --header \"Authorization: JWT $TOKEN\"", testbed.modgud_grpc));
    say(format_args!("  grpcurl -plaintext {} describe envoy.service.auth.v3.Authorization", testbed.modgud_grpc));
    say(format_args!("  curl http://{}/metrics", testbed.modgud_admin));
    if let Some(page) = testbed.modgud_page {
        say(format_args!("  open http://{page}/ in a browser: these decisions, with an explanation of each"));
    }
    say("  read README.md for the configuration, deploy/envoy.yaml for Envoy's, examples/module/ for a module");
    Ok(ExitCode::SUCCESS)
}
