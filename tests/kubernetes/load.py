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
        """Requests without a complete response of status 200: how many, and when."""
        bad = {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}
        return ", ".join(f"{count} of {self.sent}: {name} (from {self.first_at[name]:.1f} to {self.last_at[name]:.1f} s)" for name, count in bad.items())


class Load:
    """A running load; `result()` waits for its end. It ends by itself after `seconds`."""

    def __init__(self, run, url, headers, rate, seconds, connections=16, fresh=False):
        """`headers` are options of curl, as the checks send them."""
        options = ["-url", url, "-rate", rate, "-for", f"{seconds}s", "-connections", connections]
        options += [option.replace("--header", "-header") for option in headers]
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
