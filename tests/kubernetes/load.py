"""Requests at a steady rate while something changes, and what came of them."""

import json
import subprocess
from dataclasses import dataclass

from failure import Failure, wait_until

# A load ends by itself after so many seconds.
LONGEST = 120


@dataclass
class Result:
    """What came of the requests: how many were sent, and how often each outcome was seen. `again`: sent again by the client itself."""

    sent: int
    outcomes: dict
    again: int
    slowest_ms: int
    first_at: dict
    last_at: dict

    @property
    def lost(self):
        """Requests without a complete response of status 200 to their first sending: how many, and when."""
        bad = {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}
        said = [f"{count} of {self.sent}: {name} (from {self.first_at[name]:.1f} to {self.last_at[name]:.1f} s)" for name, count in bad.items()]
        if self.again:
            # A client can send a GET again, and must not do so with a POST.
            said.append(f"{self.again} of {self.sent} had to be sent again")
        return ", ".join(said)


class Load:
    """A running load. `result()` waits for its end, which `stop()` brings about. It ends by itself after `seconds`."""

    def __init__(self, run, url, headers, rate, seconds=LONGEST, connections=16, fresh=False):
        """`headers` are options of curl, as the checks send them."""
        options = ["-url", url, "-rate", rate, "-for", f"{seconds}s", "-connections", connections]
        options += [option.replace("--header", "-header") for option in headers]
        if fresh:
            options.append("-fresh")
        argv = run.host.inside([run.programs.load, *options])
        self.limit = seconds + 30
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        run.host.running.append(self.process)

    def stop(self):
        """Ends the load. It must still run: else what happened meanwhile happened without it."""
        if self.process.poll() is not None:
            raise Failure("the load ended before that what it was to accompany")
        self.process.stdin.close()

    def result(self):
        self.process.wait(timeout=self.limit)
        written, said = self.process.stdout.read(), self.process.stderr.read()
        if self.process.returncode != 0:
            raise Failure(f"the load generator ended with {self.process.returncode}: {said.strip()}")
        seen = json.loads(written)
        return Result(seen["sent"], seen["outcomes"], seen["sent_again"], seen["slowest_ms"], seen["first_at_seconds"], seen["last_at_seconds"])


def replaced_without_loss(run, loads, namespace, selector, change):
    """Replaces all pods of a selector by `change` while loads run, by name, and waits until the old pods are gone. No request may be lost."""

    def uids():
        return {pod["metadata"]["uid"] for pod in run.cluster.get(namespace, "pods", f"--selector={selector}")["items"]}

    old = uids()
    change()
    wait_until("the old pods are gone", 90, lambda: not old & uids())
    for load in loads.values():
        load.stop()
    seen = {name: load.result() for name, load in loads.items()}
    if lost := {name: one.lost for name, one in seen.items() if one.lost}:
        raise Failure(f"lost: {lost}")
    return "; ".join(f"0 of {one.sent} lost on {name} connections (slowest {one.slowest_ms} ms)" for name, one in seen.items())
