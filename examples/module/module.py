"""A sample module: a web service that stands behind the gateway.

It owns what a module author writes: a `swagger.json` at /docs, and the decoding of what the gateway hands on: BiFrost's
`Authorization: JWT {token}`, or, where MODGUD_JWKS is set, the gateway's own `Authorization: Bearer {token}`. Beyond that it only echoes what reached it, so that one can see what the
gateway let through, rewrote or removed. It takes no decision about permissions: the gateway took it.
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

# Whose tokens are believed is said by whoever starts the module, never by a token.
minted_keys = jwt.PyJWKClient(os.environ[JWKS_VARIABLE]) if os.environ.get(JWKS_VARIABLE) else None


class BadCredential(Exception):
    """An Authorization header that this module can't accept. Its text is what the client reads."""


def public_key():
    """The gateway's public key. Deployments often write a PEM on one line, with `\\n` spelled out."""
    return os.environ[KEY_VARIABLE].replace("\\n", "\n")


def decode(authorizations):
    """The claims of the caller, or None if there is no Authorization header at all.

    `authorizations` holds the values of all such headers: two of them are refused, not chosen from.
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
    """The claims of a token that the gateway has minted, by the keys that it publishes."""
    try:
        # Fetched once; again after five minutes, or for a key that is not known, but then not twice in 30 s.
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
        "responses": {"200": {"description": "What arrived"}, "401": {"description": "A token that is not good"}},
    }
    return {
        "swagger": "2.0",
        "info": {"title": name, "version": "1.0.0"},
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": {"/": {"get": echo}, "/appointment/": {"get": echo, "post": echo}},
    }


class Module(BaseHTTPRequestHandler):
    """Answers one request after another on a kept-alive connection."""

    protocol_version = "HTTP/1.1"
    # Status line, headers and body leave in one write; Nagle would only hold the last part back.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 60

    def answer(self):
        """Handles any method: a module of its own would route here."""
        if not self.read_body():
            return
        path = self.path.partition("?")[0]
        if path in ("/docs", "/docs/", "/docs/swagger.json"):
            self.reply(200, swagger(self.server.module_name))
            return
        seen = {
            "module": self.server.module_name,
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
        }
        try:
            self.reply(200, seen | {"decoded": decode(self.headers.get_all("authorization", []))})
        except BadCredential as error:
            self.reply(401, seen | {"decoded": None, "error": str(error)})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def read_body(self):
        """Reads the request's body off the connection, else it would be taken for the next request."""
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
        """Refuses a body that is malformed or too large: where the next request starts is not known."""
        self.close_connection = True
        self.reply(400, {"error": "the body is malformed or larger than 1 MiB"})
        return False

    def reply(self, status, value):
        """Sends `value` as JSON; a HEAD request gets the headers alone."""
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
        """Says nothing: the gateway writes the access log."""


class Server(ThreadingHTTPServer):
    """A thread per connection; open connections don't hold up the end of the process."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    module_name = "module"

    def handle_error(self, request, client_address):
        """A client that hangs up in the middle is no event; everything else is."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def main():
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A sample module behind the gateway.")
    parser.add_argument("--name", default="module", help="the name that stands in every answer")
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
