"""A rolling restart of the sidecar sample under load, on kept and on new connections: no request is lost."""

import sidecar
from failure import Failure
from load import Load, replaced_without_loss

PROGRAMS = []


def rolled(run):
    """Restarts the deployment while clients send 200 requests/s on kept connections and 50/s on new ones, until the old pods are gone."""
    if not sidecar.deployed(run):
        sidecar.deploy(run)
    # The logs of the old pods go with them.
    follow = ["--namespace", sidecar.NAMESPACE, "logs", f"--selector={sidecar.SELECTOR}", "--all-containers", "--follow", "--prefix"]
    run.host.spawn("old-pods", run.programs.kubernetes, "kubectl", f"--kubeconfig={run.cluster.kubeconfig}", *follow, "--max-log-requests=20")
    loads = {
        "kept": Load(run, sidecar.url(run), sidecar.with_token(run), rate=200, connections=16),
        "new": Load(run, sidecar.url(run), sidecar.with_token(run), rate=50, connections=8, fresh=True),
    }

    def change():
        run.cluster.kubectl("--namespace", sidecar.NAMESPACE, "rollout", "restart", f"deployment/{sidecar.APP}")
        run.cluster.rolled_out(sidecar.NAMESPACE, sidecar.APP)

    seen = replaced_without_loss(run, loads, sidecar.NAMESPACE, sidecar.SELECTOR, change)
    events = run.cluster.get(sidecar.NAMESPACE, "events")["items"]
    if failed := [event["message"] for event in events if event["reason"] == "FailedPreStopHook"]:
        raise Failure(f"modgud drain did not end well: {failed}")
    return seen


CHECKS = [("a rolling restart at 200 requests/s on kept and 50/s on new connections", rolled)]
