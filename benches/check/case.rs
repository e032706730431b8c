//! A case: the checks that a server gets, the response that it sends, and the connections between both.

use super::load::{Load, Sample};
use super::pace::Pace;
use super::process::{MODGUD, Server};
use super::requests::{Folder, Kind};
use super::series::{Progress, Rounds, Series};
use super::{Outcome, tokens};
use std::fmt;
use std::path::Path;

/// modgud's response to an allowed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response {
    /// One identity header, below 256 bytes.
    Small,
    /// That of the profile `bifrost`: four identity headers, and `Authorization: JWT` with the token.
    BiFrost,
}

/// The bytes that the empty server's HTTP/2 library copies; it sends larger frames from where they are (h2 0.4).
const SMALL_BYTES: usize = 256;

impl Response {
    /// Returns true if a response of this size has this shape.
    pub(crate) const fn has_size(self, bytes: usize) -> bool {
        match self {
            Self::Small => bytes < SMALL_BYTES,
            Self::BiFrost => bytes >= SMALL_BYTES,
        }
    }

    /// Returns modgud's configuration, up to its `server` settings.
    pub(crate) const fn configuration(self) -> &'static str {
        match self {
            Self::Small => {
                "profile: none
authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
principal: { subject: core_user_uuid }
fallback: authenticated
upstream: { headers: { x-user: { principal: subject } } }
"
            }
            Self::BiFrost => "profile: bifrost\n",
        }
    }
}

/// The transport of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plaintext,
    Tls,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "TLS 1.3",
        })
    }
}

/// One line of the report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) response: Response,
    pub(crate) connections: usize,
    pub(crate) transport: Transport,
    pub(crate) pace: Pace,
}

/// The case that all comparisons have in common.
pub(crate) const KNOWN: Case = Case::new(Kind::Known, Response::BiFrost, 1, Transport::Plaintext, 32);

/// The server to compare with.
#[derive(Clone, Copy)]
pub(crate) enum Rival<'a> {
    /// The empty server.
    Empty,
    /// The program of another revision.
    Base(&'a Path),
}

/// The servers of a series: modgud, its rival, and instead of a third server one verification of a signature alone.
pub(crate) const TREE: usize = 0;
pub(crate) const RIVAL: usize = 1;
pub(crate) const VERIFICATION: usize = 2;

/// The rounds of a case, and the size of modgud's response.
pub(crate) struct Result {
    pub(crate) case: Case,
    pub(crate) bytes: usize,
    pub(crate) series: Series,
}

impl Case {
    pub(crate) const fn new(
        kind: Kind,
        response: Response,
        connections: usize,
        transport: Transport,
        in_flight: usize,
    ) -> Self {
        Self { kind, response, connections, transport, pace: Pace::InFlight(in_flight) }
    }

    /// Measures modgud and its rival. A case that verifies signatures has single verifications in turn with both.
    pub(crate) fn measure(
        self,
        folder: &Folder,
        rounds: Rounds,
        rival: Rival<'_>,
        progress: &mut Progress,
    ) -> Outcome<Result> {
        progress.part(&self.to_string());
        let program = Path::new(MODGUD);
        let config = folder.configuration(&self.configuration(folder))?;
        let response = folder.response(self, program, &config)?;
        let rival_response = match rival {
            Rival::Empty => None,
            Rival::Base(base) => Some(folder.response(self, base, &config)?),
        };
        let rival_response = rival_response.as_ref().unwrap_or(&response);
        let servers =
            if self.kind.is_verified() && matches!(rival, Rival::Empty) { VERIFICATION + 1 } else { RIVAL + 1 };
        // A new process each time, so that rounds are independent: unknown tokens are unknown again.
        let series = Series::measure(rounds.count, servers, progress, |server| {
            let (server, response) = match (server, rival) {
                (VERIFICATION.., _) => return tokens::verifications(folder, rounds.seconds / 4.0),
                (RIVAL, Rival::Base(base)) => (Server::modgud(base, folder, &config)?, rival_response),
                (RIVAL, Rival::Empty) => (self.empty(folder, &response.file)?, &response),
                (TREE, _) => (Server::modgud(program, folder, &config)?, &response),
            };
            self.load(&server, folder, &response.file, rounds).start()
        })?;
        Ok(Result { case: self, bytes: response.bytes, series })
    }

    fn empty(self, folder: &Folder, response: &Path) -> Outcome<Server> {
        Server::empty(response, (self.transport == Transport::Tls).then_some(folder))
    }

    fn configuration(self, folder: &Folder) -> String {
        let mut settings = Vec::new();
        if self.transport == Transport::Tls {
            let (cert, key) = (folder.certificate(), folder.certificate_key());
            settings.push(format!("tls: {{ cert: {}, key: {} }}", cert.display(), key.display()));
        }
        if self.kind == Kind::Uncached {
            // The least that there is; it holds some 2,700 of these tokens.
            settings.push("token_cache: 1MiB".to_owned());
        }
        format!("{}server: {{ {} }}\n", self.response.configuration(), settings.join(", "))
    }

    /// Returns the load on a server that responds as expected.
    pub(crate) fn load(self, server: &Server, folder: &Folder, response: &Path, rounds: Rounds) -> Load {
        Load {
            server: server.address,
            pid: vec![server.pid()],
            warm_up: folder.warm_up(self.kind),
            requests: folder.requests(self.kind),
            response: Some(response.to_path_buf()),
            connections: self.connections,
            certificate: (self.transport == Transport::Tls).then(|| folder.certificate()),
            once: self.kind == Kind::Unknown,
            warm: rounds.warm,
            seconds: rounds.seconds,
            pace: self.pace,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, response: _, connections, transport, pace } = self;
        write!(f, "{kind}, {}, {connections} × {transport}, {pace}", self.response_name())
    }
}

impl Case {
    /// Returns the name of the response's shape.
    pub(crate) const fn response_name(&self) -> &'static str {
        match self.response {
            _ if !self.kind.is_allowed() => "denial",
            Response::Small => "small",
            Response::BiFrost => "BiFrost",
        }
    }
}

/// Returns half of a throughput, rounded down to hundreds.
pub(crate) fn half_of(capacity: f64) -> Pace {
    Pace::PerSecond((capacity / 200.0).floor().max(1.0) * 100.0)
}

/// Returns the CPU time of the servers for one check, in µs.
pub(crate) fn cost(sample: &Sample) -> f64 {
    sample.nanos.iter().sum::<u64>() as f64 / 1e3 / sample.checks as f64
}

/// Returns the checks per second.
pub(crate) fn rate(sample: &Sample) -> f64 {
    sample.checks as f64 / sample.seconds
}
