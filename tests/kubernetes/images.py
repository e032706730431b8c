"""The images of the checks, written without an engine: modgud's as `tools/oci_image.py` writes it for everybody, Envoy's, and the samples'."""

import pathlib
import sys

from failure import Failure

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import oci_image  # noqa: E402  (the path comes first)
import sbom  # noqa: E402

MODGUD = "test.local/modgud:1"
# The same content by another name, so that an upgrade changes the pods.
MODGUD_NEXT = "test.local/modgud:2"
ENVOY = "test.local/envoy:1"
MODULE = "test.local/module:1"
PAUSE = "test.local/pause:1"
ENVOY_GATEWAY = "test.local/envoy-gateway:1"

# The whole image, packed, at most.
LARGEST = 12_000_000


def write_all(folder, modgud, envoy, programs):
    """Writes the archives. Returns their files by name, and what is to be said about modgud's."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = labels_of_modgud()
    wanted = {
        MODGUD: (modgud, "/usr/bin/modgud", ["serve"], labels),
        MODGUD_NEXT: (modgud, "/usr/bin/modgud", ["serve"], labels | {"org.opencontainers.image.version": "next"}),
        ENVOY: (envoy, "/usr/local/bin/envoy", [], None),
        MODULE: (programs.module, "/module", [], None),
        PAUSE: (programs.pause, "/pause", [], None),
    }
    written, sizes = {}, {}
    for tag, (program, path, command, labels) in wanted.items():
        # Packing Envoy well would take a minute, and it is not downloaded here.
        level = 9 if program == modgud else 1
        file = folder / f"{tag.rpartition('/')[2].replace(':', '-')}.tar"
        written[tag] = file
        sizes[tag] = oci_image.write_program(file, tag, program, path, command, labels, level=level)
    digest, size = sizes[MODGUD]
    again = folder / "again.tar"
    if oci_image.write_program(again, MODGUD, modgud, "/usr/bin/modgud", ["serve"], labels_of_modgud()) != (digest, size):
        raise Failure("the same files give another image")
    again.unlink()
    if size > LARGEST:
        raise Failure(f"modgud's image has {size / 1e6:.1f} MB packed; at most {LARGEST / 1e6:.0f}")
    listed = len(sbom.crates(modgud))
    return written, f"modgud's image: {size / 1e6:.1f} MB packed, {digest[:19]}…, twice the same; it lists its {listed} crates"


def labels_of_modgud():
    """The labels of modgud's image here."""
    return oci_image.labels_of("test", "")
