"""`deploy/kubernetes/sidecar`: modgud and Envoy beside a module in one pod."""

import json
import re
import subprocess
import time

import images
from failure import Failure, wait_until
from images import ROOT
from load import Load

PROGRAMS = []
SAMPLE = ROOT / "deploy/kubernetes/sidecar"
NAMESPACE, APP, PORT = "shop", "crm", 80
# The names that the sample gives its images.
SAMPLE_IMAGES = {"modgud": images.MODGUD, "envoyproxy/envoy": images.ENVOY, "crm": images.MODULE}
# Spoofed identity: modgud overwrites or removes each of these.
FORGED = {"x-core-user-uuid": "forged", "x-organization-uuid": "forged", "x-username": "forged", "X-Scope": "forged"}


def url(run, path="/crm/items/"):
    """The address of the sample's Service, as clients in the cluster reach it."""
    return f"http://{run.cluster.address(NAMESPACE, APP)}:{PORT}{path}"


def with_token(run):
    """curl's options for a request with a token."""
    return ["--header", f"Authorization: JWT {run.token}"]


def pods(run):
    """The pods that are not being deleted."""
    listed = run.cluster.get(NAMESPACE, "pods", f"--selector=app.kubernetes.io/name={APP}")["items"]
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
    found = run.cluster.get(NAMESPACE, "configmap", "modgud")
    before = found["data"]["modgud.yaml"]
    patch = json.dumps({"data": {"modgud.yaml": change(before)}})
    run.cluster.kubectl("--namespace", NAMESPACE, "patch", "configmap", "modgud", f"--patch={patch}")
    return before


def set_keys(run, files):
    """Writes the Secret with the public keys: file name → file."""
    options = [f"--from-file={name}={file}" for name, file in files.items()]
    made = run.cluster.kubectl("--namespace", NAMESPACE, "create", "secret", "generic", "modgud-keys", *options, "--dry-run=client", "--output=yaml")
    run.cluster.apply(made)


def deploy(run):
    """Applies the sample, with the images and the key of this run."""
    manifests = run.cluster.kustomize(SAMPLE / "tcp", SAMPLE_IMAGES)
    run.cluster.apply(manifests)
    set_keys(run, {"bifrost.pub.pem": run.key[1]})
    run.cluster.rolled_out(NAMESPACE, APP)
    labels = run.cluster.get("", "namespace", NAMESPACE)["metadata"]["labels"]
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        raise Failure(f"the namespace does not enforce `restricted`: {labels}")
    return f"{len(ready_pods(run))} pods ready"


def decisions(run):
    """Allowed with a token, denied without, and identity is modgud's alone."""
    status, body = run.cluster.http(url(run), *with_token(run), *(f"--header={name}: {value}" for name, value in FORGED.items()))
    if status != 200:
        raise Failure(f"{status} with a token: {body}")
    seen = json.loads(body)
    headers = {name.lower(): values for name, values in seen["headers"].items()}
    if "forged" in json.dumps(headers):
        raise Failure(f"a forged header reached the module: {headers}")
    if seen["path"] != "/items/" or not headers.get("x-core-user-uuid"):
        raise Failure(f"the module did not get what it should: {seen}")
    status, body = run.cluster.http(url(run))
    if status != 401:
        raise Failure(f"{status} without a token: {body}")
    return "200 with a token, 401 without; four forged headers overwritten"


def started_in_order(run):
    """modgud runs before Envoy, and Envoy before the module."""
    for pod in pods(run):
        started = {name: state["state"]["running"]["startedAt"] for name, state in containers(pod).items()}
        if not started["modgud"] <= started["envoy"] <= started["module"]:
            raise Failure(f"wrong order: {started}")
    return ", ".join(f"{name} {at[11:19]}" for name, at in sorted(started.items(), key=lambda one: one[1]))


def stopped_in_order(run):
    """The module stops before Envoy, and Envoy before modgud."""
    name = ready_pods(run)[0]
    watch = ["kubectl", f"--kubeconfig={run.cluster.kubeconfig}", "--namespace", NAMESPACE, "get", "pod", name, "--watch", "--output=json"]
    seen = subprocess.Popen(run.host.inside([run.programs.kubernetes, *watch]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    run.host.running.append(seen)
    run.cluster.kubectl("--namespace", NAMESPACE, "delete", "pod", name, "--wait=true", seconds=90)
    run.host.run("pkill", "-f", f"get pod {name} --watch")
    written, _ = seen.communicate(timeout=10)
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
    name = ready_pods(run)[0]
    (pod,) = [pod for pod in pods(run) if pod["metadata"]["name"] == name]
    process = process_of(run, pod)
    try:
        run.host.run("kill", "-STOP", process)
        gone = wait_until(f"{name} is not ready", 30, lambda: name not in ready_pods(run))
    finally:
        run.host.run("kill", "-CONT", process)
    wait_until(f"{name} is ready again", 30, lambda: name in ready_pods(run))
    restarts = restarts_of(run)
    if restarts != 0:
        raise Failure(f"{restarts} restarts; the liveness probe must be the more patient one")
    return "frozen: not ready; thawed: ready, no restart" if gone else ""


def process_of(run, pod):
    """The process of modgud in a pod, as the host numbers it."""
    identity = containers(pod)["modgud"]["containerID"].removeprefix("containerd://")
    tasks = run.host.run("ctr", "--namespace", "k8s.io", "tasks", "list")
    return re.search(rf"^{identity}\s+(\d+)", tasks, re.MULTILINE).group(1)


def restarts_of(run):
    """How often containers of modgud were restarted, in all pods."""
    return sum(containers(pod)["modgud"]["restartCount"] for pod in pods(run))


def until(run, what, status, *options, path="/crm/items/", seconds=60):
    """Waits until a request gets this status from ten requests in a row, so from every pod; returns the seconds that it took."""
    start, address = time.monotonic(), url(run, path)
    every = lambda: all(run.cluster.http(address, *options)[0] == status for _ in range(10))
    wait_until(what, seconds, every)
    return time.monotonic() - start


def reloaded(run):
    """A changed ConfigMap serves without a restart."""
    rule = "\nrules:\n  - { name: opened, match: { paths: [\"/crm/opened/{*rest}\"] }, access: public }\n"
    set_config(run, lambda text: text + rule)
    took = until(run, "the new rule serves", 200, path="/crm/opened/")
    if restarts_of(run) != 0:
        raise Failure("modgud was restarted")
    return f"a new rule served after {took:.1f} s"


def bad_config(run):
    """A wrong ConfigMap changes nothing but a metric and the log; a new pod with it never gets requests."""
    good = set_config(run, lambda text: text.replace("access: public", "access: publik"))
    metric = lambda pod: "modgud_config_reloads_total" in (body := admin(run, pod, "/metrics")[1]) and re.search(r'outcome="(failed|rejected|error)"\} [1-9]', body)
    wait_until("the metric counts the rejected file", 60, lambda: all(metric(pod) for pod in pods(run)))
    status, _ = run.cluster.http(url(run, "/crm/opened/"))
    if status != 200:
        raise Failure(f"{status}: the rule is gone")
    log = run.cluster.kubectl("--namespace", NAMESPACE, "logs", pods(run)[0]["metadata"]["name"], "--container=modgud", "--tail=5")
    if "publik" not in log:
        raise Failure(f"the log does not say what is wrong: {log}")
    set_config(run, lambda _: good)
    return "the old rules served on; log and metric say why"


def rotation(run):
    """A new key beside the old one in the Secret, then without it: tokens follow, without a restart."""
    private, public = run.new_key("next")
    token = ["--header", f"Authorization: JWT {run.mint(private)}"]
    if (status := run.cluster.http(url(run), *token)[0]) != 401:
        raise Failure(f"{status} with a token of a key that nobody trusts yet")
    set_keys(run, {"bifrost.pub.pem": public})
    took = until(run, "the new key is trusted", 200, *token)
    status, _ = run.cluster.http(url(run), *with_token(run))
    if status != 401:
        raise Failure(f"{status} with a token of the old key")
    set_keys(run, {"bifrost.pub.pem": run.key[1]})
    until(run, "the first key is trusted again", 200, *with_token(run))
    if restarts_of(run) != 0:
        raise Failure("modgud was restarted")
    return f"the new key was trusted after {took:.1f} s"


def killed(run):
    """SIGKILL of one modgud under load: its Envoy answers 503 until it is back, and never lets a request through."""
    load = Load(run, url(run), rate=100, seconds=8)
    process = process_of(run, pods(run)[0])
    run.host.run("kill", "-KILL", process)
    seen = load.result()
    unknown = set(seen.outcomes) - {"200", "503"}
    if unknown or "503" not in seen.outcomes:
        raise Failure(f"expected 200 and 503: {seen.outcomes}")
    wait_until("one restart", 20, lambda: restarts_of(run) == 1)
    run.cluster.rolled_out(NAMESPACE, APP)
    length = seen.last_at["503"] - seen.first_at["503"]
    return f"{seen.outcomes['503']} of {seen.sent} requests got 503, within {length:.1f} s; one restart"


def unix(run):
    """The variant with a Unix socket between Envoy and modgud."""
    run.cluster.apply(run.cluster.kustomize(SAMPLE / "unix", SAMPLE_IMAGES))
    set_keys(run, {"bifrost.pub.pem": run.key[1]})
    run.cluster.rolled_out(NAMESPACE, APP)
    seen = decisions(run)
    run.host.run("kill", "-KILL", process_of(run, pods(run)[0]))
    wait_until("the killed one serves again on the socket that it left", 30, lambda: restarts_of(run) == 1 and len(ready_pods(run)) == 2)
    return seen + "; after SIGKILL the stale socket is replaced"


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
