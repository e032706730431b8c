"""Validates a Compose file by the Compose Specification, and prints it as JSON. The file comes on standard input."""

import sys

from compose_spec import PyCompose

try:
    compose = PyCompose.from_yaml(sys.stdin.read())
    compose.validate()
except Exception as error:  # The package raises errors of more than one kind.
    sys.exit(str(error))
print(compose.to_json())
