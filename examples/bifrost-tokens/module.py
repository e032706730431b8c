"""A module that decodes BiFrost's token as its tutorial shows, and calls another module through the gateway with the same token.

    JWT_PUBLIC_KEY_RSA_BIFROST="$(cat bifrost.pub.pem)" python module.py --calls http://gateway:8000/documents/list/

It holds no permission and no secret: the token is the caller's. `examples/module` is a complete module, with its `swagger.json`.
"""

import argparse
import json
import os
import signal
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt


def call(url, authorization):
    """Returns status and body of another module's response. The gateway decides about this request as about any other."""
    request = urllib.request.Request(url, headers={"Authorization": authorization})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return {"status": response.status, "body": json.load(response)}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode()}


class Module(BaseHTTPRequestHandler):
    """Answers each GET with the caller's claims, and with what the other module answered."""

    def do_GET(self):
        authorization = self.headers.get("Authorization", "")
        scheme, _, encoded_jwt = authorization.partition(" ")
        if scheme != "JWT":
            return self.reply(401, {"error": "Authorization is not of the form `JWT {token}`"})
        try:
            claims = jwt.decode(encoded_jwt, os.environ['JWT_PUBLIC_KEY_RSA_BIFROST'], algorithms=['RS256'])
        except jwt.PyJWTError as error:
            return self.reply(401, {"error": f"{type(error).__name__}: {error}"})
        called = call(self.server.calls, authorization) if self.server.calls else None
        return self.reply(200, {"decoded": claims, "called": called})

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Logs nothing: the gateway writes the access log."""


class Server(ThreadingHTTPServer):
    """A thread per connection."""

    daemon_threads = True
    request_queue_size = 128
    calls = None


def main():
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A module that decodes BiFrost's token.")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--calls", metavar="URL", help="a path of another module, at the gateway's address")
    options = parser.parse_args()

    server = Server((options.host, options.port), Module)
    server.calls = options.calls

    def stop(*_):
        # shutdown() waits for serve_forever() to return, so it can't run on the same thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print("module listening on {}:{}".format(*server.server_address[:2]), flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()


if __name__ == "__main__":
    main()
