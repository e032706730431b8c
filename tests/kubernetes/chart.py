"""`deploy/helm/modgud`: a central modgud, behind a plain Envoy in another namespace, installed, tested, upgraded and rolled back under load."""

import json
import re

import images
from failure import Failure, wait_until
from images import ROOT
from load import Load, replaced_without_loss

PROGRAMS = ["helm"]
CHART = ROOT / "deploy/helm/modgud"
NAMESPACE, RELEASE, SERVICE = "auth", "central", "central-modgud"
SELECTOR = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=authorization"
EDGE = "edge"

CONFIG = {
    "profile": "bifrost",
    "authenticators": [{
        "name": "bifrost",
        "from": [{"header": "authorization", "schemes": ["JWT", "Bearer"]}],
        "jwt": {
            "issuer": "bifrost",
            "algorithms": ["RS256"],
            "keys": [{"pem": {"file": "/etc/modgud/keys/bifrost.pub.pem"}}],
            "require": ["core_user_uuid", "username"],
        },
    }],
    "modules": [{"name": "crm", "prefix": "/crm", "upstream": "127.0.0.1:8080"}],
}


def values(run, **more):
    """A file of values for this cluster."""
    repository, _, tag = images.MODGUD.rpartition(":")
    chosen = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "config": CONFIG,
        "keys": [{"secret": {"name": "modgud-keys"}}],
        **more,
    }
    file = run.folder / "values.json"
    file.write_text(json.dumps(chosen))
    return file


def restricted(run, namespace):
    """A namespace with PodSecurity `restricted`."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    run.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}))


def install(run):
    """Helm installs the chart into a namespace with PodSecurity `restricted`."""
    restricted(run, NAMESPACE)
    key = f"--from-file=bifrost.pub.pem={run.key[1]}"
    run.cluster.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", "modgud-keys", key)
    run.cluster.helm("install", RELEASE, CHART, "--namespace", NAMESPACE, "--values", values(run), "--wait", "--timeout", "60s")
    service = run.cluster.get(NAMESPACE, "service", SERVICE)
    if service["spec"]["clusterIP"] != "None":
        raise Failure("the Service has one address for all pods: gRPC would stay with one of them")
    return "2 pods, headless Service"


def tested(run):
    """`helm test` sends a check."""
    said = run.cluster.helm("test", RELEASE, "--namespace", NAMESPACE, "--timeout", "60s", "--logs")
    if "Succeeded" not in said:
        raise Failure(said)
    return "Succeeded"


def container(name, image, *args, **more):
    """A container that PodSecurity `restricted` admits."""
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"name": name, "image": image, "imagePullPolicy": "Never", "args": list(args), "securityContext": secure, **more}


def gateway(run):
    """A plain Envoy, with what `modgud envoy` writes for a modgud elsewhere, and the module beside it."""
    restricted(run, EDGE)
    config = run.folder / "edge.json"
    config.write_text(json.dumps(CONFIG | {"server": {"grpc": "0.0.0.0:9191", "insecure_plaintext": True}}))
    modgud = f"{SERVICE}.{NAMESPACE}.svc.cluster.local:9191"
    written = run.command("envoy", "--config", config, "--modgud", modgud, "--listen", "0.0.0.0:8000")
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            container(
                *("envoy", images.ENVOY, "--config-path", "/etc/envoy/envoy.yaml", "--log-level", "warn", "--concurrency", "1"),
                volumeMounts=[{"name": "envoy", "mountPath": "/etc/envoy"}],
                readinessProbe={"tcpSocket": {"port": 8000}, "periodSeconds": 1},
            ),
            container("module", images.MODULE, readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}),
        ],
        "volumes": [{"name": "envoy", "configMap": {"name": "envoy"}}],
    }
    labels = {"app": "edge"}
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "envoy"}, "data": {"envoy.yaml": written}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "edge"}, "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "edge"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
        },
    ]
    run.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), "--namespace", EDGE)
    run.cluster.rolled_out(EDGE, "edge")
    wait_until("the Service leads to the pod", 20, lambda: run.cluster.http(url(run))[0] != 0)
    for options, expected in ((with_token(run), 200), ([], 401)):
        status, body = run.cluster.http(url(run), *options)
        if status != expected:
            raise Failure(f"{status} instead of {expected}: {body}")
    for _ in range(20):
        run.cluster.http(url(run), *with_token(run))
    if idle := [pod["metadata"]["name"] for pod in modguds(run) if not served(run, pod)]:
        raise Failure(f"Envoy does not spread the checks: {idle} got none")
    return "200 with a token, 401 without; Envoy asks both pods"


def with_token(run):
    """curl's options for a request with a token of BiFrost."""
    return ["--header", f"Authorization: JWT {run.token}"]


def url(run):
    """The address of the plain Envoy."""
    return f"http://{run.cluster.address(EDGE, 'edge')}/crm/items/"


def modguds(run):
    """The pods of the release that serve, without that of `helm test`."""
    return [pod for pod in run.cluster.get(NAMESPACE, "pods", f"--selector={SELECTOR}")["items"] if "deletionTimestamp" not in pod["metadata"]]


def served(run, pod):
    """True if a modgud has allowed a request: its metrics count it."""
    metrics = run.cluster.http(f"http://{pod['status']['podIP']}:9192/metrics")[1]
    return re.search(r'^modgud_checks_total\{decision="allowed"[^}]*\} [1-9]', metrics, re.MULTILINE)


def under_load(run, change):
    """Replaces all pods of the release at 200 requests/s. None may be lost."""
    loads = {"kept": Load(run, url(run), with_token(run), rate=200)}
    return replaced_without_loss(run, loads, NAMESPACE, SELECTOR, change)


def upgraded(run):
    """`helm upgrade` to another image replaces both pods."""
    tag = images.MODGUD_NEXT.rpartition(":")[2]

    def change():
        more = ["--values", values(run), "--set-string", f"image.tag={tag}"]
        run.cluster.helm("upgrade", RELEASE, CHART, "--namespace", NAMESPACE, *more, "--wait", "--timeout", "90s")

    seen = under_load(run, change)
    return f"{seen}; {images_of(run, images.MODGUD_NEXT)}"


def rolled_back(run):
    """`helm rollback` brings the first image back."""
    seen = under_load(run, lambda: run.cluster.helm("rollback", RELEASE, "1", "--namespace", NAMESPACE, "--wait", "--timeout", "90s"))
    return f"{seen}; {images_of(run, images.MODGUD)}"


def images_of(run, expected):
    """Checks which image the release's pods have."""
    deployment = run.cluster.get(NAMESPACE, "deployment", SERVICE)
    (image,) = [one["image"] for one in deployment["spec"]["template"]["spec"]["containers"]]
    if image != expected:
        raise Failure(f"the pods have {image}")
    return image


def reconfigured(run):
    """`helm upgrade` with another configuration serves without new pods."""
    before = sorted(pod["metadata"]["uid"] for pod in modguds(run))
    rule = {"name": "opened", "match": {"paths": ["/crm/opened/{*rest}"]}, "access": "public"}
    file = values(run, config=CONFIG | {"rules": [rule]})
    run.cluster.helm("upgrade", RELEASE, CHART, "--namespace", NAMESPACE, "--values", file, "--wait", "--timeout", "60s")
    address = url(run).replace("/items/", "/opened/")
    wait_until("the new rule serves", 60, lambda: all(run.cluster.http(address)[0] == 200 for _ in range(10)))
    if before != sorted(pod["metadata"]["uid"] for pod in modguds(run)):
        raise Failure("the pods were replaced")
    return "a new rule serves; the pods are the same"


CHECKS = [
    ("helm install", install),
    ("helm test", tested),
    ("a plain Envoy in front of it", gateway),
    ("helm upgrade to another image at 200 requests/s", upgraded),
    ("helm rollback at 200 requests/s", rolled_back),
    ("helm upgrade with another configuration", reconfigured),
]
