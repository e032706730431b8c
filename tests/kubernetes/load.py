"""Requests at a steady rate while something changes, and what came of them."""

import json
import subprocess
from dataclasses import dataclass

from failure import Failure


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
        """Requests without a complete response of status 200."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}


class Load:
    """A running load; `result()` waits for its end. It ends by itself after `seconds`."""

    def __init__(self, run, url, rate, seconds, connections=16, fresh=False, headers=None):
        options = ["-url", url, "-rate", rate, "-for", f"{seconds}s", "-connections", connections]
        for name, value in (headers or {"authorization": f"JWT {run.token}"}).items():
            options += ["-header", f"{name}: {value}"]
        if fresh:
            options.append("-fresh")
        argv = run.host.inside([run.programs.load, *options])
        self.limit = seconds + 30
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        run.host.running.append(self.process)

    def result(self):
        written, said = self.process.communicate(timeout=self.limit)
        if self.process.returncode != 0:
            raise Failure(f"the load generator ended with {self.process.returncode}: {said.strip()}")
        seen = json.loads(written)
        return Result(seen["sent"], seen["outcomes"], seen["sent_again"], seen["slowest_ms"], seen["first_at_seconds"], seen["last_at_seconds"])
