"""`deploy/gateways/contour` with the real Contour, which drives a plain Envoy: the table of requests, and with which status it fails closed."""

import json

import central
import images
import programs
import requests
from failure import Failure, wait_until
from host import NODE

PROGRAMS = ["helm", "contour"]
FOLDER = images.ROOT / "deploy/gateways/contour"
XDS = 18001
ADMIN = 19001
# The port of Contour's listener for HTTP; its Service maps port 80 to it.
PORT = 8080


def start(run):
    """modgud, Contour and a plain Envoy with the bootstrap that Contour writes."""
    seen = central.start(run)
    version = programs.CONTOUR.rpartition("@")[2]
    crds = run.programs.modules() / f"github.com/projectcontour/contour@{version}/examples/contour/01-crds.yaml"
    run.cluster.kubectl("apply", "--server-side", "--filename", crds)
    run.cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename", crds)
    # Contour wants its service before it starts.
    run.cluster.apply(run.cluster.kustomize(FOLDER, {}), "--server-side")
    run.host.spawn(
        *("contour", run.programs.contour, "serve", "--kubeconfig", run.cluster.kubeconfig, "--config-path", FOLDER / "contour.yaml"),
        *("--insecure", "--xds-address", NODE, "--xds-port", str(XDS), "--disable-leader-election", "--debug-http-port", "16060"),
        *("--http-port", "18002", "--health-port", "18003", "--envoy-service-http-port", str(PORT)),
    )
    run.cluster.wait("Contour", 60, lambda: run.host.run("curl", "--fail", "--silent", "http://127.0.0.1:18003/healthz") or True, "contour")
    folder = run.folder / "contour"
    folder.mkdir()
    bootstrap = folder / "envoy.json"
    where = ("--xds-address", NODE, "--xds-port", str(XDS), "--admin-address", f"{folder}/admin.sock", "--resources-dir", f"{folder}/resources")
    run.host.run(run.programs.contour, "bootstrap", bootstrap, *where)
    options = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warn")
    run.host.spawn("contour-envoy", run.envoy, "--config-path", bootstrap, "--service-cluster", "contour", "--service-node", "envoy", *options)
    run.contour = f"http://{NODE}:{PORT}"
    central.serves(run, run.contour)
    return f"{seen}; Contour {version}"


def accepted(run):
    """Both objects are valid for Contour."""
    proxy = run.cluster.get(central.MODULES, "httpproxy", "api").get("status", {})
    if proxy.get("currentStatus") != "valid":
        raise Failure(f"the HTTPProxy is {proxy}")
    service = run.cluster.get(central.NAMESPACE, "extensionservice", "modgud").get("status", {})
    valid = [one for one in service.get("conditions", []) if one["type"] == "Valid" and one["status"] == "True"]
    if not valid:
        raise Failure(f"the ExtensionService is {service}")
    return "HTTPProxy and ExtensionService valid"


def table(run):
    return requests.ask_all(run, run.contour, prefix="/crm")


def fails_closed(run):
    return central.fails_closed(run, run.contour, expected=403, without=(403,))


def disabled_route(run):
    """A route that turns modgud off: a client's forged headers reach the module, and nothing of Contour removes them."""
    change = json.dumps([{"op": "add", "path": "/spec/routes/0/authPolicy", "value": {"disabled": True}}])
    run.cluster.kubectl("--namespace", central.MODULES, "patch", "httpproxy/api", "--type=json", f"--patch={change}")

    def body():
        headers = ("--header", f"host: {central.HOST}", "--header", f"x-core-user-uuid: {requests.FORGED}")
        status, text = run.cluster.http(f"{run.contour}/crm/", *headers)
        return text if status == 200 else None

    seen = json.loads(wait_until("the open route", 30, body, 0.1))["headers"]
    if seen.get("X-Core-User-Uuid") != [requests.FORGED]:
        raise Failure(f"docs/deploy/contour.md says that forged headers reach the module, which sees {seen}")
    return "as the page warns"


CHECKS = [
    ("Contour: modgud by its chart, Contour and its Envoy", start),
    ("deploy/gateways/contour is accepted", accepted),
    ("Contour: the table of requests", table),
    ("Contour: fails closed, with 403", fails_closed),
    ("Contour: an open route forwards forged headers", disabled_route),
]
