//! Errors of a request that a proxy describes to modgud over HTTP (`server.http`), in headers of its own.

/// The reason why a proxy's description of a request is not believed, or why the proxy can't carry out the decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardedError {
    /// A header that the proxy must set is missing or empty.
    #[error("the header `{header}` is missing or empty; {proxy} has to set it to {value}")]
    Missing {
        /// The header, as the proxy writes it.
        header: &'static str,
        /// The proxy's name.
        proxy: &'static str,
        /// The value, for people.
        value: &'static str,
    },
    /// A header that the proxy must set occurs twice, or in a spelling that some servers take for it.
    #[error(
        "the header `{header}` occurs more than once, or in another spelling; {proxy} has to replace what the client sends"
    )]
    Repeated {
        /// The header, as the proxy writes it.
        header: &'static str,
        /// The proxy's name.
        proxy: &'static str,
    },
    /// A header that another kind of proxy sets.
    #[error(
        "the header `{header}` describes a request in another proxy's way, and `server.http.proxy` is `{proxy}`; remove it in {proxy} \
         from what clients send"
    )]
    OtherProxy {
        /// The header.
        header: &'static str,
        /// The proxy's name.
        proxy: &'static str,
    },
    /// The target of the request line has no path.
    #[error("the request line has no path; {proxy} has to send the path and query of the client's request")]
    Target {
        /// The proxy's name.
        proxy: &'static str,
    },
    /// A client header that modgud removes and the proxy would hand on.
    #[error(
        "the client's header `{header}` must not reach the service, and modgud can't remove it through {proxy}; remove it in {proxy} from \
         what clients send"
    )]
    NotRemovable {
        /// The header, in lower case, cut to a length for the log.
        header: Box<str>,
        /// The proxy's name.
        proxy: &'static str,
    },
    /// A credential in the query, which modgud removes and the proxy would hand on.
    #[error(
        "the credential is in the query, and modgud can't remove it through {proxy}; send it in a header or a cookie"
    )]
    QueryNotRemovable {
        /// The proxy's name.
        proxy: &'static str,
    },
    /// A client header that modgud leaves unchanged, and whose several values no response can give back.
    #[error(
        "the client's header `{header}` occurs more than once, and modgud can't leave it unchanged through {proxy}"
    )]
    NotReturnable {
        /// The header, in lower case.
        header: Box<str>,
        /// The proxy's name.
        proxy: &'static str,
    },
}
