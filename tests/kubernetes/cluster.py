"""A Kubernetes of one node on a host of its own: containerd, etcd, API server, controllers, scheduler, kubelet, kube-proxy and names."""

import json
import os
import pathlib
import secrets
import subprocess
import tempfile

from failure import Failure, wait_until
from host import NAME, NODE, PODS, SERVICES

DNS = SERVICES.removesuffix("0/24") + "10"
API = SERVICES.removesuffix("0/24") + "1"
PAUSE = "test.local/pause:1"

CONTAINERD = """version = 2
root = "{folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE, runc can't lower a process's score for the out-of-memory killer.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""

KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
    "cgroupDriver": "cgroupfs",
    "cgroupRoot": f"/{NAME}",
    "enforceNodeAllocatable": [],
    # The kubelet rejects control groups of version 1 by default.
    "failCgroupV1": False,
    "failSwapOn": False,
    "resolvConf": "",
    "clusterDomain": "cluster.local",
    "clusterDNS": [DNS],
    "podLogsDir": "/var/log/pods",
    "serializeImagePulls": False,
    # The machine's disk is not the node's: nothing is evicted because of it.
    "imageGCHighThresholdPercent": 100,
    "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
    # How often the kubelet looks at ConfigMaps and Secrets of running pods; a minute by default.
    "syncFrequency": "5s",
}

PROXY = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "hostnameOverride": NAME,
    "mode": "iptables",
    "clusterCIDR": PODS,
    # The table of connections is the machine's: its size stays.
    "conntrack": {"maxPerCore": 0},
}

COREFILE = """.:53 {{
    errors
    ready
    kubernetes cluster.local {{
        kubeconfig {kubeconfig} {name}
    }}
}}
"""

DNS_SERVICE = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": DNS, "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]},
    },
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}],
        "endpoints": [{"addresses": [NODE], "conditions": {"ready": True}}],
    },
]


class Cluster:
    """The cluster, and kubectl, helm and HTTP requests from its node. `programs` names the files of the programs that it needs."""

    def __init__(self, host, programs):
        self.host = host
        self.programs = programs
        self.folder = host.folder
        self.kubeconfig = self.folder / "admin.kubeconfig"
        # Options of curl for every request.
        self.curl = []

    def kubernetes(self, part, *options):
        """Starts a part of Kubernetes."""
        self.host.spawn(part, self.programs.kubernetes, part, *options)

    # Start

    def start_containers(self, images):
        """containerd, with these images (OCI archives)."""
        config = self.folder / "containerd.toml"
        config.write_text(CONTAINERD.format(folder=self.folder, pause=PAUSE))
        self.host.spawn("containerd", "containerd", "--config", config)
        self.wait("containerd", 20, lambda: self.host.run("ctr", "version") or True, "containerd")
        for image in images:
            self.load(image)

    def load(self, archive):
        """Makes the image of an OCI archive known to the node."""
        self.host.run("ctr", "--namespace", "k8s.io", "images", "import", archive, seconds=120)

    def start_control_plane(self):
        """etcd, API server, controllers and scheduler."""
        keys = self.folder / "keys"
        self.make_keys(keys)
        client = "http://127.0.0.1:2379"
        self.host.spawn(
            *("etcd", self.programs.etcd, "--data-dir", "/var/lib/etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", "http://127.0.0.1:2380"),
        )
        self.kubernetes(
            *("apiserver", f"--etcd-servers={client}", "--bind-address=0.0.0.0", "--secure-port=6443", f"--advertise-address={NODE}"),
            *(f"--tls-cert-file={keys}/api.crt", f"--tls-private-key-file={keys}/api.key", f"--client-ca-file={keys}/ca.crt"),
            *(f"--token-auth-file={keys}/tokens.csv", "--authorization-mode=RBAC", f"--service-cluster-ip-range={SERVICES}"),
            *("--service-account-issuer=https://kubernetes.default.svc", "--allow-privileged=true", "--endpoint-reconciler-type=none"),
            *(f"--service-account-key-file={keys}/accounts.key", f"--service-account-signing-key-file={keys}/accounts.key"),
            # By address: no server resolves the node's name, and without it there are no logs and no `exec`.
            "--kubelet-preferred-address-types=InternalIP",
        )
        self.wait("the API server", 60, lambda: self.kubectl("get", "--raw", "/readyz"), "apiserver")
        self.kubernetes(
            *("controller-manager", f"--kubeconfig={self.kubeconfig}", f"--service-account-private-key-file={keys}/accounts.key"),
            *(f"--root-ca-file={keys}/ca.crt", "--use-service-account-credentials=true", "--leader-elect=false"),
            *("--allocate-node-cidrs=false", "--bind-address=127.0.0.1"),
        )
        self.kubernetes("scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1")

    def start_node(self):
        """The kubelet and kube-proxy."""
        kubelet = self.folder / "kubelet.json"
        kubelet.write_text(json.dumps(KUBELET))
        self.kubernetes(
            *("kubelet", f"--config={kubelet}", f"--kubeconfig={self.kubeconfig}", f"--hostname-override={NAME}", f"--node-ip={NODE}"),
            "--root-dir=/var/lib/kubelet",
        )
        proxy = self.folder / "proxy.json"
        proxy.write_text(json.dumps({**PROXY, "clientConnection": {"kubeconfig": str(self.kubeconfig)}}))
        self.kubernetes("proxy", f"--config={proxy}")
        ready = '{.status.conditions[?(@.type=="Ready")].status}'
        self.wait("the node", 60, lambda: self.kubectl("get", "node", NAME, "-o", f"jsonpath={ready}") == "True", "kubelet")

    def start_names(self):
        """CoreDNS, at the address that pods are told."""
        corefile = self.folder / "Corefile"
        corefile.write_text(COREFILE.format(kubeconfig=self.kubeconfig, name=NAME))
        self.host.spawn("coredns", self.programs.coredns, "-conf", corefile)
        self.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": DNS_SERVICE}))
        self.wait("CoreDNS", 20, lambda: self.host.run("curl", "--fail", "--silent", "http://127.0.0.1:8181/ready"), "coredns")

    def make_keys(self, folder):
        """An authority, the API server's certificate, the key of service accounts, and an administrator's token."""
        folder.mkdir()

        def openssl(*argv):
            subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)

        new = ("-newkey", "rsa:2048", "-nodes")
        openssl("genrsa", "-out", "accounts.key", "2048")
        authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test", *authority)
        openssl("req", *new, "-keyout", "api.key", "-out", "api.csr", "-subj", "/CN=kube-apiserver")
        names = ["IP:127.0.0.1", f"IP:{NODE}", f"IP:{API}", "DNS:kubernetes.default.svc", "DNS:kubernetes.default"]
        (folder / "extensions").write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", "api.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "2", "-extfile", "extensions", "-out", "api.crt")
        token = secrets.token_hex(16)
        (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
        server = {"server": "https://127.0.0.1:6443", "certificate-authority": f"{folder}/ca.crt"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": NAME, "cluster": server}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": "admin"}}],
            "current-context": NAME,
        }
        self.kubeconfig.write_text(json.dumps(config))
        self.kubeconfig.chmod(0o600)

    def wait(self, what, seconds, ready, log):
        """Waits for a part; a failure has the end of its log."""
        try:
            wait_until(what, seconds, ready)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.host.log_tail(log)}") from None

    # Use

    def kubectl(self, *argv, input=None, seconds=60):
        """Runs kubectl and returns what it wrote."""
        return self.host.run(self.programs.kubernetes, "kubectl", f"--kubeconfig={self.kubeconfig}", *argv, input=input, seconds=seconds)

    def get(self, namespace, *argv):
        """Returns objects, parsed."""
        return json.loads(self.kubectl("--namespace", namespace, "get", *argv, "--output=json"))

    def apply(self, text, *options):
        """Applies manifests, as text."""
        return self.kubectl("apply", *options, "--filename=-", input=text)

    def kustomize(self, folder, images, patches=()):
        """Builds a kustomization with images of this node instead of those it names. Images: name → name:tag."""
        replaced = [{"name": name, "newName": new.rpartition(":")[0], "newTag": new.rpartition(":")[2]} for name, new in images.items()]
        with tempfile.TemporaryDirectory(dir=self.folder) as own:
            # kustomize accepts relative paths only.
            base = os.path.relpath(os.path.realpath(folder), os.path.realpath(own))
            kustomization = {"resources": [base], "images": replaced, "patches": list(patches)}
            (pathlib.Path(own) / "kustomization.yaml").write_text(json.dumps(kustomization))
            return self.kubectl("kustomize", own, "--load-restrictor=LoadRestrictionsNone")

    def helm(self, *argv, seconds=120):
        """Runs helm and returns what it wrote."""
        home = {f"HELM_{kind}_HOME": f"{self.folder}/helm" for kind in ("CACHE", "CONFIG", "DATA")}
        return self.host.run(self.programs.helm, f"--kubeconfig={self.kubeconfig}", *argv, seconds=seconds, env=home)

    def rolled_out(self, namespace, deployment, seconds=90):
        """Waits until a deployment has its pods ready; a failure says what its pods say."""
        try:
            self.kubectl("--namespace", namespace, "rollout", "status", f"deployment/{deployment}", f"--timeout={seconds}s", seconds=seconds + 10)
        except Failure as failure:
            events = self.kubectl("--namespace", namespace, "get", "events", "--sort-by=.lastTimestamp")
            raise Failure(f"{failure}\n" + "\n".join(events.splitlines()[-12:])) from None

    def address(self, namespace, service):
        """The address of a Service."""
        return self.get(namespace, "service", service)["spec"]["clusterIP"]

    def http(self, url, *options):
        """Sends a request with curl from the node. Returns the status and the body; status 0 if there is no response."""
        argv = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", *self.curl, *options, url]
        done = subprocess.run(self.host.inside(argv), capture_output=True, text=True, timeout=30, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body
