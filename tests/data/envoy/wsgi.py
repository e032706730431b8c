"""Answers with what the WSGI server made of a request."""

import json


def application(environ, start_response):
    texts = {name: value for name, value in environ.items() if isinstance(value, str)}
    body = json.dumps(texts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
