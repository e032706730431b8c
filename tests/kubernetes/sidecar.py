"""`deploy/kubernetes/sidecar`: modgud and Envoy beside a module in one pod."""

import datetime
import json
import os
import pathlib
import re
import time

import images
from failure import Failure, wait_until
from images import ROOT
from load import Load

PROGRAMS = []
SAMPLE = ROOT / "deploy/kubernetes/sidecar"
NAMESPACE, APP = "orders", "orders"
SELECTOR = f"app.kubernetes.io/name={APP}"
ITEMS, OPENED, STATUS = "/orders/items/", "/orders/opened/", "/orders/status"
# The names of the images in the sample, with its own registry names.
SAMPLE_IMAGES = {
    "registry.example.com/modgud": images.MODGUD,
    "docker.io/envoyproxy/envoy": images.ENVOY,
    "registry.example.com/orders": images.MODULE,
}
# Forged identity, in spellings that some servers read as the one header that the sample writes. Envoy rejects names with `_`.
FORGED = {"x-user": "forged", "X-USER": "forged", "x.user": "forged"}


def url(run, path=ITEMS):
    """The address of the sample's Service, as clients in the cluster reach it."""
    return f"http://{run.cluster.address(NAMESPACE, APP)}{path}"


def mint(run, private):
    """A token as the sample's issuer would sign it."""
    claims = ["--claim", "aud=orders-api", "--claim", "sub=user-7"]
    return run.command("token", "mint", "--key", private, "--issuer", "https://login.example.com", *claims).strip()


def with_token(run, private=None):
    """curl's options for a request with a token; without a key, of the run's own."""
    return ["--header", f"Authorization: Bearer {mint(run, private or run.key[0])}"]


def pods(run):
    """The pods that are not being deleted."""
    listed = run.cluster.get(NAMESPACE, "pods", f"--selector={SELECTOR}")["items"]
    return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]


def ready_pods(run):
    """The names of the pods that are ready."""
    is_ready = lambda pod: any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    return [pod["metadata"]["name"] for pod in pods(run) if is_ready(pod)]


def containers(pod):
    """The state of each container by its name, sidecars too."""
    status = pod["status"]
    return {one["name"]: one for one in status.get("initContainerStatuses", []) + status.get("containerStatuses", [])}


def admin(run, pod, path):
    """A response of modgud's admin port, which probes and Prometheus ask, too."""
    return run.cluster.http(f"http://{pod['status']['podIP']}:9192{path}")


def set_config(run, change):
    """Changes modgud.yaml in the ConfigMap of that name."""
    found = run.cluster.get(NAMESPACE, "configmap", "orders-modgud")
    before = found["data"]["modgud.yaml"]
    patch = json.dumps({"data": {"modgud.yaml": change(before)}})
    run.cluster.kubectl("--namespace", NAMESPACE, "patch", "configmap", "orders-modgud", f"--patch={patch}")
    return before


def set_secret(run, name, files):
    """Writes a Secret: file name → file."""
    options = [f"--from-file={name}={file}" for name, file in files.items()]
    made = run.cluster.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", name, *options, "--dry-run=client", "--output=yaml")
    run.cluster.apply(made)


def set_keys(run, current, following):
    """Writes the Secret with the issuer's public keys."""
    set_secret(run, "orders-keys", {"issuer.pem": current, "issuer-next.pem": following})


def deployed(run):
    """True if the sample runs already."""
    return "orders" in run.cluster.kubectl("get", "namespaces", "--output=name") and bool(pods(run))


def deploy(run):
    """Applies the sample, with the images and the key of this run."""
    table = run.folder / "api-keys.yaml"
    run.api_key = run.command("apikey", "new", "--id", "partner-a", "--subject", "partner-a", "--table", table).strip()
    run.cluster.apply((SAMPLE / "base/namespace.yaml").read_text())
    set_secret(run, "orders-api-keys", {"api-keys.yaml": table})
    set_keys(run, run.key[1], run.key[1])
    run.cluster.apply(run.cluster.kustomize(SAMPLE / "tcp", SAMPLE_IMAGES))
    run.cluster.rolled_out(NAMESPACE, APP)
    labels = run.cluster.get("", "namespace", NAMESPACE)["metadata"]["labels"]
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        raise Failure(f"the namespace does not enforce `restricted`: {labels}")
    return f"{len(ready_pods(run))} pods ready"


def decisions(run):
    """Allowed with a token or an API key, denied without, and identity is modgud's alone."""
    forged = [option for name, value in FORGED.items() for option in ("--header", f"{name}: {value}")]
    for options, subject in ((with_token(run), "user-7"), (["--header", f"x-api-key: {run.api_key}"], "partner-a")):
        status, body = run.cluster.http(url(run), *options, *forged)
        if status != 200:
            raise Failure(f"{status} for {subject}: {body}")
        seen = json.loads(body)
        if seen["path"] != "/items/" or seen["headers"].get("X-User") != [subject] or "forged" in body:
            raise Failure(f"the module did not get what it should: {seen}")
    for path, options, expected in ((ITEMS, [*with_token(run), "--header", "x_user: forged"], 400), (ITEMS, forged, 401), (ITEMS, ["--header", "x-api-key: no"], 401), (STATUS, forged, 200), ("/else", with_token(run), 404)):
        status, body = run.cluster.http(url(run, path), *options)
        if status != expected or "forged" in body:
            raise Failure(f"{status} instead of {expected} for {path}: {body}")
    return "200 with a token or an API key, 401 without; forged identity never arrives"


def started_in_order(run):
    """Envoy starts when modgud serves, and the module after Envoy."""
    seen = ""
    for pod in pods(run):
        log = run.cluster.kubectl("--namespace", NAMESPACE, "logs", pod["metadata"]["name"], "--container=modgud")
        serving = next(json.loads(line)["timestamp"] for line in log.splitlines() if '"message":"serving"' in line)
        serves = datetime.datetime.fromisoformat(serving).timestamp()
        started = {name: started_at(run, process_of(run, pod, name)) for name in ("modgud", "envoy", "module")}
        if not started["modgud"] < serves < started["envoy"] < started["module"]:
            raise Failure(f"wrong order: {started}; modgud serves from {serves}")
        seen = ", ".join(f"{name} after {at - started['modgud']:.1f} s" for name, at in started.items())
    return seen


def started_at(run, process):
    """When a process of the host was started, in seconds since 1970, to about 10 ms."""
    # The second field is a name in parentheses, which can have spaces.
    ticks = int(run.host.run("cat", f"/proc/{process}/stat").rpartition(")")[2].split()[19])
    up = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")


def stopped_in_order(run):
    """The module stops before Envoy, and Envoy before modgud."""
    name = ready_pods(run)[0]
    # Into a file: what the container says last is only seen while the pod is still there.
    watch = ["kubectl", f"--kubeconfig={run.cluster.kubeconfig}", "--namespace", NAMESPACE, "get", "pod", name, "--watch", "--output=json"]
    seen = run.host.spawn("watch", run.programs.kubernetes, *watch)
    run.cluster.kubectl("--namespace", NAMESPACE, "delete", "pod", name, "--wait=true", seconds=90)
    run.host.run("pkill", "-f", f"get pod {name} --watch")
    seen.wait(timeout=10)
    written = (run.host.logs / "watch.log").read_text()
    ended, decoder, at = {}, json.JSONDecoder(), 0
    while at < len(written.rstrip()):
        pod, at = decoder.raw_decode(written, at)
        at += len(written[at:]) - len(written[at:].lstrip())
        for container, state in containers(pod).items():
            if done := state["state"].get("terminated"):
                ended[container] = (done["finishedAt"], done["exitCode"])
    run.cluster.rolled_out(NAMESPACE, APP)
    if set(ended) != {"modgud", "envoy", "module"}:
        raise Failure(f"not all ends were seen: {ended}")
    if not ended["module"][0] <= ended["envoy"][0] <= ended["modgud"][0]:
        raise Failure(f"wrong order: {ended}")
    if bad := {container: code for container, (_, code) in ended.items() if code != 0}:
        raise Failure(f"not ended by themselves: {bad}")
    return ", ".join(f"{container} {at[11:19]}" for container, (at, _) in sorted(ended.items(), key=lambda one: one[1]))


def probes(run):
    """A modgud that does not answer takes its pod out of the Service, and comes back without a restart."""
    before, name = restarts_of(run), ready_pods(run)[0]
    (pod,) = [pod for pod in pods(run) if pod["metadata"]["name"] == name]
    process = process_of(run, pod)
    try:
        run.host.run("kill", "-STOP", process)
        gone = wait_until(f"{name} is not ready", 30, lambda: name not in ready_pods(run))
    finally:
        run.host.run("kill", "-CONT", process)
    wait_until(f"{name} is ready again", 30, lambda: name in ready_pods(run))
    if restarts_of(run) != before:
        raise Failure("modgud was restarted; the liveness probe must be the more patient one")
    return "frozen: not ready; thawed: ready, no restart" if gone else ""


def process_of(run, pod, container="modgud"):
    """The process of a container of a pod, as the host numbers it."""
    identity = containers(pod)[container]["containerID"].removeprefix("containerd://")
    tasks = run.host.run("ctr", "--namespace", "k8s.io", "tasks", "list")
    return re.search(rf"^{identity}\s+(\d+)", tasks, re.MULTILINE).group(1)


def restarts_of(run):
    """How often containers of modgud were restarted, in all pods."""
    return sum(containers(pod)["modgud"]["restartCount"] for pod in pods(run))


def until(run, what, status, *options, path=ITEMS, seconds=60):
    """Waits until a request gets this status from ten requests in a row, so from every pod; returns the seconds that it took."""
    start, address = time.monotonic(), url(run, path)
    every = lambda: all(run.cluster.http(address, *options)[0] == status for _ in range(10))
    wait_until(what, seconds, every)
    return time.monotonic() - start


def reloaded(run):
    """A changed ConfigMap serves without a restart."""
    before = restarts_of(run)
    rule = "\nrules:\n  - { name: opened, match: { paths: [\"/orders/opened/{*rest}\"] }, access: public }\n"
    set_config(run, lambda text: text.replace("\nrules:\n", rule, 1))
    took = until(run, "the new rule serves", 200, path=OPENED)
    if restarts_of(run) != before:
        raise Failure("modgud was restarted")
    return f"a new rule served after {took:.1f} s"


def bad_config(run):
    """A wrong ConfigMap changes nothing but a metric and the log. A new pod with it never gets requests."""
    good = set_config(run, lambda text: text.replace("access: public", "access: publik"))
    rejected = lambda pod: re.search(r"^modgud_config_reload_failures_total [1-9]", admin(run, pod, "/metrics")[1], re.MULTILINE)
    wait_until("the metric counts the rejected file", 60, lambda: all(rejected(pod) for pod in pods(run)))
    status, _ = run.cluster.http(url(run, OPENED))
    if status != 200:
        raise Failure(f"{status}: the rule is gone")
    log = run.cluster.kubectl("--namespace", NAMESPACE, "logs", pods(run)[0]["metadata"]["name"], "--container=modgud", "--tail=5")
    if "publik" not in log:
        raise Failure(f"the log does not say what is wrong: {log}")
    before = set(ready_pods(run))
    run.cluster.kubectl("--namespace", NAMESPACE, "rollout", "restart", f"deployment/{APP}")
    new = lambda: [pod for pod in pods(run) if pod["metadata"]["name"] not in before]
    failed = lambda: any(containers(pod).get("modgud", {}).get("lastState", {}).get("terminated", {}).get("exitCode") == 1 for pod in new())
    wait_until("modgud of a new pod ends with the error", 30, failed)
    if set(ready_pods(run)) != before:
        raise Failure("the old pods do not all serve")
    set_config(run, lambda _: good)
    run.cluster.rolled_out(NAMESPACE, APP)
    return "the old rules served on, and a new pod did not get ready; log and metric say why"


def rotation(run):
    """A new key beside the old one, then without it: tokens follow, without a restart."""
    before = restarts_of(run)
    private, public = run.new_key("next")
    new, old = with_token(run, private), with_token(run)
    if (status := run.cluster.http(url(run), *new)[0]) != 401:
        raise Failure(f"{status} with a token of a key that is not trusted yet")
    set_keys(run, run.key[1], public)
    took = until(run, "the new key is trusted", 200, *new)
    until(run, "the old key is still trusted", 200, *old, seconds=0)
    set_keys(run, public, public)
    until(run, "the old key is not trusted any more", 401, *old)
    until(run, "the new key is still trusted", 200, *new, seconds=0)
    set_keys(run, run.key[1], run.key[1])
    until(run, "the first key is trusted again", 200, *old)
    if restarts_of(run) != before:
        raise Failure("modgud was restarted")
    return f"the new key was trusted after {took:.1f} s"


def killed(run):
    """SIGKILL of one modgud under load: its Envoy answers 503 until it is back, and never lets a request through."""
    before = restarts_of(run)
    allowed = Load(run, url(run), with_token(run), rate=100, seconds=8)
    denied = Load(run, url(run), [], rate=50, seconds=8)
    # One that has not failed before: the kubelet lets the others wait, longer each time.
    victim = min(pods(run), key=lambda pod: containers(pod)["modgud"]["restartCount"])
    run.host.run("kill", "-KILL", process_of(run, victim))
    wait_until("one restart", 20, lambda: restarts_of(run) == before + 1)
    allowed, denied = allowed.result(), denied.result()
    if set(allowed.outcomes) != {"200", "503"}:
        raise Failure(f"expected 200 and 503: {allowed.outcomes}")
    if not set(denied.outcomes) <= {"401", "503"}:
        raise Failure(f"requests without a token got {denied.outcomes}")
    run.cluster.rolled_out(NAMESPACE, APP)
    length = allowed.last_at["503"] - allowed.first_at["503"]
    return f"{allowed.outcomes['503']} of {allowed.sent} requests got 503, within {length:.1f} s; without a token never 200; one restart"


def unix(run):
    """The variant with a Unix socket between Envoy and modgud."""
    run.cluster.apply(run.cluster.kustomize(SAMPLE / "unix", SAMPLE_IMAGES))
    run.cluster.rolled_out(NAMESPACE, APP)
    seen, before = decisions(run), restarts_of(run)
    for pod in pods(run):
        # The root folder of a process, as Linux shows it.
        inside = f"/proc/{process_of(run, pod)}/root"
        envoy = run.host.run("stat", "--format=%u", f"/proc/{process_of(run, pod, 'envoy')}").strip()
        found = run.host.run("stat", "--format=%a %u %g", inside + "/run/modgud/check.sock").strip()
        if (found, envoy) != ("660 65532 65532", "65533"):
            raise Failure(f"the socket has mode, user and group {found}, and Envoy is user {envoy}")
    run.host.run("kill", "-KILL", process_of(run, pods(run)[0]))
    wait_until("the killed one serves again on the socket that it left", 30, lambda: restarts_of(run) == before + 1 and len(ready_pods(run)) == 2)
    return seen + "; Envoy connects by its group; after SIGKILL the stale socket is replaced"


CHECKS = [
    ("the sample runs in a namespace with PodSecurity `restricted`", deploy),
    ("decisions", decisions),
    ("start: modgud, Envoy, module", started_in_order),
    ("stop: module, Envoy, modgud", stopped_in_order),
    ("probes", probes),
    ("a changed ConfigMap", reloaded),
    ("a wrong ConfigMap", bad_config),
    ("a rotated key", rotation),
    ("SIGKILL of modgud at 100 requests/s", killed),
    ("the variant with a Unix socket", unix),
]
