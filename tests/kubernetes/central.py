"""A central modgud by its chart, and a module: what all gateways have behind them. And what no gateway may do without modgud: let a request pass."""

import json
import pathlib
import time

import images
from failure import Failure, wait_until
from load import Load, replaced_without_loss

CHART = images.ROOT / "deploy/helm/modgud"
NAMESPACE = "modgud"
MODULES = "api"
HOST = "api.example.com"

# The profile's rule for the core service is repeated: a list replaces the profile's.
RULES = [
    {"name": "core-admin", "match": {"paths": ["/admin/{*rest}"]}, "access": "denied"},
    {"name": "crm-public", "match": {"paths": ["/crm/public/{*rest}"]}, "access": "public"},
]

MODULE = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "crm"},
        "spec": {"selector": {"app": "crm"}, "ports": [{"name": "http", "port": 8080}]},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "crm"},
        "spec": {
            "selector": {"matchLabels": {"app": "crm"}},
            "template": {
                "metadata": {"labels": {"app": "crm"}},
                "spec": {
                    "containers": [{"name": "module", "image": images.MODULE, "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}}]
                },
            },
        },
    },
]


def values():
    """The values of the chart."""
    repository, _, tag = images.MODGUD.rpartition(":")
    key = {"secretKeyRef": {"name": "bifrost", "key": "public"}}
    return {
        "image": {"repository": repository, "tag": tag},
        "config": {"profile": "bifrost", "rules": RULES},
        "env": [{"name": "JWT_PUBLIC_KEY_RSA_BIFROST", "valueFrom": key}],
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
        "readinessProbe": {"periodSeconds": 1},
        "minReadySeconds": 0,
        "preStopSleepSeconds": 2,
    }


def namespace(run, name):
    """Makes a namespace, if it is not there."""
    run.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))


def install(run):
    """Installs both, unless another group has done so."""
    cluster = run.cluster
    if not hasattr(run, "central"):
        namespace(run, NAMESPACE)
        namespace(run, MODULES)
        _, public = run.key
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bifrost", "namespace": NAMESPACE}}
        cluster.apply(json.dumps(secret | {"stringData": {"public": pathlib.Path(public).read_text()}}))
        file = run.folder / "central-values.json"
        file.write_text(json.dumps(values()))
        cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": MODULE}), "--namespace", MODULES)
        cluster.helm("install", "modgud", CHART, "--namespace", NAMESPACE, "--values", file)
        run.central = True


def start(run):
    """Installs both, and waits until they serve."""
    install(run)
    run.cluster.rolled_out(NAMESPACE, "modgud")
    run.cluster.rolled_out(MODULES, "crm")
    return "2 pods of modgud, and a module"


def pods(run):
    """The pods of modgud that are not being deleted."""
    found = run.cluster.get(NAMESPACE, "pods", "--selector=app.kubernetes.io/name=modgud")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def scale(run, count):
    """Changes the number of pods, and waits until there are so many."""
    run.cluster.kubectl("--namespace", NAMESPACE, "scale", "deployment/modgud", f"--replicas={count}")
    wait_until(f"{count} pods of modgud", 60, lambda: len(pods(run)) == count)
    run.cluster.rolled_out(NAMESPACE, "modgud")


def options(run, host=HOST):
    """The options of curl for a request with a token."""
    return ["--header", f"host: {host}", "--header", f"authorization: JWT {run.token}"]


def status(run, url, path="/crm/", host=HOST):
    """The status of a request with a token."""
    return run.cluster.http(f"{url}{path}", *options(run, host))[0]


def serves(run, url, host=HOST):
    """Waits until a gateway has its configuration and reaches modgud and the module."""
    wait_until("the gateway answers with 200", 60, lambda: status(run, url, host=host) == 200, 0.1)


def processes(run):
    """The processes of modgud's pods."""
    uids = [pod["metadata"]["uid"] for pod in pods(run)]
    script = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = modgud ] && echo "${p#/proc/} $(tr "\\n" " " < $p/cgroup)"; done; true'
    found = [line.split(" ", 1) for line in run.host.run("bash", "-c", script).splitlines()]
    pids = [pid for pid, groups in found if any(uid in groups or uid.replace("-", "_") in groups for uid in uids)]
    if len(pids) != len(uids):
        raise Failure(f"{len(pids)} processes for {len(uids)} pods of modgud")
    return pids


def signal_modgud(run, name):
    """Sends a signal to the processes of modgud's pods. A process is only frozen once each of its threads has stopped."""
    pids = processes(run)
    run.host.run("kill", f"-{name}", *pids)
    if name == "STOP":
        states = ("ps", "-L", "-o", "stat=", "-p", ",".join(pids))
        wait_until("modgud is frozen", 10, lambda: all(state.startswith("T") for state in run.host.run(*states).split()), 0.02)


def fails_closed(run, url, expected=503, without=(503,), meanwhile=None, host=HOST, seconds=1.0):
    """Freezes modgud, then removes its last pod: no request passes, also on a public path. `expected` is the status from a frozen modgud,
    `without` are those without a pod. `meanwhile` looks at the gateway then, and returns what it saw."""
    slowest = 0.0
    signal_modgud(run, "STOP")
    try:
        for path in ("/crm/", "/crm/public/"):
            since = time.monotonic()
            found = status(run, url, path, host)
            slowest = max(slowest, time.monotonic() - since)
            if found != expected:
                raise Failure(f"modgud is frozen, and {path} is answered with {found}, expected {expected}")
            if slowest > seconds:
                raise Failure(f"modgud is frozen, and {path} takes {slowest:.2f} s")
    finally:
        signal_modgud(run, "CONT")
    serves(run, url, host)
    pids = processes(run)
    scale(run, 0)
    # A modgud that drains answers as long as a gateway asks it, at most `server.drain`.
    run.host.run("bash", "-c", f"kill -KILL {' '.join(pids)} || true")
    try:
        wait_until("a denial without modgud", 20, lambda: status(run, url, host=host) != 200, 0.1)
        for path in ("/crm/", "/crm/public/"):
            found = status(run, url, path, host)
            if found not in without:
                raise Failure(f"modgud has no pod, and {path} is answered with {found}, expected {without}")
        more = f"; {meanwhile(run)}" if meanwhile else ""
    finally:
        scale(run, 2)
    serves(run, url, host)
    return f"{expected} within {slowest * 1000:.0f} ms with a frozen modgud, {found} without a pod{more}"


def restarts_unnoticed(run, url, host=HOST):
    """Replaces all pods of modgud under load: no request is lost."""

    def change():
        run.cluster.kubectl("--namespace", NAMESPACE, "rollout", "restart", "deployment/modgud")
        run.cluster.rolled_out(NAMESPACE, "modgud")

    loads = {"kept": Load(run, f"{url}/crm/", options(run, host), rate=100)}
    return replaced_without_loss(run, loads, NAMESPACE, "app.kubernetes.io/name=modgud,app.kubernetes.io/component=authorization", change)
