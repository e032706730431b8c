"""A sample module: a web service behind the gateway.

It has the parts that a module author writes: a `swagger.json` at /docs, and the decoding of the token that the gateway forwards.
That is BiFrost's `Authorization: JWT {token}`, or, if MODGUD_JWKS is set, the gateway's own `Authorization: Bearer {token}`. It
echoes each request, which shows what the gateway allowed, rewrote or removed. The gateway decides on permissions, not the module.
"""

import argparse
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

KEY_VARIABLE = "JWT_PUBLIC_KEY_RSA_BIFROST"
JWKS_VARIABLE = "MODGUD_JWKS"
MAX_BODY = 1024 * 1024

# The environment selects the accepted issuer, never a token.
minted_keys = jwt.PyJWKClient(os.environ[JWKS_VARIABLE]) if os.environ.get(JWKS_VARIABLE) else None


class BadCredential(Exception):
    """An invalid Authorization header. The client receives the text."""


def public_key():
    """Returns the gateway's public key. Deployments often write a PEM on one line, with `\\n` for line ends."""
    return os.environ[KEY_VARIABLE].replace("\\n", "\n")


def decode(authorizations):
    """Returns the claims of the caller, or None without an Authorization header.

    `authorizations` holds the values of all such headers; more than one is an error.
    """
    if not authorizations:
        return None
    if len(authorizations) > 1:
        raise BadCredential("more than one Authorization header")
    scheme, _, token = authorizations[0].partition(" ")
    expected = "Bearer" if minted_keys else "JWT"
    if scheme != expected or not token:
        raise BadCredential(f"Authorization is not of the form `{expected} {{token}}`")
    if minted_keys:
        return decode_minted(token)
    if not os.environ.get(KEY_VARIABLE):
        raise BadCredential(f"this module has no {KEY_VARIABLE}")
    try:
        return jwt.decode(token, public_key(), algorithms=["RS256"])
    except jwt.PyJWTError as error:
        raise BadCredential(f"{type(error).__name__}: {error}") from error


def decode_minted(token):
    """Returns the claims of a token that the gateway minted, verified by its JWKS."""
    try:
        # Fetched once, then again after five minutes, or for an unknown key at most once in 30 s.
        key = minted_keys.get_signing_key_from_jwt(token)
        return jwt.decode(
            token,
            key,
            algorithms=["EdDSA", "ES256", "RS256"],
            issuer="modgud",
            audience="modules",
            leeway=5,  # the gateway's clock may be ahead of this one
            options={"require": ["exp", "iat", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise BadCredential(f"{type(error).__name__}: {error}") from error


def swagger(name):
    """The module's interface. `modgud openapi merge` joins it with those of the other modules."""
    echo = {
        "summary": "Echoes the request and the caller",
        "responses": {"200": {"description": "What arrived"}, "401": {"description": "An invalid token"}},
    }
    return {
        "swagger": "2.0",
        "info": {"title": name, "version": "1.0.0"},
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {"/": {"get": echo}, "/appointment/": {"get": echo, "post": echo}},
    }


class Module(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    # Status line, headers and body are one write; Nagle's algorithm would only delay the last part.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 60

    def answer(self):
        """Handles any method. A real module would route here."""
        if not self.read_body():
            return
        # As Envoy sent it: `self.path` has leading slashes folded into one.
        target = self.requestline.split(" ")[1]
        path = target.partition("?")[0]
        if path in ("/docs", "/docs/", "/docs/swagger.json"):
            self.reply(200, swagger(self.server.module_name))
            return
        seen = {
            "module": self.server.module_name,
            "method": self.command,
            "path": target,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
        }
        try:
            self.reply(200, seen | {"decoded": decode(self.headers.get_all("authorization", []))})
        except BadCredential as error:
            self.reply(401, seen | {"decoded": None, "error": str(error)})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def read_body(self):
        """Reads the request's body; unread bytes would be parsed as the next request."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return self.read_chunks()
        length = self.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
            return self.give_up()
        self.rfile.read(int(length))
        return True

    def read_chunks(self):
        """Reads a body of `Transfer-Encoding: chunked` (RFC 9112 §7.1), as Envoy sends it for streams."""
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(128).partition(b";")[0], 16)
            except ValueError:
                return self.give_up()
            total += size
            if size < 0 or total > MAX_BODY:
                return self.give_up()
            self.rfile.read(size)
            if size > 0:
                self.rfile.readline(128)
                continue
            while self.rfile.readline(8192).strip():
                pass
            return True

    def give_up(self):
        """Rejects a body that is malformed or too large, and closes the connection, since the next request's start is unknown."""
        self.close_connection = True
        self.reply(400, {"error": "the body is malformed or larger than 1 MiB"})
        return False

    def reply(self, status, value):
        """Sends `value` as JSON, or only the headers for HEAD."""
        body = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if status == 401:
            self.send_header("www-authenticate", "JWT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        """Logs nothing: the gateway writes the access log."""


class Server(ThreadingHTTPServer):
    """A server with a thread per connection. Open connections do not delay its end."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    module_name = "module"

    def handle_error(self, request, client_address):
        """Ignores closed connections, and reports all other errors."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def main():
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A sample module behind the gateway.")
    parser.add_argument("--name", default="module", help="the name in every response")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    options = parser.parse_args()

    server = Server((options.host, options.port), Module)
    server.module_name = options.name

    def stop(*_):
        # shutdown() waits for serve_forever() to return, so it can't be called on the thread that runs it.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    host, port = server.server_address[:2]
    print(f"{options.name} listening on {host}:{port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
