"""Reads requests as services do: with the request parsers of Django REST framework and of aiohttp.

One request a line on standard input, as JSON: its header fields and its body (base64). One line for each on standard output: what each
reader finds under `customer`, `null` if it finds nothing, and its refusal where it refuses the request.
"""

import asyncio
import base64
import io
import json
import sys

import django
from aiohttp import web
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=True,
    INSTALLED_APPS=[],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None},
)
django.setup()

from django.core.handlers.wsgi import WSGIRequest  # noqa: E402
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser  # noqa: E402
from rest_framework.request import Request  # noqa: E402


def found(data):
    """What a service finds, as it would go on with it: a text."""
    if not hasattr(data, "get"):
        return None
    value = data.get("customer")
    if isinstance(value, str):
        # A lone surrogate can't be written in UTF-8.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return None if value is None else json.dumps(value)


def rest_framework(headers, body):
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "module",
        "SERVER_PORT": "80",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    request = Request(WSGIRequest(environ), parsers=[JSONParser(), FormParser(), MultiPartParser()])
    try:
        return {"value": found(request.data)}
    except Exception as error:  # whatever it is, the service does not go on
        return {"refused": type(error).__name__}


async def read_json(request):
    return web.json_response({"value": found(await request.json())})


async def read_form(request):
    return web.json_response({"value": found(await request.post())})


async def aiohttp(port, path, headers, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"POST {path} HTTP/1.1", "Host: module", "Connection: close", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in headers]
    writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return json.loads(content) if status == 200 else {"refused": status}


async def main():
    application = web.Application()
    application.add_routes([web.post("/json", read_json), web.post("/form", read_form)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    for line in sys.stdin:
        request = json.loads(line)
        headers, body = request["headers"], base64.b64decode(request["body"])
        found_by = {
            "rest_framework": rest_framework(headers, body),
            "aiohttp_json": await aiohttp(port, "/json", headers, body),
            "aiohttp_form": await aiohttp(port, "/form", headers, body),
        }
        print(json.dumps(found_by), flush=True)
    await runner.cleanup()


asyncio.run(main())
