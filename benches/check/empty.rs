//! The empty server: modgud's own generated service on modgud's transport settings, with a constant response to each
//! decoded check. Its cost is gRPC's share of a check.

use super::Outcome;
use modgud::envoy::proto::{Authorization, AuthorizationServer, CheckRequest, CheckResponse};
use prost::Message;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// Maximum number of concurrent calls per connection, as in modgud.
const STREAMS_PER_CONNECTION: u32 = 1_024;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The response to every check
    #[arg(long)]
    response: PathBuf,
    /// The certificate for TLS; without one, plaintext
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long)]
    key: Option<PathBuf>,
}

#[derive(Clone)]
struct Empty(CheckResponse);

#[tonic::async_trait]
impl Authorization for Empty {
    async fn check(&self, _: tonic::Request<CheckRequest>) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        Ok(tonic::Response::new(self.0.clone()))
    }
}

/// Serves until killed. Prints its address on standard output, in the format of modgud's log.
pub(crate) fn run(args: &Args) -> Outcome<()> {
    let Args { response, cert, key } = args;
    let response = CheckResponse::decode(std::fs::read(response)?.as_slice())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{{\"grpc\":\"{}\"}}", listener.local_addr()?);
        let mut server = Server::builder().max_concurrent_streams(STREAMS_PER_CONNECTION);
        if let (Some(cert), Some(key)) = (cert, key) {
            let identity = Identity::from_pem(std::fs::read(cert)?, std::fs::read(key)?);
            server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
        }
        server
            .add_service(AuthorizationServer::new(Empty(response)))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await?;
        Ok(())
    })
}
