"""The list of crates that `cargo auditable` writes into a binary: the section `.dep-v0`, JSON packed with zlib."""

import json
import subprocess
import tempfile
import zlib

from failure import Failure


def crates(binary):
    """The crates of a binary: name → version."""
    with tempfile.NamedTemporaryFile() as section:
        argv = ["objcopy", "--output-target=binary", "--only-section=.dep-v0", "--set-section-flags=.dep-v0=alloc", str(binary), section.name]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        packed = open(section.name, "rb").read() if done.returncode == 0 else b""
    if not packed:
        raise Failure(f"{binary} has no list of its crates; build it by `make image` {done.stderr.strip()}")
    listed = json.loads(zlib.decompress(packed))
    return {package["name"]: package["version"] for package in listed["packages"]}
