"""A rolling restart of the sidecar sample under load, on kept and on new connections: no request is lost."""

import sidecar
from failure import Failure
from load import Load

PROGRAMS = []
# Long enough for both pods to be replaced, drained and gone.
SECONDS = 45


def rolled(run):
    """Restarts the deployment while clients send 200 requests/s on kept connections and 50/s on new ones."""
    if not sidecar.deployed(run):
        sidecar.deploy(run)
    # The logs of the old pods go with them.
    follow = ["--namespace", sidecar.NAMESPACE, "logs", f"--selector=app.kubernetes.io/name={sidecar.APP}", "--all-containers", "--follow", "--prefix"]
    run.host.spawn("old-pods", run.programs.kubernetes, "kubectl", f"--kubeconfig={run.cluster.kubeconfig}", *follow, "--max-log-requests=20")
    kept = Load(run, sidecar.url(run), sidecar.with_token(run), rate=200, seconds=SECONDS, connections=16)
    fresh = Load(run, sidecar.url(run), sidecar.with_token(run), rate=50, seconds=SECONDS, connections=8, fresh=True)
    run.cluster.kubectl("--namespace", sidecar.NAMESPACE, "rollout", "restart", f"deployment/{sidecar.APP}")
    run.cluster.rolled_out(sidecar.NAMESPACE, sidecar.APP)
    seen = {"kept": kept.result(), "new": fresh.result()}
    lost = {name: one.lost for name, one in seen.items() if one.lost}
    if lost:
        raise Failure(f"lost: {lost}")
    return "; ".join(f"0 of {one.sent} lost on {name} connections (slowest {one.slowest_ms} ms, sent again {one.again})" for name, one in seen.items())


CHECKS = [("a rolling restart at 200 requests/s on kept and 50/s on new connections", rolled)]
