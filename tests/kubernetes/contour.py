"""`deploy/gateways/contour` with the real Contour, which drives a plain Envoy: the table of requests, with which status it fails closed, and that
the API server rejects what Contour would forward without modgud."""

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
# Its listener for HTTPS. Each kind of route has a host of its own, which one certificate names.
SECURE_PORT = 8443
TLS_HOST = "tls.example.com"
INGRESS_HOST = "ingress.example.com"
TCP_HOST = "tcp.example.com"
DISABLED_HOST = "disabled.example.com"
BINDINGS = [f"validatingadmissionpolicybinding/modgud-contour-{kind}" for kind in ("httpproxies", "ingresses", "gateways")]


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
        *("--envoy-service-https-port", str(SECURE_PORT)),
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


def proxy(name, host, route=(), virtualhost=(), **spec):
    """An HTTPProxy with TLS, to the module."""
    routes = [{"conditions": [{"prefix": "/crm/"}], "services": [{"name": "crm", "port": 8080}], **dict(route)}]
    secure = {"fqdn": host, "tls": {"secretName": "tls"}, **dict(virtualhost)}
    spec = spec or {"routes": routes}
    return {"apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": {"name": name}, "spec": {"virtualhost": secure, **spec}}


def ingress(name, host, tls=True, annotations=(), **spec):
    """An Ingress to the module."""
    backend = {"service": {"name": "crm", "port": {"number": 8080}}}
    rule = {"host": host, "http": {"paths": [{"path": "/crm", "pathType": "Prefix", "backend": backend}]}}
    spec |= {"rules": [rule]} | ({"tls": [{"hosts": [host], "secretName": "tls"}]} if tls else {})
    metadata = {"name": name, "annotations": dict(annotations)}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def gateway(name, protocol, group="contour"):
    """A Gateway of a class."""
    listener = {"name": "one", "port": 443, "protocol": protocol}
    if protocol == "HTTPS":
        listener["tls"] = {"certificateRefs": [{"name": "tls"}]}
    spec = {"gatewayClassName": group, "listeners": [listener]}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": name}, "spec": spec}


CLASS, OLD_CLASS = "projectcontour.io/ingress.class", "kubernetes.io/ingress.class"
TCP = {"services": [{"name": "crm", "port": 8080}]}
OTHER_SERVER = {"authorization": {"extensionRef": {"name": "mine", "namespace": "api"}}}
DISABLED = {"authPolicy": {"disabled": True}}

# What lets requests pass without modgud, and what the message of the API server says of it.
OPEN = [
    (ingress("tls", INGRESS_HOST), "an Ingress with `tls`"),
    (proxy("tcp", TCP_HOST, tcpproxy=TCP), "tcpproxy"),
    (proxy("route", TLS_HOST, route=DISABLED), "authPolicy.disabled"),
    (proxy("host", DISABLED_HOST, virtualhost={"authorization": DISABLED}), "virtualhost.authorization"),
]
REJECTED = [
    *OPEN,
    (ingress("class", INGRESS_HOST, ingressClassName="contour"), "an Ingress with `tls`"),
    (ingress("annotated", INGRESS_HOST, annotations={CLASS: "contour"}, ingressClassName="other"), "an Ingress with `tls`"),
    (ingress("old", INGRESS_HOST, annotations={OLD_CLASS: "contour"}), "an Ingress with `tls`"),
    (ingress("first", INGRESS_HOST, annotations={CLASS: "", OLD_CLASS: "other"}), "an Ingress with `tls`"),
    (proxy("server", TLS_HOST, virtualhost=OTHER_SERVER), "virtualhost.authorization"),
    (gateway("https", "HTTPS"), "protocol HTTP only"),
]
ALLOWED = [
    proxy("tls", TLS_HOST),
    proxy("context", TLS_HOST, route={"authPolicy": {"disabled": False, "context": {"a": "b"}}}),
    ingress("plain", INGRESS_HOST, tls=False),
    ingress("other", INGRESS_HOST, ingressClassName="other"),
    ingress("annotated", INGRESS_HOST, annotations={CLASS: "other"}, ingressClassName="contour"),
    ingress("old", INGRESS_HOST, annotations={OLD_CLASS: "other"}),
    gateway("http", "HTTP"),
    gateway("https", "HTTPS", "other"),
]


def create(run, *objects, dry_run=True):
    """Creates objects in the namespace of the module. A dry run, too, asks the API server for admission."""
    options = ["--dry-run=server"] if dry_run else []
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    return run.cluster.kubectl("--namespace", central.MODULES, "create", *options, "--filename=-", input=text)


def rejection(run, one):
    """What the API server says against an object, or nothing."""
    try:
        create(run, one)
    except Failure as failure:
        return str(failure)
    return ""


def rejected(run):
    """The API server rejects what lets requests pass without modgud, and nothing else."""
    version = programs.CONTOUR.rpartition("@")[2]
    if "gateways.gateway" not in run.cluster.kubectl("get", "crd", "--output=name"):
        crds = run.programs.modules() / f"github.com/projectcontour/contour@{version}/examples/gateway/00-crds.yaml"
        run.cluster.kubectl("apply", "--server-side", "--filename", crds)
        run.cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "--filename", crds)
    for one, words in REJECTED:
        what = f"{one['kind']} {one['metadata']['name']}"
        wait_until(f"the API server rejects {what}", 20, lambda one=one, words=words: words in rejection(run, one))
    create(run, *ALLOWED)
    for binding in BINDINGS:
        name = binding.partition("/")[2]

        def checked(name=name):
            return run.cluster.get("", "validatingadmissionpolicy", name).get("status", {}).get("typeChecking")

        wait_until(f"Kubernetes has checked the types of {name}", 20, lambda checked=checked: checked() is not None)
        if warnings := checked().get("expressionWarnings"):
            raise Failure(f"the policy {name} has warnings: {warnings}")
    return f"{len(REJECTED)} objects are rejected, {len(ALLOWED)} are not"


def certificate(run):
    """A Secret with a certificate for all hosts; curl trusts it, and finds each of them at the node."""
    folder = run.folder / "contour"
    key, chain = folder / "tls.key", folder / "tls.crt"
    names = ",".join(f"DNS:{host}" for host in (TLS_HOST, INGRESS_HOST, TCP_HOST, DISABLED_HOST))
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=test")
    run.host.run("openssl", *new, "-addext", f"subjectAltName={names}")
    run.cluster.kubectl("--namespace", central.MODULES, "create", "secret", "tls", "tls", f"--key={key}", f"--cert={chain}")
    run.cluster.curl = ["--cacert", chain, "--connect-to", f"::{NODE}:"]


def secure(host):
    """The URL of a host with TLS."""
    return f"https://{host}:{SECURE_PORT}"


def tls(run):
    """An HTTPProxy with TLS: modgud decides there, too, and Contour's Envoy fails closed."""
    certificate(run)
    create(run, proxy("tls", TLS_HOST), dry_run=False)
    central.serves(run, secure(TLS_HOST), TLS_HOST)
    seen = requests.ask_all(run, secure(TLS_HOST), prefix="/crm", host=TLS_HOST)
    central.signal_modgud(run, "STOP")
    try:
        found = central.status(run, secure(TLS_HOST), host=TLS_HOST)
    finally:
        central.signal_modgud(run, "CONT")
    if found != 403:
        raise Failure(f"modgud is frozen, and the host with TLS is answered with {found}")
    central.serves(run, secure(TLS_HOST), TLS_HOST)
    run.cluster.kubectl("--namespace", central.MODULES, "delete", "httpproxy/tls")
    return f"{seen}; {found} with a frozen modgud"


def forged_reaches(run, host):
    """Waits until a client without a token reaches the module, with a forged header, as docs/deploy/contour.md warns."""

    def body():
        status, text = run.cluster.http(f"{secure(host)}/crm/", "--header", f"x-core-user-uuid: {requests.FORGED}")
        return text if status == 200 else None

    seen = json.loads(wait_until(f"the open host {host}", 30, body, 0.1))["headers"]
    if seen.get("X-Core-User-Uuid") != [requests.FORGED]:
        raise Failure(f"docs/deploy/contour.md says that forged headers reach the module, which sees {seen}")


def without_policies(run):
    """Without the admission policies each of these opens a host. The command of the page finds them afterwards."""
    run.cluster.kubectl("delete", *BINDINGS)
    objects = [one for one, _ in OPEN]
    wait_until("the API server accepts them", 20, lambda: not any(rejection(run, one) for one in objects))
    create(run, *objects, dry_run=False)
    for host in (INGRESS_HOST, TCP_HOST, TLS_HOST, DISABLED_HOST):
        forged_reaches(run, host)
    run.cluster.apply((FOLDER / "admission.yaml").read_text(), "--server-side")
    return "4 open hosts, with forged headers; " + wait_until("the command of the page names them", 20, lambda: found_again(run, objects))


def found_again(run, objects):
    """The command of the page: the API server looks at what exists already."""
    kubectl = f"{run.programs.kubernetes} kubectl --kubeconfig={run.cluster.kubeconfig}"
    command = f"{kubectl} get ingress,httpproxy --all-namespaces --output=yaml | {kubectl} replace --dry-run=server --filename=- 2>&1 || true"
    said = run.host.run("bash", "-c", command)
    if said.count("denied request") != len(objects):
        raise Failure(f"not every open host is named: {said}")
    return f"{len(objects)} of them"


CHECKS = [
    ("Contour: modgud by its chart, Contour and its Envoy", start),
    ("deploy/gateways/contour is accepted", accepted),
    ("Contour: the table of requests", table),
    ("Contour: fails closed, with 403", fails_closed),
    ("Contour: the API server rejects what opens a host", rejected),
    ("Contour: an HTTPProxy with TLS", tls),
    ("Contour: without the admission policies hosts are open, to forged headers too", without_policies),
]
