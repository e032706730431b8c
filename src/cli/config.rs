//! `modgud config`: the effective configuration, each value with its origin.

use super::{Exit, print_error, print_line};
use crate::config::{Environment, Overrides, ProfileName, load};
use crate::net::listen_addr::ListenAddr;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Shows the effective configuration: defaults, profile, file and flags, merged in this order.
///
/// A comment on each value names its origin. Possible secrets are omitted. The output is itself a configuration file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud config --config modgud.yaml\n  modgud config --profile bifrost     # the profile alone\n  modgud config --reference           # every key, as docs/configuration-reference.md"
)]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The address that Envoy connects to, instead of `server.grpc`: `IP:PORT`, `unix:/PATH` or `unix:@NAME`
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<ListenAddr>,
    /// The address of probes and metrics, instead of `server.admin`
    #[arg(long, value_name = "IP:PORT")]
    admin: Option<SocketAddr>,
    /// Show the JSON Schema of the file instead, for editors
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Show every key with its type, default and an example instead, as a Markdown page
    #[arg(long, exclusive = true)]
    reference: bool,
}

pub(super) fn run(args: Args, environment: &Environment) -> Exit {
    let Args { config, profile, grpc, admin, schema, reference } = args;
    if schema {
        return match crate::config::schema() {
            Ok(schema) => {
                print_line(schema);
                Exit::Done
            }
            Err(error) => print_error(error),
        };
    }
    if reference {
        print_line(crate::config::reference().trim_end());
        return Exit::Done;
    }
    let overrides = Overrides { profile, grpc, admin, ..Overrides::default() };
    match load(config.as_deref(), &overrides, environment).map(|loaded| loaded.yaml()) {
        Ok(Ok(yaml)) => {
            print_line(yaml.trim_end());
            Exit::Done
        }
        Ok(Err(error)) => print_error(error),
        Err(error) => print_error(error),
    }
}
