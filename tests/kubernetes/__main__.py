"""Checks of what `deploy/` has for Kubernetes, on a real cluster that this program builds, starts and ends by itself.

    make kube-test                          all checks; the first run builds Kubernetes, half an hour on two cores
    make kube-test CHECKS="sidecar chart"   some of them

Needs Linux, root, Go and some of Debian's packages; it says in one line what is missing.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

import chart
import contour
import envoy_gateway
import images
import istio
import programs
import rollout
import sidecar
from cluster import Cluster
from failure import Failure
from host import Host

GROUPS = {"sidecar": sidecar, "rollout": rollout, "chart": chart, "envoy-gateway": envoy_gateway, "istio": istio, "contour": contour}
CACHE = "~/.cache/modgud-kubernetes-test"


class Run:
    """One run: the cluster, the key and a token that it trusts, and the lines that say what was seen."""

    def __init__(self, folder, modgud, envoy, built):
        self.folder = pathlib.Path(folder)
        self.modgud = modgud
        self.envoy = envoy
        self.programs = built
        self.host = Host(self.folder / "host")
        self.cluster = Cluster(self.host, built)
        self.start = time.monotonic()
        self.failed = []
        self.key = self.folder / "bifrost"
        self.token = ""

    def say(self, text):
        """A line with the time since the start."""
        print(f"{time.monotonic() - self.start:6.1f} s  {text}", flush=True)

    def command(self, *argv):
        """Runs modgud on this machine."""
        done = subprocess.run([self.modgud, *argv], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"modgud {argv[0]}: {done.stderr.strip()}")
        return done.stdout

    def new_key(self, name):
        """Makes a key pair; returns the files of the private and the public key."""
        private, public = self.folder / f"{name}.key.pem", self.folder / f"{name}.pub.pem"
        self.command("keygen", "--private", private, "--public", public)
        return private, public

    def mint(self, private):
        """A token of that key."""
        return self.command("token", "mint", "--key", private).strip()

    def check(self, text, function):
        """One check: `function` returns what it saw, or raises."""
        try:
            seen = function(self)
            self.say(f"ok      {text}" + (f": {seen}" if seen else ""))
            return True
        except Failure as failure:
            self.say(f"FAILED  {text}: {failure}")
        except Exception:  # a fault of a check is a failed check, and the rest still runs
            self.say(f"FAILED  {text}:\n{traceback.format_exc()}")
        self.failed.append(text)
        return False

    def cluster_up(self):
        """Everything from nothing to a node that can run pods."""
        written, about = images.write_all(self.folder / "images", self.modgud, self.envoy, self.programs)
        self.say(about)
        private, public = self.new_key("bifrost")
        self.key, self.token = (private, public), self.mint(private)
        self.start = time.monotonic()
        self.host.start()
        self.cluster.start_containers(written.values())
        self.say("a host of its own, containerd and the images")
        self.cluster.start_control_plane()
        self.say(f"Kubernetes {programs.KUBERNETES}: API server, controllers, scheduler")
        self.cluster.start_node()
        self.cluster.start_names()
        self.say("the node is ready, and names resolve")


def keep_logs(run):
    """Copies the logs of the cluster and of its pods to where they stay; returns the folder."""
    kept = pathlib.Path(tempfile.mkdtemp(prefix="modgud-kube-logs-"))
    for what in (["get", "pods", "--all-namespaces", "--output=yaml"], ["get", "events", "--all-namespaces", "--output=wide"]):
        try:
            (run.host.logs / f"{what[1]}.txt").write_text(run.cluster.kubectl(*what))
        except Failure as failure:
            (run.host.logs / f"{what[1]}.txt").write_text(str(failure))
    if run.host.pid is not None:
        subprocess.run(run.host.inside(["cp", "--recursive", "/var/log/pods", run.host.logs]), check=False)
    subprocess.run(["cp", "--recursive", str(run.host.logs), str(kept)], check=False)
    return kept


def arguments():
    parser = argparse.ArgumentParser(prog="make kube-test", description="Checks deploy/ on a real Kubernetes.")
    parser.add_argument("checks", nargs="*", metavar="CHECKS", help=f"groups to run: {', '.join(GROUPS)}; by default all")
    parser.add_argument("--modgud", required=True, type=pathlib.Path, metavar="FILE", help="the release binary")
    parser.add_argument("--envoy", required=True, type=pathlib.Path, metavar="FILE", help="Envoy's binary")
    parser.add_argument("--build-only", action="store_true", help="build what the checks need, and end")
    asked = parser.parse_args()
    unknown = [name for name in asked.checks if name not in GROUPS]
    if unknown:
        parser.error(f"no group `{unknown[0]}`; there are {', '.join(GROUPS)}")
    return asked


def main():
    asked = arguments()
    if reason := programs.missing():
        print(f"kube-test can't run on this machine: {reason}", file=sys.stderr)
        return 1
    groups = {name: group for name, group in GROUPS.items() if name in asked.checks or not asked.checks}
    built = programs.Programs(os.environ.get("MODGUD_KUBERNETES_CACHE") or os.path.expanduser(CACHE))
    needed = ["kubernetes", "etcd", "coredns", "module", "load", "pause"]
    needed += [name for group in groups.values() for name in group.PROGRAMS]
    try:
        built.build(dict.fromkeys(needed))
    except Failure as failure:
        print(f"kube-test can't run on this machine: {failure}", file=sys.stderr)
        return 1
    if asked.build_only:
        return 0

    with tempfile.TemporaryDirectory(prefix="modgud-kube-", ignore_cleanup_errors=True) as folder:
        run = Run(folder, asked.modgud.resolve(), asked.envoy.resolve(), built)
        try:
            run.cluster_up()
            for name, group in groups.items():
                run.say(f"— {name}")
                for text, function in group.CHECKS:
                    # What comes later in a group builds on what came before.
                    if not run.check(text, function):
                        break
        except Failure as failure:
            run.say(f"FAILED  {failure}")
            run.failed.append("the cluster")
        except KeyboardInterrupt:
            run.failed.append("interrupted")
        finally:
            if run.failed:
                print(f"logs: {keep_logs(run)}", file=sys.stderr)
            run.host.stop()
        run.say("the host is gone")
    if run.failed:
        print(f"kube-test: FAILED: {'; '.join(run.failed)}", file=sys.stderr)
        return 1
    print("kube-test: all checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
