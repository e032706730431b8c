"""The programs that the checks run, built from their sources into a cache outside of the project. A program that is there is not built again.

All come from the registry of Go modules, at the versions of the `go.mod` and `go.sum` files beside this one. Debian's packages have the rest.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from failure import Failure

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE / "programs"

KUBERNETES = "1.37.2"
HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
ENVOY_GATEWAY_VERSION = "v1.9.1"
ENVOY_GATEWAY = f"github.com/envoyproxy/gateway/cmd/envoy-gateway@{ENVOY_GATEWAY_VERSION}"
EGCTL = f"github.com/envoyproxy/gateway/cmd/egctl@{ENVOY_GATEWAY_VERSION}"
# Istio tags no Go modules: this is a commit of its 1.32 line.
ISTIO = "istio.io/istio/pilot/cmd/pilot-discovery@v0.0.0-20260827124520-eed52ebb66ad"
CONTOUR = "github.com/projectcontour/contour/cmd/contour@v1.33.8"

# The version that the parts of Kubernetes report: without it they report 0.0.0, and clients refuse them.
MAJOR, MINOR, _ = KUBERNETES.split(".")
STAMPS = {"gitVersion": f"v{KUBERNETES}", "gitMajor": MAJOR, "gitMinor": MINOR, "gitTreeState": "clean", "gitCommit": "module"}
STAMPED = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in STAMPS.items())

# What Debian's packages deliver: program → package.
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "curl": "curl",
    "ldd": "libc-bin",
    "objcopy": "binutils",
}


@dataclass(frozen=True)
class Program:
    """A program, what its first build costs, and how it is built: a folder of ours, or a package of a module at a version."""

    name: str
    cost: str
    folder: str = ""
    package: str = "."
    flags: tuple = ()

    def key(self, go):
        """Changes whenever the program has to be built again."""
        text = [go, self.folder, self.package, *self.flags]
        if self.folder:
            files = sorted(file for file in (SOURCES / self.folder).rglob("*") if file.is_file())
            text += [f"{file.relative_to(SOURCES)} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()


ALL = {
    program.name: program
    for program in (
        Program("kubernetes", "10 minutes of CPU time", "kubernetes", flags=("-trimpath", "-tags=nomsgpack", f"-ldflags=-s -w {STAMPED}")),
        Program("etcd", "40 s of CPU time", "etcd"),
        Program("coredns", "80 s of CPU time", "coredns"),
        Program("module", "2 s", "sample", "./module"),
        Program("load", "2 s", "sample", "./load"),
        Program("pause", "1 s", "sample", "./pause"),
        Program("helm", "2½ minutes of CPU time", package=HELM),
        Program("envoy-gateway", "6 minutes of CPU time", package=ENVOY_GATEWAY),
        Program("egctl", "1 minute of CPU time after envoy-gateway", package=EGCTL),
        Program("pilot-discovery", "6 minutes of CPU time", package=ISTIO),
        Program("contour", "5 minutes of CPU time", package=CONTOUR),
    )
}


def missing():
    """Says in one line why the checks can't run on this machine, or returns nothing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "they need Linux and root, for namespaces, mounts and control groups of their own"
    absent = [name for name in PACKAGES if not shutil.which(name)]
    if absent:
        packages = sorted({PACKAGES[name] for name in absent})
        return f"not found: {', '.join(absent)} (Debian: apt install {' '.join(packages)})"
    if not shutil.which("go"):
        return "not found: go, which builds Kubernetes from its sources; install Go 1.26 or later"
    return None


class Programs:
    """The cache. A program's file is `programs.NAME` (with `_` for `-`), once it is built."""

    def __init__(self, cache):
        # Go's cache depends on the paths of the sources: one name for one folder.
        self.cache = pathlib.Path(cache).resolve()
        self.files = self.cache / "bin"
        self.files.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            **{"GOPATH": f"{self.cache}/go", "GOMODCACHE": f"{self.cache}/go/pkg/mod", "GOCACHE": f"{self.cache}/go-build"},
            **{"GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"},
        }
        self.go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True, env=self.environment).stdout.strip()

    def __getattr__(self, name):
        return self.files / name.replace("_", "-")

    def modules(self):
        """The folder of the sources of modules, which have the definitions of custom resources."""
        return self.cache / "go/pkg/mod"

    def build(self, names):
        """Builds the programs that are not there."""
        for program in (ALL[name] for name in names):
            stamp = self.files / f".{program.name}.key"
            key = program.key(self.go)
            if (self.files / program.name).exists() and stamp.exists() and stamp.read_text() == key:
                continue
            print(f"building {program.name} into {self.cache} (once; about {program.cost})", flush=True)
            start = time.monotonic()
            self.compile(program)
            stamp.write_text(key)
            print(f"built {program.name} in {time.monotonic() - start:.0f} s", flush=True)

    def compile(self, program):
        """Runs Go. Go names each package that it has compiled, so that a long build shows that it goes on."""
        flags = program.flags or ("-ldflags=-s -w",)
        if program.folder:
            command, where = ["build", "-v", "-o", str(self.files / program.name), *flags, program.package], SOURCES / program.folder
        else:
            command, where = ["install", "-v", *flags, program.package], self.cache
        environment = {**self.environment, "GOBIN": str(self.files)}
        log = self.cache / f"{program.name}.log"
        with log.open("w") as written:
            going = subprocess.Popen(["go", *command], cwd=where, env=environment, stdout=written, stderr=written)
            shown = time.monotonic()
            while going.poll() is None:
                time.sleep(0.1)
                if time.monotonic() - shown > 30:
                    shown = time.monotonic()
                    print(f"  {program.name}: {sum(1 for _ in log.open())} packages", flush=True)
        if going.returncode != 0:
            said = "\n".join(log.read_text().splitlines()[-15:])
            raise Failure(f"go could not build {program.name} (the whole log: {log}):\n{said}")
