"""One table of requests for all gateways: what the client gets, and what the module behind the gateway sees."""

import json
from dataclasses import dataclass, field

from failure import Failure, wait_until

# What a client writes into headers that only modgud may set. It must never reach a module.
FORGED = "forged"

# What `modgud token mint` writes into a token, and so modgud into the headers.
IDENTITY = {"x-username": ["admin"], "x-core-user-uuid": ["fd76ce0c-d8be-4aa6-91ed-59e698f6af60"]}

# Each spelling is one that some server reads as the header of the same name.
FORGED_HEADERS = ("X-Core-User-Uuid", "x-organization-uuid", "X-USERNAME", "x-scope", "x.core.user.uuid", "X-Http-Method-Override", "X-Original-Url")


@dataclass(frozen=True)
class Request:
    """A request, the statuses that a gateway may answer with, and the path that the module sees."""

    text: str
    path: str
    statuses: tuple
    token: bool = True
    headers: dict = field(default_factory=dict)
    sees: str = ""
    # The identity of the token, or none for a request without one.
    identity: bool = True


FORGED_ALL = {name: FORGED for name in FORGED_HEADERS}

TABLE = (
    Request("a token", "/crm/appointment/1/", (200,), sees="/appointment/1/"),
    Request("no token", "/crm/appointment/1/", (401,), token=False),
    Request("a token of another key", "/crm/", (401,), token=False, headers={"Authorization": "JWT a.b.c"}),
    Request("forged identity headers", "/crm/", (200,), headers=FORGED_ALL, sees="/"),
    Request("forged identity headers on a public path", "/crm/public/", (200,), token=False, headers=FORGED_ALL, sees="/public/", identity=False),
    # Envoy rejects the request, or modgud removes the header.
    Request("a forged header with underscores", "/crm/", (200, 400), headers={"x_core_user_uuid": FORGED, "X_Username": FORGED}, sees="/"),
    Request("..", "/crm/a/../b/", (200,), sees="/b/"),
    Request(".. out of the module", "/crm/../admin/", (403, 404)),
    Request("%2e%2e out of the module", "/crm/%2e%2e/admin/", (403, 404)),
    Request("//", "/crm//a//b/", (200,), sees="/a/b/"),
    Request("%2f", "/crm/public%2f..%2fa/", (400,), token=False),
    Request("%5c", "/crm/public%5c..%5ca/", (400,), token=False),
    Request("another path", "/crmx/", (404,)),
)


def ask(run, url, request, host):
    """Sends a request of the table."""
    options = ["--path-as-is", "--header", f"host: {host}"]
    if request.token:
        options += ["--header", f"authorization: JWT {run.token}"]
    for name, value in request.headers.items():
        options += ["--header", f"{name}: {value}"]
    return run.cluster.http(f"{url}{request.path}", *options)


def seen_by_module(request, body, prefix=""):
    """Checks what the module saw of a request. `prefix`: what the gateway does not remove from the path."""
    try:
        seen = json.loads(body)
        headers = {name.lower(): values for name, values in seen["headers"].items()}
    except (ValueError, KeyError):
        raise Failure(f"{request.text}: the response is not the module's: {body[:200]}") from None
    if seen["path"] != prefix + request.sees:
        raise Failure(f"{request.text}: the module sees the path {seen['path']}, expected {prefix}{request.sees}")
    forged = sorted(name for name, values in headers.items() if any(FORGED in value for value in values))
    if forged:
        raise Failure(f"{request.text}: these forged headers reach the module: {', '.join(forged)}")
    identity = {name: headers.get(name) for name in IDENTITY}
    if identity != (IDENTITY if request.identity else dict.fromkeys(IDENTITY)):
        raise Failure(f"{request.text}: the module sees the identity {identity}")


def ask_open(run, url, path, sees, host="api.example.com"):
    """Waits until a route without modgud is there. What Envoy removes early does not reach the module there either."""
    request = Request("forged identity headers on a route without modgud", path, (200,), token=False, headers=FORGED_ALL, sees=sees, identity=False)
    body = wait_until("the route without modgud", 30, lambda: (answer := ask(run, url, request, host))[0] == 200 and answer[1], 0.1)
    seen_by_module(request, body)
    return "no forged header reaches the module there"


def ask_all(run, url, prefix="", host="api.example.com"):
    """Sends the whole table, and returns what was seen."""
    counts = {}
    for request in TABLE:
        status, body = ask(run, url, request, host)
        if status not in request.statuses:
            raise Failure(f"{request.text}: {request.path} is answered with {status}, expected {request.statuses}: {body[:200]}")
        if status == 200:
            seen_by_module(request, body, prefix)
        counts[status] = counts.get(status, 0) + 1
    summary = ", ".join(f"{count} × {status}" for status, count in sorted(counts.items()))
    return f"{len(TABLE)} requests: {summary}"
