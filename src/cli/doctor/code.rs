//! The codes of findings: a stable name, a severity, what it means, and what to do. `docs/doctor.md` has the same tables.

use std::fmt;

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Requests fail or get past modgud, or soon will.
    Problem,
    /// It works, and an operator should look at it.
    Warning,
    /// A part could not be examined.
    Undecided,
    /// Examined, and in order.
    Ok,
}

impl Severity {
    /// Returns the word for it, in outputs and documentation.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Undecided => "undecided",
            Self::Ok => "ok",
        }
    }

    /// Returns the mark before a line.
    pub(super) const fn mark(self) -> char {
        match self {
            Self::Problem => '✗',
            Self::Warning => '!',
            Self::Undecided => '?',
            Self::Ok => '✓',
        }
    }
}

/// Defines the codes: each with its name, its severity, what it means, and what to do.
macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident : $means:literal; $remedy:literal)+) => {
        /// The code of a finding. Its name is public contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code {
            $(#[doc = $means] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns its stable name.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns its severity.
            pub(super) const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// Returns what it means.
            pub(super) const fn means(self) -> &'static str {
                match self { $(Self::$variant => $means,)+ }
            }

            /// Returns what to do.
            pub(super) const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }
    };
}

codes! {
    ModgudUnreachable "modgud-unreachable" Problem:
        "no modgud answers at this address: it does not run, or it listens elsewhere";
        "start it, and read the last lines of its log; if it runs, name the address of `server.admin` by `--admin`"
    NotModgud "not-modgud" Problem:
        "another program answers at this address";
        "name the address of `server.admin` by `--admin`"
    NotReady "not-ready" Problem:
        "`/readyz` answers 503, so an orchestrator sends no traffic here";
        "`keys of NAME` waits for a provider: see its findings; `draining` means that modgud stops"
    GrpcUnreachable "grpc-unreachable" Problem:
        "Envoy gets no decision at this address, and denies every request with `status_on_error`";
        "compare the address, and `server.tls`, with `server.grpc`; with TLS use `--tls-ca`"
    HealthNotServing "health-not-serving" Problem:
        "Envoy's health check removes modgud from its cluster";
        "as for `not-ready`"
    ProbeAllowed "probe-allowed" Problem:
        "modgud allows this request without a credential, so each client may send it";
        "if that is meant, probe another path by `--path`; else find the rule by `modgud explain --path`"
    ProbeUnavailable "probe-unavailable" Problem:
        "modgud can't decide, and such requests get 503";
        "docs/reasons.md says what to do for the reason"
    ProbeFailed "probe-failed" Problem:
        "the answer is no decision, and Envoy denies such a request with `status_on_error`";
        "see that modgud listens at this address, and read its log"
    ReloadRejected "reload-rejected" Problem:
        "a changed configuration has an error: the last good one is still active";
        "correct the file: `modgud check` names each error; modgud then reads it without a restart"
    ConfigurationInvalid "configuration-invalid" Problem:
        "modgud does not read this file on a reload, and would not start with it";
        "correct it as the message says"
    ConfigurationDiffers "configuration-differs" Problem:
        "modgud runs with another configuration than this one";
        "read its log for a rejected reload; else give the options and the environment of `modgud serve` to this command too"
    KeysNone "keys-none" Problem:
        "every token of this issuer gets 503";
        "see whether the provider is reachable from modgud's machine, and what modgud's log says about it"
    ProviderFails "provider-fails" Problem:
        "the keys can't be fetched from here; modgud has the same trouble if it runs here";
        "correct the address, the network, or the certificate authorities (`ca`), or ask who runs the provider"
    IntrospectionPaused "introspection-paused" Problem:
        "the authorization server does not answer, so uncached tokens get 503";
        "see whether the server is reachable from modgud's machine, and what modgud's log says about it"
    IntrospectionFails "introspection-fails" Problem:
        "opaque tokens can't be introspected from here; modgud has the same trouble if it runs here";
        "correct the address, the client and its secret, the network, or the certificate authorities (`ca`)"
    IntrospectionAcceptsAll "introspection-accepts-all" Problem:
        "the server calls a random token active, so any text is a good token";
        "use the address of a real introspection endpoint (RFC 7662)"
    ClockOfModgud "clock-of-modgud" Problem:
        "modgud judges the times of tokens by another clock than this machine's";
        "synchronize the clocks of both machines (NTP)"
    ClockOfProvider "clock-of-provider" Problem:
        "the difference exceeds `leeway`: new tokens are rejected as not yet valid, or expired ones accepted";
        "synchronize modgud's machine (NTP), or ask who runs the provider; a larger `leeway` only helps for a while"
    CertificateExpired "certificate-expired" Problem:
        "clients that verify the certificate reject it";
        "replace the file; modgud reads it without a restart"
    UnavailableRising "unavailable-rising" Problem:
        "clients get 503 now, for these reasons";
        "docs/reasons.md says what to do for each"
    EnvoyUnreachable "envoy-unreachable" Problem:
        "no Envoy answers at this address: it does not run, or its admin interface is elsewhere";
        "start it, and read its log; if it runs, name the address of its `admin` by `--envoy-admin`"
    NotEnvoy "not-envoy" Problem:
        "another program answers at this address";
        "name the address of `admin` in Envoy's configuration by `--envoy-admin`"
    EnvoyHole "envoy-hole" Problem:
        "requests get past modgud, or clients forge an identity";
        "docs/envoy-lint.md explains each code"
    EnvoyBreaks "envoy-breaks" Problem:
        "good requests fail, or clients get another response than modgud promises";
        "docs/envoy-lint.md explains each code"
    ErrorsRising "ext-authz-error-rising" Problem:
        "Envoy gets no answer from modgud now: clients get `status_on_error`, or pass with `failure_mode_allow`";
        "see the findings about modgud, and about its cluster"
    InvalidRising "ext-authz-invalid-rising" Problem:
        "Envoy now refuses what modgud asks for, and answers 500";
        "copy `decoder_header_mutation_rules` from `modgud envoy`, and see the findings of `envoy-breaks`"
    AllowedRising "ext-authz-failure-mode-allowed-rising" Problem:
        "requests reach the services without a decision now";
        "write `failure_mode_allow: false` in Envoy's filter"
    DisabledRising "ext-authz-disabled-rising" Problem:
        "Envoy does not ask modgud about some requests now";
        "remove `filter_enabled` and `filter_enabled_metadata` from Envoy's filter, and runtime keys for it"
    ShadowRising "ext-authz-shadow-rising" Problem:
        "Envoy now ignores denials of modgud";
        "remove `shadow_mode` from Envoy's filter"
    ClusterUnhealthy "cluster-unhealthy" Problem:
        "Envoy sees no healthy modgud: clients get `status_on_error`, or pass with `failure_mode_allow`";
        "compare the cluster's address and TLS with `server.grpc`; see the findings about modgud"
    CircuitBreaker "circuit-breaker" Problem:
        "Envoy has too many requests to modgud in progress, and denies further ones itself";
        "see why modgud is slow; set `max_requests` and `max_pending_requests` to `server.max_in_flight`"

    VersionDiffers "version-differs" Warning:
        "this command knows the configuration and the metrics of its own version";
        "run the `modgud doctor` of the version that runs"
    Restarted "restarted" Warning:
        "modgud started again during the examination, and its counters began at 0";
        "read the end of its previous log, and why it was stopped"
    ProbeOpen "probe-open" Warning:
        "a rule opens this path, so the probe does not show that modgud asks for credentials";
        "name a path that needs a credential by `--path`"
    ProbeSlow "probe-slow" Warning:
        "the answer took longer than `server.deadline`: Envoy may give up before";
        "look for a busy machine, a limit of CPU, or a slow network"
    ConfigurationWarning "configuration-warning" Warning:
        "the configuration is valid, but risky";
        "correct it as the message says, or accept the risk; docs/configuration.md lists all warnings"
    KeysStale "keys-stale" Warning:
        "new keys of the provider are not known, and these keys are dropped after `stale_if_error`";
        "see whether the provider is reachable from modgud's machine, and what modgud's log says about it"
    KeyFetchesFail "key-fetches-fail" Warning:
        "modgud has failed to fetch these keys since it started, and may have recovered";
        "read modgud's log about this provider"
    IntrospectionsFail "introspections-fail" Warning:
        "some opaque tokens got 503 since modgud started, because their introspection failed or was left out";
        "read modgud's log about this server; for `not_asked_busy` raise `max_concurrent`"
    ClockOfEnvoy "clock-of-envoy" Warning:
        "times in Envoy's log can't be compared with those in modgud's, and Envoy judges certificates by its clock";
        "synchronize the clocks of both machines (NTP)"
    CertificateExpires "certificate-expires" Warning:
        "the certificate ends within 14 days";
        "replace the file in time; modgud reads it without a restart"
    ApiKeyExpires "api-key-expires" Warning:
        "the API key ends within 14 days";
        "give the client a new key in time"
    RevocationsRejected "revocations-rejected" Warning:
        "a changed list of revocations was rejected since modgud started: an older one may still be active";
        "compare the time of the active list with the file's; modgud's log has the error"
    Unavailable "unavailable" Warning:
        "clients got 503 since modgud started, for these reasons; not now";
        "docs/reasons.md says what to do for each"
    NearlyFull "nearly-full" Warning:
        "checks that wait for the network hold 80 % of `server.max_in_flight`; beyond it clients get 503";
        "see which provider or authorization server is slow"
    ConnectionsClosed "connections-closed" Warning:
        "modgud closes connections now, for these reasons";
        "docs/limits.md and docs/metrics.md explain each reason"
    LogLinesLost "log-lines-lost" Warning:
        "modgud's log is incomplete";
        "see why the reader of its log is slow or gone"
    FilesNearlyOut "files-nearly-out" Warning:
        "without free files modgud can accept no connection and fetch no keys";
        "raise the limit of open files (`RLIMIT_NOFILE`)"
    EnvoyNotLive "envoy-not-live" Warning:
        "Envoy starts, drains, or waits for its configuration";
        "wait, or read Envoy's log"
    Errors "ext-authz-error" Warning:
        "since it started, Envoy got no answer from modgud for some requests; not now";
        "compare the times with restarts of modgud; `server.drain` and `modgud drain` avoid errors of a rollout"
    Invalid "ext-authz-invalid" Warning:
        "since it started, Envoy refused what modgud asked for; not now";
        "see the findings of `envoy-breaks`"
    AllowedOnFailure "ext-authz-failure-mode-allowed" Warning:
        "since Envoy started, requests reached the services without a decision; not now";
        "write `failure_mode_allow: false` in Envoy's filter, and look into the access log"
    DisabledChecks "ext-authz-disabled" Warning:
        "since it started, Envoy did not ask modgud about some requests; not now";
        "remove `filter_enabled` and `filter_enabled_metadata` from Envoy's filter, and runtime keys for it"
    ShadowChecks "ext-authz-shadow" Warning:
        "since it started, Envoy ignored denials of modgud; not now";
        "remove `shadow_mode` from Envoy's filter"
    ClusterPartlyHealthy "cluster-partly-healthy" Warning:
        "Envoy sees some modgud that is not healthy, and sends it no request";
        "run `modgud doctor` on each"
    CallsFail "calls-fail" Warning:
        "some of Envoy's calls to modgud fail now";
        "see the findings about modgud; `upstream_rq_timeout` means that it answers too late"
    CircuitBreakerWasOpen "circuit-breaker-was-open" Warning:
        "since it started, Envoy denied requests itself because too many to modgud were in progress; not now";
        "set `max_requests` and `max_pending_requests` to `server.max_in_flight`"
    RuntimeOverridden "runtime-overridden" Warning:
        "runtime values of Envoy were changed by its admin interface, which can turn the filter off";
        "look at `/runtime` of Envoy's admin interface"

    NotExamined "not-examined" Undecided:
        "this part could not be examined, so it may have a problem";
        "correct the cause, and run the command again"
    KeysUnreadableHere "keys-unreadable-here" Undecided:
        "this command has other variables or files than modgud; introspection is not tried, and some warnings are missing";
        "run it where modgud runs, with its environment: in the same pod, or by the same service manager"
    ChecksElsewhere "checks-elsewhere" Undecided:
        "the modgud at `--admin` did not count the check that `--grpc` answered: these are two, and each was examined in part";
        "name both addresses of one modgud"
    ClockUnknown "clock-unknown" Undecided:
        "the responses have no `Date`, so the clock can't be compared";
        "compare it by hand"
    EnvoyUndecided "envoy-undecided" Undecided:
        "the configuration of Envoy does not show whether there is a hole";
        "docs/envoy-lint.md explains each code; review the part"

    Modgud "modgud" Ok: "modgud answers at its admin address"; ""
    Ready "ready" Ok: "`/readyz` answers 200"; ""
    Health "health" Ok: "the gRPC health service says `SERVING`, as Envoy's health check needs it"; ""
    Probe "probe" Ok: "a request without a credential is denied through gRPC, as Envoy would ask"; ""
    Configuration "configuration" Ok: "the configuration given is the active one"; ""
    Reload "reload" Ok: "the last loaded configuration was accepted"; ""
    Keys "keys" Ok: "modgud has usable keys of this provider"; ""
    Provider "provider" Ok: "the keys can be fetched from here"; ""
    Introspection "introspection" Ok: "modgud's circuit breaker for this server is closed"; ""
    IntrospectionServer "introspection-server" Ok: "the server calls a random token not active"; ""
    Clock "clock" Ok: "the clock differs by less than can be measured, or than `leeway`"; ""
    Certificates "certificates" Ok: "no certificate or API key ends within 14 days"; ""
    Checks "checks" Ok: "modgud could decide every check, and has room for more"; ""
    Log "log" Ok: "no log line was lost"; ""
    Envoy "envoy" Ok: "Envoy answers at its admin address, and is live"; ""
    EnvoyConfiguration "envoy-configuration" Ok: "`modgud envoy lint` has no finding about Envoy's active configuration"; ""
    ExtAuthz "ext-authz" Ok: "no counter of Envoy's filter shows a request without a decision"; ""
    Cluster "cluster" Ok: "every modgud of Envoy's cluster is healthy, and no circuit breaker is open"; ""
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Severity};
    use std::collections::BTreeSet;
    use std::path::Path;

    const HEADINGS: [(Severity, &str); 4] = [
        (Severity::Problem, "### Problems"),
        (Severity::Warning, "### Warnings"),
        (Severity::Undecided, "### Undecided"),
        (Severity::Ok, "### Ok"),
    ];

    #[test]
    fn the_page_has_the_codes_of_the_program() {
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md")).unwrap();
        for (severity, heading) in HEADINGS {
            let of_severity = Code::ALL.iter().filter(|code| code.severity() == severity);
            let expected: Vec<String> = of_severity
                .map(|code| match code.remedy() {
                    "" => format!("| `{code}` | {} |", code.means()),
                    remedy => format!("| `{code}` | {} | {remedy} |", code.means()),
                })
                .collect();
            let section = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
            let section = section.split_once("\n#").map_or(section, |(section, _)| section);
            let written: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
            assert!(written == expected, "the table below {heading} should be\n{}", expected.join("\n"));
        }
    }

    #[test]
    fn codes_are_unique_and_only_good_ones_need_nothing() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.remedy().is_empty(), code.severity() == Severity::Ok, "{code}");
        }
    }
}
