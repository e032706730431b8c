//! The fields of the messages that the checks examine (Envoy 1.40). A field that is not here is `unknown-field`: it may open what these
//! checks find closed.

/// The fields of a message, by what the checks make of them.
pub(super) struct Fields {
    /// No value of these opens anything.
    pub(super) harmless: &'static [&'static str],
    /// A check reads these.
    pub(super) examined: &'static [&'static str],
    /// These choose a route, a service or a path in a way that no check examines: `route-unclear`.
    pub(super) unclear: &'static [&'static str],
}

pub(super) const MANAGER: Fields = Fields {
    harmless: &[
        "access_log",
        "access_log_flush_interval",
        "access_log_options",
        "add_proxy_protocol_connection_state",
        "add_user_agent",
        "always_set_request_id_in_response",
        "append_local_overload",
        "append_x_forwarded_port",
        "codec_type",
        "delayed_close_timeout",
        "drain_timeout",
        "drain_timeout_jitter",
        "flush_access_log_on_new_request",
        "generate_request_id",
        "http1_safe_max_connection_duration",
        "http2_protocol_options",
        "http3_protocol_options",
        "http_protocol_options",
        "internal_address_config",
        "local_reply_config",
        "max_request_headers_kb",
        "original_ip_detection_extensions",
        "path_with_escaped_slashes_action",
        "preserve_external_request_id",
        "proxy_100_continue",
        "proxy_status_config",
        "represent_ipv4_remote_address_as_ipv4_mapped_ipv6",
        "request_headers_timeout",
        "request_id_extension",
        "request_timeout",
        "scheme_header_transformation",
        "server_header_transformation",
        "server_name",
        "set_current_client_cert_details",
        "skip_xff_append",
        "stat_prefix",
        "stream_error_on_invalid_http_message",
        "stream_flush_timeout",
        "stream_idle_timeout",
        "strip_any_host_port",
        "strip_matching_host_port",
        "strip_trailing_host_dot",
        "tracing",
        "typed_header_validation_config",
        "via",
    ],
    examined: &[
        "early_header_mutation_extensions",
        "common_http_protocol_options",
        "forward_client_cert_details",
        "http_filters",
        "merge_slashes",
        "normalize_path",
        "rds",
        "route_config",
        "scoped_routes",
        "upgrade_configs",
        "use_remote_address",
        "xff_num_trusted_hops",
    ],
    unclear: &["path_normalization_options"],
};

pub(super) const HTTP_FILTER: Fields = Fields {
    harmless: &["is_optional"],
    examined: &["name", "typed_config", "config_discovery", "disabled"],
    unclear: &[],
};

pub(super) const EXT_AUTHZ: Fields = Fields {
    harmless: &[
        "bootstrap_metadata_labels_key",
        "charge_cluster_response_stats",
        "emit_client_span",
        "emit_filter_state_stats",
        "enable_dynamic_metadata_ingestion",
        "encode_raw_headers",
        "enforce_response_header_limits",
        "failure_mode_allow_header_add",
        "filter_metadata",
        "include_tls_session",
        "max_denied_response_body_bytes",
        "metadata_context_namespaces",
        "route_metadata_context_namespaces",
        "route_typed_metadata_context_namespaces",
        "stat_prefix",
        "typed_metadata_context_namespaces",
        "validate_mutations",
    ],
    examined: &[
        "allowed_headers",
        "clear_route_cache",
        "decoder_header_mutation_rules",
        "deny_at_disable",
        "disallowed_headers",
        "failure_mode_allow",
        "filter_enabled",
        "filter_enabled_metadata",
        "grpc_service",
        "http_service",
        "include_peer_certificate",
        "shadow_mode",
        "status_on_error",
        "transport_api_version",
        "with_request_body",
    ],
    unclear: &[],
};

pub(super) const PER_ROUTE: Fields = Fields { harmless: &[], examined: &["disabled", "check_settings"], unclear: &[] };

pub(super) const CHECK_SETTINGS: Fields = Fields {
    harmless: &["context_extensions", "emit_client_span"],
    examined: &["disable_request_body_buffering", "with_request_body", "grpc_service", "http_service"],
    unclear: &[],
};

pub(super) const ROUTE_CONFIGURATION: Fields = Fields {
    harmless: &[
        "cluster_specifier_plugins",
        "ignore_path_parameters_in_path_matching",
        "ignore_port_in_host_matching",
        "internal_only_headers",
        "max_direct_response_body_size_bytes",
        "metadata",
        "most_specific_header_mutations_wins",
        "name",
        "response_headers_to_add",
        "response_headers_to_remove",
        "validate_clusters",
    ],
    examined: &[
        "request_headers_to_add",
        "request_headers_to_remove",
        "request_mirror_policies",
        "typed_per_filter_config",
        "vhds",
        "vhost_header",
        "virtual_hosts",
    ],
    unclear: &[],
};

pub(super) const VIRTUAL_HOST: Fields = Fields {
    harmless: &[
        "cors",
        "domains",
        "hedge_policy",
        "include_attempt_count_in_response",
        "include_is_timeout_retry_header",
        "include_request_attempt_count",
        "metadata",
        "per_request_buffer_limit_bytes",
        "rate_limits",
        "request_body_buffer_limit",
        "require_tls",
        "response_headers_to_add",
        "response_headers_to_remove",
        "retry_policy",
        "retry_policy_typed_config",
        "virtual_clusters",
    ],
    examined: &[
        "matcher",
        "name",
        "request_headers_to_add",
        "request_headers_to_remove",
        "request_mirror_policies",
        "routes",
        "typed_per_filter_config",
    ],
    unclear: &[],
};

pub(super) const ROUTE: Fields = Fields {
    harmless: &[
        "decorator",
        "direct_response",
        "metadata",
        "non_forwarding_action",
        "per_request_buffer_limit_bytes",
        "redirect",
        "request_body_buffer_limit",
        "response_headers_to_add",
        "response_headers_to_remove",
        "stat_prefix",
        "tracing",
    ],
    examined: &[
        "match",
        "name",
        "request_headers_to_add",
        "request_headers_to_remove",
        "route",
        "typed_per_filter_config",
    ],
    unclear: &["filter_action"],
};

pub(super) const ROUTE_MATCH: Fields = Fields {
    harmless: &["dynamic_metadata", "filter_state", "grpc", "path_separated_prefix", "runtime_fraction", "tls_context"],
    examined: &["case_sensitive", "path", "prefix", "safe_regex", "headers", "query_parameters", "cookies"],
    unclear: &["connect_matcher", "path_match_policy"],
};

pub(super) const ROUTE_ACTION: Fields = Fields {
    harmless: &[
        "append_x_forwarded_host",
        "auto_host_rewrite",
        "cluster_not_found_response_code",
        "cors",
        "early_data_policy",
        "flush_timeout",
        "grpc_timeout_offset",
        "hash_policy",
        "hedge_policy",
        "host_rewrite_literal",
        "idle_timeout",
        "include_vh_rate_limits",
        "internal_redirect_action",
        "internal_redirect_policy",
        "max_grpc_timeout",
        "max_internal_redirects",
        "max_stream_duration",
        "metadata_match",
        "priority",
        "rate_limits",
        "retry_policy",
        "retry_policy_typed_config",
        "timeout",
        "upgrade_configs",
    ],
    examined: &[
        "cluster",
        "cluster_header",
        "host_rewrite",
        "host_rewrite_header",
        "path_rewrite",
        "prefix_rewrite",
        "regex_rewrite",
        "request_mirror_policies",
        "weighted_clusters",
    ],
    unclear: &[
        "cluster_specifier_plugin",
        "inline_cluster_specifier_plugin",
        "host_rewrite_path_regex",
        "path_rewrite_policy",
    ],
};

pub(super) const WEIGHTED_CLUSTER: Fields = Fields {
    harmless: &[
        "host_rewrite_literal",
        "metadata_match",
        "response_headers_to_add",
        "response_headers_to_remove",
        "weight",
    ],
    examined: &[
        "cluster_header",
        "name",
        "request_headers_to_add",
        "request_headers_to_remove",
        "typed_per_filter_config",
    ],
    unclear: &[],
};
