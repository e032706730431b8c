"""`deploy/gateways/istio` with the real istiod, which drives a plain Envoy as its gateway: the table of requests, that it fails closed, and
what `%2f` becomes with each normalization."""

import json

import central
import images
import programs
import requests
import yaml
from failure import Failure, wait_until
from host import NODE

PROGRAMS = ["helm", "pilot-discovery"]
FOLDER = images.ROOT / "deploy/gateways/istio"
NAMESPACE = "istio-system"
XDS = 15010
ADMIN = 15009
# Above 1024, so that the example's own port 80 stays free for others.
PORT = 18080

# istiod without what its own agent and its webhooks bring: the Envoy here is a plain one.
ENVIRONMENT = {
    **{"PILOT_ENABLE_METADATA_EXCHANGE": "false", "PILOT_ENABLE_ALPN_FILTER": "false", "PILOT_ENABLE_AMBIENT": "false"},
    **{"ENABLE_CA_SERVER": "false", "PILOT_CERT_PROVIDER": "none", "VALIDATION_WEBHOOK_CONFIG_NAME": "", "INJECTION_WEBHOOK_CONFIG_NAME": ""},
    **{"POD_NAMESPACE": NAMESPACE, "POD_NAME": "istiod", "CLUSTER_ID": "Kubernetes", "PILOT_DEBOUNCE_AFTER": "50ms"},
}
# The same reason: filters and certificates of Istio's own proxy.
PLAIN = {"enableAutoMtls": False, "defaultProviders": {"metrics": []}}

BOOTSTRAP = {
    "node": {
        "id": f"router~{NODE}~gateway.{NAMESPACE}~{NAMESPACE}.svc.cluster.local",
        "cluster": f"gateway.{NAMESPACE}",
        "metadata": {"NAMESPACE": NAMESPACE, "CLUSTER_ID": "Kubernetes", "LABELS": {"istio": "ingressgateway"}, "ISTIO_VERSION": "1.32.0"},
    },
    "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN}}},
    # As in Istio's own bootstrap, which allows longer expressions than Envoy.
    "layered_runtime": {"layers": [{"name": "istio", "static_layer": {"re2.max_program_size.error_level": 32768}}]},
    "dynamic_resources": {
        "ads_config": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}]},
        "lds_config": {"ads": {}, "resource_api_version": "V3"},
        "cds_config": {"ads": {}, "resource_api_version": "V3"},
    },
    "static_resources": {
        "clusters": [
            {
                "name": "istiod",
                "type": "STATIC",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicit_http_config": {"http2_protocol_options": {}},
                    }
                },
                "load_assignment": {
                    "cluster_name": "istiod",
                    "endpoints": [
                        {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": NODE, "port_value": XDS}}}}]},
                    ],
                },
            }
        ]
    },
}


def mesh():
    """The mesh configuration of the sample."""
    return yaml.safe_load((FOLDER / "values.yaml").read_text())["meshConfig"]


def write_mesh(run, configuration):
    """Writes the file that istiod reads; a new one takes effect without a restart."""
    file = run.folder / "istio/mesh"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump(configuration | PLAIN))
    return file


def start(run):
    """modgud, istiod and a plain Envoy as the gateway."""
    seen = central.start(run)
    central.namespace(run, NAMESPACE)
    version = programs.ISTIO.rpartition("@")[2]
    crds = run.programs.modules() / f"istio.io/istio@{version}/manifests/charts/base/files/crd-all.gen.yaml"
    run.cluster.kubectl("apply", "--server-side", "--filename", crds)
    run.cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename", crds)
    run.host.spawn(
        *("istiod", "env", *(f"{name}={value}" for name, value in ENVIRONMENT.items())),
        *(run.programs.pilot_discovery, "discovery", "--kubeconfig", run.cluster.kubeconfig, "--meshConfig", write_mesh(run, mesh())),
        *("--grpcAddr", f":{XDS}", "--secureGRPCAddr=", "--httpAddr", ":15085", "--httpsAddr=", "--monitoringAddr", ":15014"),
    )
    run.cluster.wait("istiod", 60, lambda: run.host.run("curl", "--fail", "--silent", "http://127.0.0.1:15085/ready") or True, "istiod")
    bootstrap = run.folder / "istio/envoy.json"
    bootstrap.write_text(json.dumps(BOOTSTRAP))
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warn")
    run.host.spawn("istio-envoy", run.envoy, "--config-path", bootstrap, *options)
    return f"{seen}; istiod, and an Envoy of its gateway"


def apply(run):
    """The kustomization; its gateway listens on a port that a process of the node may have."""
    port = {"target": {"kind": "Gateway"}, "patch": json.dumps([{"op": "replace", "path": "/spec/servers/0/port/number", "value": PORT}])}
    run.cluster.apply(run.cluster.kustomize(FOLDER, {}, [port]), "--server-side")
    run.istio = f"http://{NODE}:{PORT}"
    central.serves(run, run.istio)
    return effective(run)


def effective(run):
    """That Envoy has what the EnvoyFilter sets: a filter that matches nothing has no condition that would say so."""
    dump = run.host.run("curl", "--silent", f"http://127.0.0.1:{ADMIN}/config_dump?resource=dynamic_listeners")
    wanted = ["encode_raw_headers", "validate_mutations", "disallow_is_error", "remove_on_match", '"code": "ServiceUnavailable"']
    missing = [word for word in wanted if word not in dump]
    if missing or '"failure_mode_allow": true' in dump:
        raise Failure(f"Envoy's configuration is not what the sample says; missing: {missing}")
    return "Envoy has the mutation rules, raw headers and early removal"


def table(run):
    return requests.ask_all(run, run.istio)


def fails_closed(run):
    return central.fails_closed(run, run.istio)


def normalizations(run):
    """What becomes of `%2f` without the settings of Istio 1.32, for each normalization. modgud's own denial has a text, Envoy's has none."""
    options = ("--path-as-is", "--header", f"host: {central.HOST}", "--header", f"authorization: JWT {run.token}")

    def answer():
        status, body = run.cluster.http(f"{run.istio}/crm/a%2fb/", *options)
        if status == 200:
            return f"200, the module sees {json.loads(body)['path']}"
        return f"{status} from {'modgud' if 'detail' in body else 'Envoy'}"

    seen = [f"as in the sample: {answer()}"]
    for name, expected in (("MERGE_SLASHES", "400 from modgud"), ("DECODE_AND_MERGE_SLASHES", "200, the module sees /a/b/")):
        configuration = mesh()
        del configuration["defaultConfig"]
        configuration["pathNormalization"]["normalization"] = name
        write_mesh(run, configuration)
        wait_until(f"{name}: {expected} ({answer()})", 30, lambda expected=expected: answer() == expected)
        seen.append(f"{name} alone: {expected}")
    write_mesh(run, mesh())
    wait_until("the mesh configuration of the sample is back", 30, lambda: answer() == "400 from Envoy")
    return "; ".join(seen)


def policy(run, operation):
    """Changes the AuthorizationPolicy."""
    run.cluster.kubectl("--namespace", NAMESPACE, "patch", "authorizationpolicy/modgud", "--type=json", f"--patch={json.dumps([operation])}")


def open_path(run):
    """Rules of the policy that leave out a path, against which the sample warns: modgud is not asked there."""
    rules = [{"to": [{"operation": {"notPaths": ["/crm/open/*"]}}]}]
    policy(run, {"op": "replace", "path": "/spec/rules", "value": rules})
    return requests.ask_open(run, run.istio, "/crm/open/", "/open/")


def unknown_provider(run):
    """A policy whose provider the mesh does not know denies every request."""
    policy(run, {"op": "replace", "path": "/spec/provider/name", "value": "modgut"})
    wait_until("a denial", 30, lambda: central.status(run, run.istio) == 403, 0.1)
    found = central.status(run, run.istio, "/crm/public/")
    if found != 403:
        raise Failure(f"with an unknown provider a public path is answered with {found}")
    return "403 for every request"


CHECKS = [
    ("Istio: modgud by its chart, istiod and its gateway", start),
    ("deploy/gateways/istio is in effect", apply),
    ("Istio: the table of requests", table),
    ("Istio: fails closed", fails_closed),
    ("Istio: %2f by normalization", normalizations),
    ("Istio: a path without modgud", open_path),
    ("Istio: an unknown provider denies", unknown_provider),
]
