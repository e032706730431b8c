#!/usr/bin/env python3
"""Writes an image as an OCI archive (OCI image specification 1.1), without an engine and without a network.

    tools/oci_image.py --tag modgud:dev --output modgud.tar target/release/modgud

The image has what `deploy/Dockerfile` puts on its base image, and what that base has: the program, the shared libraries that it needs,
and the user 65532. It has no shell. The same files give the same bytes with the same Python: no times, and sorted names.

    ctr images import modgud.tar        podman load --input modgud.tar        skopeo copy oci-archive:modgud.tar docker://…
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
USER = "65532:65532"
PASSWD = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
GROUP = "root:x:0:\nnonroot:x:65532:\n"


class Refused(Exception):
    """The image can't be written; the text is for the person who asked."""


def libraries(program):
    """The shared libraries that the dynamic linker would load for a program: path in the image → file."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    said = listed.stdout + listed.stderr
    if "not found" in said:
        raise Refused(f"{program} needs libraries that this machine does not have: {said.strip()}")
    if "not a dynamic executable" in said or "statically linked" in said:
        return {}
    if listed.returncode != 0:
        raise Refused(f"ldd can't read {program}: {said.strip()}")
    return {path: os.path.realpath(path) for path in re.findall(r"(/\S+) \(0x", listed.stdout)}


def layer(files, texts):
    """One layer: these files (path in the image → file), these texts (path → text), and their folders. An uncompressed tar archive."""
    content = {}
    for path, file in files.items():
        mode = 0o755 if os.access(file, os.X_OK) else 0o644
        content[path] = (pathlib.Path(file).read_bytes(), mode)
    for path, text in texts.items():
        content[path] = (text.encode(), 0o644)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folders = {str(parent) for path in content for parent in pathlib.PurePosixPath(path).parents if str(parent) != "/"}
        for name in sorted(folders | set(content)):
            entry = tarfile.TarInfo(name.strip("/"))
            if name in content:
                data, entry.mode = content[name]
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
            else:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
    return written.getvalue()


def digest(data):
    """The digest of bytes, as OCI writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def to_json(value):
    """JSON with sorted members, as bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def write(output, tag, files, texts, config, architecture, level):
    """Writes an archive with one image of one layer. Returns its digest and the size of the packed layer in bytes."""
    raw = layer(files, texts)
    packed = gzip.compress(raw, level, mtime=0)
    settings = to_json({"architecture": architecture, "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [digest(raw)]}})

    def descriptor(kind, data):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data), "size": len(data)}

    manifest = to_json({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", settings),
        "layers": [descriptor("layer.v1.tar+gzip", packed)],
    })
    names = {"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": tag.rpartition(":")[2]}
    listed = {**descriptor("manifest.v1+json", manifest), "platform": {"architecture": architecture, "os": "linux"}, "annotations": names}
    index = to_json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]})
    entries = {"oci-layout": to_json({"imageLayoutVersion": "1.0.0"}), "index.json": index}
    entries |= {"blobs/sha256/" + digest(data).removeprefix("sha256:"): data for data in (settings, packed, manifest)}
    with tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(entries):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(entries[name]), 0o644
            archive.addfile(entry, io.BytesIO(entries[name]))
    return digest(manifest), len(packed)


def write_program(output, tag, program, path, command=(), labels=None, ports=(), level=9):
    """Writes the image of one program with its libraries, for the user 65532. `path` is its path in the image, `level` that of gzip."""
    program = pathlib.Path(program)
    if not program.is_file():
        raise Refused(f"{program} is not there; build it first")
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise Refused(f"no name is known for this machine's architecture, {platform.machine()}")
    config = {"User": USER, "Entrypoint": [path], "WorkingDir": "/", "Labels": labels or {}}
    if command:
        config["Cmd"] = list(command)
    if ports:
        config["ExposedPorts"] = {port: {} for port in ports}
    files = {path: program, **libraries(program)}
    return write(output, tag, files, {"/etc/passwd": PASSWD, "/etc/group": GROUP}, config, architecture, level)


def labels_of(version, revision):
    """The labels that `deploy/Dockerfile` sets, too (OCI image specification, annotations)."""
    labels = {
        "title": "modgud",
        "description": "Authorization sidecar for Envoy (ext_authz)",
        "licenses": "Apache-2.0",
        "version": version,
        "revision": revision,
    }
    return {f"org.opencontainers.image.{name}": value for name, value in labels.items() if value}


def version_of(program):
    """The version that modgud's binary prints."""
    if not program.is_file():
        raise Refused(f"{program} is not there; build it first")
    try:
        said = subprocess.run([program.resolve(), "--version"], capture_output=True, text=True, check=False).stdout.split()
    except OSError as error:
        raise Refused(f"{program} can't be run ({error.strerror}); name modgud's binary, such as target/release/modgud") from None
    if len(said) != 2 or said[0] != "modgud":
        raise Refused(f"{program} is another program; name modgud's binary, such as target/release/modgud")
    return said[1]


def main():
    """Writes the image of modgud."""
    parser = argparse.ArgumentParser(description="Writes modgud's image as an OCI archive, without an engine and without a network.")
    parser.add_argument("program", type=pathlib.Path, help="the binary, such as target/release/modgud")
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="FILE", help="the archive to write")
    parser.add_argument("--tag", required=True, metavar="NAME:TAG", help="the name of the image, such as registry.example.com/modgud:0.1.0")
    parser.add_argument("--revision", default="", metavar="COMMIT", help="the commit, for the label of that name")
    asked = parser.parse_args()
    if ":" not in asked.tag.rpartition("/")[2]:
        parser.error(f"`{asked.tag}` has no tag; write NAME:TAG")
    try:
        version = version_of(asked.program)
        labels, ports = labels_of(version, asked.revision), ("9191/tcp", "9192/tcp")
        name, size = write_program(asked.output, asked.tag, asked.program, "/usr/bin/modgud", ["serve"], labels, ports)
    except (Refused, OSError) as refused:
        print(f"oci_image: {refused}", file=sys.stderr)
        return 1
    print(f"{asked.tag}  {size / 1e6:.1f} MB packed  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
