"""What goes wrong: one exception, whose text is for the person who runs the checks."""

import time


class Failure(Exception):
    """A check that failed, or a part that can't be started."""


def wait_until(what, seconds, ready, pause=0.2):
    """Calls `ready` until it returns something true, and returns that. A `Failure` after some seconds names the last error."""
    end, last = time.monotonic() + seconds, None
    while True:
        try:
            if value := ready():
                return value
        except Failure as failure:
            last = failure
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what}" + (f" ({last})" if last else ""))
        time.sleep(pause)
