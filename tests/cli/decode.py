"""Reads a public key or a secret, an algorithm and tokens (a JSON object) and decodes each token as a module does, with PyJWT.

Writes a JSON list: {"header": text, "claims": [[name, value], …]} or {"refused": the error's name}.
"""

import base64
import json
import sys

import jwt


def part(token, number):
    text = token.split(".")[number]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def decoded(token, key, algorithm):
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm])
    except jwt.PyJWTError as error:
        return {"refused": type(error).__name__}
    pairs = json.loads(part(token, 1), object_pairs_hook=lambda pairs: pairs)
    assert dict(pairs).keys() == claims.keys()
    return {"header": part(token, 0), "claims": list(claims.items())}


given = json.load(sys.stdin)
json.dump([decoded(token, given["key"], given["algorithm"]) for token in given["tokens"]], sys.stdout)
