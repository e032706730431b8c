//! The command line: one file per command. Commands print what people read; decisions come from the core.

mod admin;
mod apikey;
mod call;
mod check;
mod completions;
mod config;
mod correlation;
mod custom;
mod doctor;
mod drain;
mod envoy;
mod explain;
mod input;
mod keygen;
mod man;
mod openapi;
mod progress;
mod proxy;
mod serve;
mod stdio;
mod terminal;
mod test;
mod token;

use crate::config::Environment;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};
use modgud_core::authn::CustomAuthenticators;
use std::io::Write;
use std::process::ExitCode;

/// The outcome of a command. The numbers are public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed; the error is on standard error.
    Failed,
    /// 2: the command line was wrong.
    Usage,
    /// 3: the check was denied (`call`).
    Denied,
    /// 4: something could not be decided (`envoy lint`, `doctor`, `explain --diff`).
    Undecided,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Denied => 3,
            Exit::Undecided => 4,
        })
    }
}

/// The authorization sidecar for Envoy (`ext_authz`): authenticates the caller, decides whether the request is allowed,
/// and passes the caller's identity to the module behind Envoy.
#[derive(Parser)]
#[command(name = "modgud", version, max_term_width = 110)]
#[command(after_help = "Example:\n  \
    JWT_PUBLIC_KEY_RSA_BIFROST=\"$(cat key.pem)\" modgud serve")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    Config(config::Args),
    Explain(explain::Args),
    Test(test::Args),
    Call(call::Args),
    #[command(subcommand)]
    Token(token::Command),
    Keygen(keygen::Args),
    #[command(subcommand)]
    Apikey(apikey::Command),
    #[command(subcommand)]
    Correlation(correlation::Command),
    Envoy(Box<envoy::Args>),
    Proxy(proxy::Args),
    Drain(drain::Args),
    Doctor(Box<doctor::Args>),
    #[command(subcommand)]
    Openapi(openapi::Command),
    Stdio(stdio::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command that the command line names.
#[must_use]
pub fn run() -> Exit {
    run_with(CustomAuthenticators::default())
}

/// Runs a program with its own authenticators, which its configuration names by `custom`.
#[must_use]
pub fn run_with(authenticators: CustomAuthenticators) -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if names_demo(&error) => {
            let _ = print_error("`modgud demo` was removed; use `make demo` in a copy of the repository");
            return Exit::Usage;
        }
        Err(error) => {
            // clap reports help and version as "errors", too; they go to standard output and are successes.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let environment = Environment::process().with_authenticators(authenticators);
    match cli.command {
        Command::Serve(args) => serve::run(args, environment),
        Command::Check(args) => check::run(&args, &environment),
        Command::Config(args) => config::run(args, &environment),
        Command::Explain(args) => explain::run(args, &environment),
        Command::Test(args) => test::run(&args, &environment),
        Command::Correlation(command) => correlation::run(command),
        Command::Stdio(args) => stdio::run(args, environment),
        Command::Call(args) => call::run(args),
        Command::Token(command) => token::run(command),
        Command::Apikey(command) => apikey::run(command),
        Command::Keygen(args) => keygen::run(args),
        Command::Envoy(args) => envoy::run(*args),
        Command::Proxy(args) => proxy::run(args),
        Command::Drain(args) => drain::run(&args),
        Command::Doctor(args) => doctor::run(*args, &environment),
        Command::Openapi(command) => openapi::run(&command),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Returns the definitions of the command line, for completion scripts and manual pages.
fn definitions() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}

/// Returns true if the command line names a command of earlier versions.
fn names_demo(error: &clap::Error) -> bool {
    let named = error.get(ContextKind::InvalidSubcommand);
    named.is_some_and(|named| matches!(named, ContextValue::String(name) if name == "demo"))
}

/// Writes a line on standard output. A closed reader is not an error.
fn print_line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes an error on standard error and returns the exit code for it.
fn print_error(error: impl std::fmt::Display) -> Exit {
    let _ = writeln!(std::io::stderr().lock(), "modgud: {error}");
    Exit::Failed
}

/// Reports that `--deny-warnings` turns warnings into a failure.
fn print_warnings_error(count: usize) -> Exit {
    print_error(format_args!("{}; --deny-warnings allows none", counted(count, "warning", "warnings")))
}

/// Returns a number with its noun, in the singular or the plural.
fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Creates the runtime of a command.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
