//! The codes of findings: a stable name, a kind, what happens in Envoy 1.40, and what to write instead. `docs/envoy-lint.md` has the
//! same table.

use std::fmt;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A request gets past modgud's decision, or a client forges what the service or modgud believes.
    Hole,
    /// Good requests fail, or clients get another response than modgud promises.
    Breaks,
    /// This file does not show whether there is a hole.
    Undecided,
}

impl Kind {
    /// Returns the word for it, in outputs and documentation.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hole => "hole",
            Self::Breaks => "breaks",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Defines the codes: each with its name, its kind, `left_out` if an omission causes it, `config` if it needs modgud's configuration, what
/// happens, and what to write instead.
macro_rules! codes {
    ($($variant:ident $name:literal $kind:ident $(($flag:ident))* : $happens:literal; $instead:literal)+) => {
        /// The code of a finding. Its name is public contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $happens] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns its stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns its kind.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ }
            }

            /// Returns what happens in Envoy.
            #[must_use]
            pub const fn happens(self) -> &'static str {
                match self { $(Self::$variant => $happens,)+ }
            }

            /// Returns what to write instead.
            #[must_use]
            pub const fn instead(self) -> &'static str {
                match self { $(Self::$variant => $instead,)+ }
            }

            /// Returns the marks of the table: `left_out` for an omission, `config` if the check needs modgud's configuration.
            const fn marks(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$(stringify!($flag),)*],)+ }
            }
        }
    };
}

codes! {
    NoExtAuthz "no-ext-authz" Hole (left_out):
        "requests reach the services without a check";
        "add the `ext_authz` filter before the router"
    ExtAuthzDisabled "ext-authz-disabled" Hole:
        "requests on these routes reach the service without a check";
        "remove it, and write a rule with `access: public` in modgud's configuration"
    UpgradeWithoutExtAuthz "upgrade-without-ext-authz" Hole:
        "requests for this upgrade use these filters only, and reach the service without a check";
        "remove `filters`, so that `http_filters` applies"
    FailOpen "fail-open" Hole:
        "while modgud does not answer, requests reach the service without a check";
        "write `failure_mode_allow: false`"
    FilterEnabled "filter-enabled" Hole:
        "the other requests reach the service without a check";
        "remove `filter_enabled`"
    FilterEnabledMetadata "filter-enabled-metadata" Hole:
        "requests without this metadata reach the service without a check";
        "remove `filter_enabled_metadata`"
    ShadowMode "shadow-mode" Hole:
        "Envoy ignores modgud's denials";
        "remove `shadow_mode`; modgud tries rules with `shadow: true`"
    CacheBefore "cache-before-ext-authz" Hole:
        "the cache asks the service itself, and answers without a check";
        "move it after `ext_authz`"
    AdminExposed "admin-exposed" Hole:
        "clients reach Envoy's admin interface, which can end the process";
        "remove the route, or match `/stats/prometheus` or `/ready` with `path`"
    PrefixWithoutSeparator "prefix-without-separator" Hole:
        "longer names match too, no rule below the prefix decides on them, and the service gets another path";
        "write `path_separated_prefix`"
    RouteIgnoresCase "route-ignores-case" Hole:
        "the route has other spellings of the path than modgud's rules";
        "remove `case_sensitive: false`; for a service that ignores case set `case: fold` in `modules`"
    ClusterByHeader "cluster-by-header" Hole:
        "the client chooses the service, its host or its path by a header, and modgud decides without it";
        "remove it, and write a fixed value, such as `cluster`"
    HeadersWithheld "headers-withheld" Hole:
        "modgud does not see headers that it must remove, or that a rule reads, so a denied request is allowed";
        "remove it; withhold cookies only, by `disallowed_headers`"
    EarlyRemoval "early-removal" Hole (left_out):
        "a client's identity headers reach the service wherever modgud does not decide or can't remove them";
        "copy `early_header_mutation_extensions` from `modgud envoy`"
    MutationsSkipped "mutations-skipped" Hole:
        "Envoy skips what these rules forbid, and the client's own header reaches the service";
        "copy `decoder_header_mutation_rules` from `modgud envoy`"
    IdentityOverwritten "identity-overwritten" Hole (config):
        "Envoy writes this header after modgud, so the service takes another caller or another request for the one that modgud decided on";
        "remove it; name the header in `upstream.headers` of modgud's configuration"
    ForwardedProto "forwarded-proto" Hole (left_out):
        "the client writes `x-forwarded-proto`, so rules that read `request.scheme` believe it";
        "write `use_remote_address: true`"
    ExternalAddress "external-address" Hole (left_out) (config):
        "the client writes `x-envoy-external-address`, and modgud believes it (`request.client: external`)";
        "write `use_remote_address: true`, and copy `early_header_mutation_extensions` from `modgud envoy`"
    ClientCertificateHeader "client-certificate-header" Hole:
        "the client's own `x-forwarded-client-cert` reaches the service";
        "write `SANITIZE` or `SANITIZE_SET`"
    NormalizePath "normalize-path" Breaks (left_out):
        "modgud answers 400 to paths such as `/a/./b` and `/%61`, which are good once they are normalized";
        "write `normalize_path: true`"
    MergeSlashes "merge-slashes" Breaks (left_out):
        "modgud answers 400 to paths with `//`";
        "write `merge_slashes: true`"
    MutationsRefused "mutations-refused" Breaks:
        "Envoy answers 500 to requests that modgud allows";
        "copy `decoder_header_mutation_rules` from `modgud envoy`"
    MutationsLost "mutations-lost" Breaks:
        "Envoy skips what these rules forbid, so the service does not get what modgud writes";
        "copy `decoder_header_mutation_rules` from `modgud envoy`"
    IdentityRemoved "identity-removed" Breaks (config):
        "Envoy removes this identity header after modgud, so the service does not get what modgud writes";
        "remove it"
    NoService "no-service" Breaks (left_out):
        "Envoy ends at the first request";
        "write `grpc_service` with modgud's cluster"
    ClusterMissing "cluster-missing" Breaks (left_out):
        "Envoy denies every request with `status_on_error`; `--mode validate` accepts it";
        "add the cluster of `modgud envoy`"
    ClusterHttp1 "cluster-http1" Breaks (left_out):
        "gRPC needs HTTP/2: Envoy denies every request with `status_on_error`";
        "write `explicit_http_config: { http2_protocol_options: {} }` in the cluster's HTTP options"
    ClusterTls "cluster-tls" Breaks (config):
        "one side uses TLS and the other does not: Envoy denies every request with `status_on_error`";
        "copy the cluster from `modgud envoy`"
    CircuitBreakers "circuit-breakers" Breaks (left_out) (config):
        "Envoy denies requests under load before modgud does";
        "set `max_requests` and `max_pending_requests` to `server.max_in_flight`"
    Timeout "timeout" Breaks (config):
        "Envoy gives up before modgud answers, and denies the request with `status_on_error`";
        "write a `timeout` above `server.deadline`"
    NoTimeout "no-timeout" Breaks:
        "a request waits for as long as modgud does not answer";
        "write a `timeout` above `server.deadline`"
    StatusOnError "status-on-error" Breaks (left_out):
        "without an answer from modgud the client gets this status, as if modgud had decided";
        "write `status_on_error: { code: ServiceUnavailable }`"
    DenyAtDisable "deny-at-disable" Breaks:
        "Envoy denies requests without asking modgud";
        "remove `filter_enabled`, `filter_enabled_metadata` and `deny_at_disable`"
    BodyTooLarge "body-too-large" Breaks (config):
        "a body within Envoy's limit makes a check above `server.max_message`, which modgud denies with 413";
        "lower `max_request_bytes`, or raise `server.max_message`"
    BodyWithheld "body-withheld" Breaks (left_out) (config):
        "modgud reads bodies, and denies requests whose body it does not have whole and as bytes";
        "write `with_request_body: { max_request_bytes: 65536, pack_as_bytes: true }`"
    PeerCertificate "peer-certificate" Breaks (left_out) (config):
        "modgud does not see the certificates to which tokens are bound (RFC 8705), and answers 401";
        "write `include_peer_certificate: true`"
    AfterRouter "ext-authz-after-router" Breaks:
        "Envoy does not start: the router must be the last filter";
        "move `ext_authz` before the router"
    TransportVersion "transport-version" Breaks:
        "Envoy does not start: version 2 is removed";
        "write `transport_api_version: V3`"
    FilterUndecided "filter-undecided" Undecided:
        "this filter can answer a request or change its headers, path or route";
        "review it, or remove it"
    NetworkFilter "network-filter" Undecided:
        "connections can pass this filter without a check of their requests";
        "review it, or use an HTTP connection manager"
    NotIncluded "not-included" Undecided (left_out):
        "this part comes from elsewhere";
        "name its file too, or lint the `config_dump` of a running Envoy"
    NoListener "no-listener" Undecided (left_out):
        "there is no HTTP connection manager to check";
        "name the file with the listeners too"
    RegexRoute "regex-route" Undecided:
        "an expression can match other paths than modgud's rules";
        "write `path_separated_prefix`"
    LongerNames "longer-names" Undecided:
        "longer names match too, and no rule below the prefix decides on them";
        "write `path_separated_prefix`, or rules for the longer names too"
    RouteUnclear "route-unclear" Undecided:
        "the route or its service is chosen in a way that is not examined here";
        "review it, or write `routes` with `cluster`"
    OtherService "other-service" Undecided:
        "another authorization service decides here";
        "review it, or use modgud's cluster; if it is modgud, name its address by `--modgud`"
    ServiceUnclear "service-unclear" Undecided:
        "this kind of authorization service is not examined here";
        "review it, or write `grpc_service` with `envoy_grpc`"
    RuntimeKey "runtime-key" Undecided:
        "the runtime, which the admin interface can change, turns the check off";
        "remove it"
    ClearRouteCache "clear-route-cache" Undecided:
        "Envoy selects the route again after modgud decided for the first one";
        "write `clear_route_cache: false`"
    TrustedHops "trusted-hops" Undecided:
        "`x-forwarded-proto` is the client's, unless each proxy in front overwrites it; `request.scheme` believes it";
        "set `request.scheme` to `https` or `http` in modgud's configuration"
    ExternalHops "external-hops" Undecided (config):
        "`x-envoy-external-address` comes from `x-forwarded-for`: a client that reaches this listener without the proxies in front writes it";
        "let only the proxies in front connect, and see that their number is right"
    PeerOfProxy "peer-of-proxy" Undecided (config):
        "modgud compares the address of the proxy in front, and not that of the client (`request.client: peer`)";
        "write `request.client: external` in modgud's configuration"
    Underscores "underscores" Undecided (left_out):
        "names that modgud does not know arrive in both spellings, `x-role` and `x_role`, and some services merge them";
        "write `headers_with_underscores_action: REJECT_REQUEST`"
    UnknownField "unknown-field" Undecided:
        "this field is newer than these checks, or misspelt";
        "review it"
    FieldTwice "field-twice" Undecided:
        "it is there twice, and Envoy uses either one";
        "remove one"
    Unreadable "unreadable" Undecided:
        "the value is not of the form that Envoy accepts";
        "correct it; `envoy --mode validate` names the form"
}

impl Code {
    /// Returns true if an omission causes it.
    #[must_use]
    pub fn is_left_out(self) -> bool {
        self.marks().contains(&"left_out")
    }

    /// Returns true if its check needs modgud's configuration.
    #[must_use]
    pub fn needs_config(self) -> bool {
        self.marks().contains(&"config")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
