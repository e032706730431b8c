"""`deploy/gateways/envoy-gateway` with the real Envoy Gateway, installed by its own chart: the table of requests, that it fails closed, and
that a patch that does not apply is visible."""

import json
import shutil

import central
import images
import oci_image
import programs
import requests
from failure import Failure, wait_until
from host import NODE

PROGRAMS = ["helm", "envoy-gateway"]
FOLDER = images.ROOT / "deploy/gateways/envoy-gateway"
NAMESPACE = "envoy-gateway-system"
LOGGED = "/crm/logged/"
API = central.MODULES

# The controller is a pod, which reaches the API server by its Service. A real API server writes this object itself.
API_SERVER = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "addressType": "IPv4",
    "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    "endpoints": [{"addresses": [NODE], "conditions": {"ready": True}}],
}

# The image of this node, and a small pod: the node is a part of one machine.
SMALL = {
    "target": {"kind": "EnvoyProxy"},
    "patch": json.dumps(
        [
            {
                "op": "add",
                "path": "/spec/provider/kubernetes",
                "value": {
                    "envoyService": {"type": "ClusterIP"},
                    "envoyDeployment": {
                        "replicas": 1,
                        "container": {"image": images.ENVOY, "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}},
                    },
                },
            },
            {"op": "add", "path": "/spec/concurrency", "value": 1},
        ]
    ),
}


def start(run):
    """The controller, from the chart in its module's sources."""
    central.install(run)
    run.cluster.apply(json.dumps(API_SERVER))
    image = run.folder / "images/envoy-gateway.tar"
    oci_image.write_program(image, images.ENVOY_GATEWAY, run.programs.envoy_gateway, "/usr/local/bin/envoy-gateway", level=1)
    run.cluster.load(image)
    chart = run.folder / "envoy-gateway"
    source = run.programs.modules() / f"github.com/envoyproxy/gateway@{programs.ENVOY_GATEWAY_VERSION}/charts/gateway-helm"
    shutil.copytree(source, chart)
    for folder in [chart, *(path for path in chart.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    # A release of the chart has these two filled in.
    template = (chart / "values.tmpl.yaml").read_text()
    filled = template.replace("${GatewayImage}", images.ENVOY_GATEWAY).replace("${GatewayImagePullPolicy}", "IfNotPresent")
    (chart / "values.yaml").write_text(filled)
    options = {
        "config.envoyGateway.extensionApis.enableEnvoyPatchPolicy": "true",
        "deployment.envoyGateway.resources.requests.cpu": "20m",
    }
    sets = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    try:
        run.cluster.helm("install", "eg", chart, "--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout=120s", *sets, seconds=150)
    except Failure as failure:
        said = run.cluster.kubectl("--namespace", NAMESPACE, "logs", "--selector=app in (certgen, envoy-gateway)", "--tail=10", "--prefix")
        raise Failure(f"{failure}\n{said}") from None
    return f"{central.start(run)}; Envoy Gateway {programs.ENVOY_GATEWAY_VERSION}"


def apply(run):
    """The kustomization, and that each policy says that it is accepted."""
    run.cluster.apply(run.cluster.kustomize(FOLDER, {}, [SMALL]), "--server-side")
    try:
        # The commands of the page.
        run.cluster.kubectl("--namespace", API, "wait", "gateway/api", "--for=condition=Programmed", "--timeout=60s", seconds=70)
        for name in ("Accepted", "Programmed"):
            path = f'{{.status.ancestors[0].conditions[?(@.type=="{name}")].status}}'
            run.cluster.kubectl("--namespace", API, "wait", "envoypatchpolicy/modgud", f"--for=jsonpath={path}=True", "--timeout=30s")
    except Failure as failure:
        raise Failure(f"{failure}\n{pods(run)}") from None
    for kind in ("securitypolicy/modgud", "clienttrafficpolicy/api"):
        found = condition(run, kind, "Accepted")
        if found[0] != "True":
            raise Failure(f"{kind} is not accepted: {found}")
    run.gateway = f"http://{address(run)}"
    central.serves(run, run.gateway)
    return "Gateway and patch programmed, policies accepted"


def pods(run):
    """The pods of Envoy Gateway, and the last events, for a failure."""
    seen = run.cluster.kubectl("--namespace", NAMESPACE, "get", "pods", "--output=wide")
    events = run.cluster.kubectl("--namespace", NAMESPACE, "get", "events", "--sort-by=.lastTimestamp").splitlines()[-8:]
    logs = run.cluster.kubectl("--namespace", NAMESPACE, "logs", "--selector=app.kubernetes.io/component=proxy", "--container=envoy", "--tail=8")
    return "\n".join([seen, *events, logs])


def condition(run, name, kind):
    """Status and message of a condition, of a Gateway or of a policy."""
    status = run.cluster.get(API, name).get("status", {})
    conditions = status.get("conditions") or [one for ancestor in status.get("ancestors", []) for one in ancestor["conditions"]]
    found = next((one for one in conditions if one["type"] == kind), {})
    return found.get("status", ""), found.get("message", "")


def address(run):
    """The address of the Service of the Gateway's Envoys."""
    selector = "--selector=gateway.envoyproxy.io/owning-gateway-name=api"
    wait_until("the Gateway's Service", 30, lambda: run.cluster.get(NAMESPACE, "service", selector)["items"])
    return run.cluster.get(NAMESPACE, "service", selector)["items"][0]["spec"]["clusterIP"]


def table(run):
    run.cluster.http(f"{run.gateway}{LOGGED}?secret=1", "--header", f"host: {central.HOST}")
    return requests.ask_all(run, run.gateway)


def logged(run):
    """The access log of Envoy names modgud's reason of a denial. Envoy writes it every ten seconds."""

    def line():
        options = ("--selector=app.kubernetes.io/component=proxy", "--container=envoy", "--tail=2000")
        written = run.cluster.kubectl("--namespace", NAMESPACE, "logs", *options)
        return next((json.loads(one) for one in written.splitlines() if LOGGED in one), None)

    found = wait_until("a line in the access log", 20, line)
    if (found.get("decision"), found.get("reason"), found.get("path")) != ("denied", "credential_missing", LOGGED):
        raise Failure(f"the access log has {found}")
    return f"decision {found['decision']}, reason {found['reason']}"


def fails_closed(run):
    return central.fails_closed(run, run.gateway, without=(503, 500), meanwhile=without_endpoints)


def without_endpoints(run):
    """Without a ready pod Envoy Gateway rejects the policy, and replaces the routes by one that answers 500."""
    wait_until("the SecurityPolicy is rejected", 30, lambda: condition(run, "securitypolicy/modgud", "Accepted")[0] == "False")
    wait_until("500 from Envoy", 30, lambda: central.status(run, run.gateway) == 500)
    return "then 500, and the SecurityPolicy says " + repr(condition(run, "securitypolicy/modgud", "Accepted")[1])


def restarts(run):
    return central.restarts_unnoticed(run, run.gateway)


def open_route(run):
    """A SecurityPolicy for one route replaces that of the Gateway, as the page warns: modgud is not asked there."""
    route = run.cluster.get(API, "httproute", "crm")
    rules = route["spec"]["rules"]
    rules[0]["matches"][0]["path"]["value"] = "/open"
    reference = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "open"}
    objects = [
        {
            "apiVersion": route["apiVersion"],
            "kind": "HTTPRoute",
            "metadata": {"name": "open", "namespace": API},
            "spec": {"parentRefs": [{"name": "api"}], "rules": rules},
        },
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {"name": "open", "namespace": API},
            "spec": {"targetRefs": [reference], "cors": {"allowOrigins": ["https://app.example.com"]}},
        },
    ]
    run.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return requests.ask_open(run, run.gateway, "/open/", "/")


def filters(run):
    """As the command of the page: how many filters of Envoy call modgud, and how many have each patch."""
    deployment = run.cluster.kubectl(
        *("--namespace", NAMESPACE, "get", "deployment", "--selector=gateway.envoyproxy.io/owning-gateway-name=api", "--output=name")
    ).strip()
    kubectl = f"{run.programs.kubernetes} kubectl --kubeconfig={run.cluster.kubeconfig}"
    fetch = "curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1"
    dump = run.host.run(
        "bash",
        "-c",
        f"{kubectl} --namespace {NAMESPACE} port-forward {deployment} 19000 >/dev/null 2>&1 & "
        f"{fetch} 'http://127.0.0.1:19000/config_dump?resource=dynamic_listeners'; status=$?; kill $!; exit $status",
    )
    # Envoy lists replaced listeners, too, as long as it drains them.
    active = json.dumps([one.get("active_state") for one in json.loads(dump)["configs"]])
    return [active.count(words) for words in ('"name": "envoy.filters.http.ext_authz/', '"encode_raw_headers": true', '"validate_mutations": true')]


def new_listeners(run):
    """A listener on another port has no patches, which no condition says. One on the same port shares them, and patches can't name it."""
    if (found := filters(run)) != [1, 1, 1]:
        raise Failure(f"filters, and those with patches: {found}")
    listeners = [
        {"name": "other", "protocol": "HTTP", "port": 8080},
        {"name": "same", "protocol": "HTTP", "port": 80, "hostname": "same.example.com"},
    ]
    change = json.dumps([{"op": "add", "path": "/spec/listeners/-", "value": one} for one in listeners])
    run.cluster.kubectl("--namespace", API, "patch", "gateway/api", "--type=json", f"--patch={change}")
    central.serves(run, f"{run.gateway}:8080")
    central.serves(run, run.gateway, "same.example.com")
    wait_until("two filters, of which one has the patches", 20, lambda: filters(run) == [2, 1, 1])
    conditions = [condition(run, "envoypatchpolicy/modgud", name)[0] for name in ("Accepted", "Programmed")]
    if conditions != ["True", "True"]:
        raise Failure(f"docs/deploy/envoy-gateway.md says that no condition shows a port without patches, but they are {conditions}")
    # One patch of the four names the second listener of the port: it does not apply, and the others do.
    patch(run, {"op": "replace", "path": "/spec/jsonPatches/0/name", "value": "api/api/same"})
    wait_until("the policy reports the patch", 30, lambda: condition(run, "envoypatchpolicy/modgud", "Programmed")[0] == "False")
    wait_until("the other patches still apply", 20, lambda: filters(run) == [2, 0, 1])
    patch(run, {"op": "replace", "path": "/spec/jsonPatches/0/name", "value": "api/api/http"})
    wait_until("the policy is programmed again", 30, lambda: condition(run, "envoypatchpolicy/modgud", "Programmed")[0] == "True")
    return "another port: 1 of 2 filters patched, with Programmed=True; a second listener of a port: Programmed=False, the other patches apply"


def patch(run, *operations):
    """Changes the EnvoyPatchPolicy."""
    run.cluster.kubectl("--namespace", API, "patch", "envoypatchpolicy/modgud", "--type=json", f"--patch={json.dumps(operations)}")


def broken_patch(run):
    """A patch for a listener that does not exist: the Gateway goes on without it, modgud still decides, and the policy says so."""
    patch(run, *({"op": "replace", "path": f"/spec/jsonPatches/{number}/name", "value": "api/api/https"} for number in range(4)))
    wait_until("the policy reports the patch", 30, lambda: condition(run, "envoypatchpolicy/modgud", "Programmed")[0] == "False")
    message = condition(run, "envoypatchpolicy/modgud", "Programmed")[1]
    seen = requests.ask_all(run, run.gateway)
    central.signal_modgud(run, "STOP")
    try:
        found = central.status(run, run.gateway)
    finally:
        central.signal_modgud(run, "CONT")
    if found != 503:
        raise Failure(f"modgud is frozen, and the Gateway without the patch answers with {found}")
    central.serves(run, run.gateway)
    return f"Programmed=False ({message.partition(':')[0]}); still {seen}; frozen: {found}"


def missing_service(run):
    """A reference to a modgud that is not there: no request passes."""
    run.cluster.kubectl("--namespace", central.NAMESPACE, "delete", "referencegrant", "gateway-api")
    wait_until("no request passes", 30, lambda: central.status(run, run.gateway) != 200)
    found = {path: central.status(run, run.gateway, path) for path in ("/crm/", "/crm/public/")}
    if any(status < 500 for status in found.values()):
        raise Failure(f"without a ReferenceGrant the Gateway answers with {found}")
    accepted = condition(run, "securitypolicy/modgud", "Accepted")
    if accepted[0] != "False":
        raise Failure(f"the SecurityPolicy is accepted without the grant: {accepted}")
    return f"{sorted(set(found.values()))}, and Accepted=False"


CHECKS = [
    ("Envoy Gateway: modgud by its chart, and the controller", start),
    ("deploy/gateways/envoy-gateway is accepted", apply),
    ("Envoy Gateway: the table of requests", table),
    ("Envoy Gateway: fails closed", fails_closed),
    ("Envoy Gateway: the access log has modgud's reason", logged),
    ("Envoy Gateway: modgud restarts under load", restarts),
    ("Envoy Gateway: a route without modgud", open_route),
    ("Envoy Gateway: listeners without patches", new_listeners),
    ("Envoy Gateway: a patch that does not apply is visible, and modgud still decides", broken_patch),
    ("Envoy Gateway: without the ReferenceGrant no request passes", missing_service),
]
