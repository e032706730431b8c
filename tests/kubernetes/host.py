"""A host of its own on this machine: network, mounts, processes and a name, in Linux namespaces. Ending its first process ends all of it.

Nothing here reaches the machine's own network. What runs inside sees the machine's files; `/run`, `/var/log` and the other folders
that a node writes to are fresh ones.
"""

import os
import pathlib
import shutil
import subprocess
import time

from failure import Failure, wait_until

# The addresses exist inside only.
NODE = "172.31.77.1"
PODS = "172.31.78.0/24"
SERVICES = "172.31.79.0/24"
# The name of the node, and of the control group under which all pods run.
NAME = "modgud-test"

# The kubelet sets these (`protectKernelDefaults`). The kernel has them once for the whole machine, so it gets files instead.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

SETUP = f"""
hostname {NAME}
mount --make-rshared /
for folder in /run /var/log /var/lib/cni /var/lib/kubelet /var/lib/etcd /etc/cni; do
  mkdir -p $folder; mount -t tmpfs -o mode=755 tmpfs $folder
done
mount --make-rshared /run
mount --make-rshared /var/lib/kubelet
ip link set lo up
# The node's address. The default route leads there too: addresses of Services need a route before the kernel rewrites them.
ip link add node0 type bridge; ip address add {NODE}/24 dev node0; ip link set node0 up
ip route add default dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward
mkdir -p /etc/cni/net.d
"""

# The network of pods: a pair of interfaces for each, with a route on the host.
CNI = f"""{{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {{"type": "ptp", "ipMasq": false, "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{PODS}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"""

CONTROL_GROUPS = pathlib.Path("/sys/fs/cgroup")


def control_groups():
    """The folders below which pods get their control groups: one for each controller (version 1), or one for all (version 2)."""
    if (CONTROL_GROUPS / "cgroup.controllers").exists():
        return [CONTROL_GROUPS / NAME]
    return [folder / NAME for folder in sorted(CONTROL_GROUPS.iterdir()) if folder.is_dir()]


class Host:
    """The host. `folder` has its logs (`log/`) and all that its programs write."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.logs = self.folder / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.first = None
        self.pid = None
        self.running = []

    def start(self):
        """Makes the namespaces and what a node expects to find in them."""
        self.first = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--mount-proc"]
            + ["sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            stderr=(self.logs / "unshare.log").open("ab"),
        )
        children = pathlib.Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children")
        self.pid = int(wait_until("the namespaces", 5, lambda: self.first_child(children), 0.02))
        wait_until("the first process", 5, lambda: pathlib.Path(f"/proc/{self.pid}/comm").read_text().strip() == "sleep", 0.02)
        self.run("bash", "-euc", SETUP)
        self.run("tee", "/etc/cni/net.d/10-pods.conflist", input=CNI)
        for name, value in KERNEL.items():
            file = self.folder / "kernel" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(value)
            self.run("mount", "--bind", file, f"/proc/sys/{name}")
        for group in control_groups():
            group.mkdir(exist_ok=True)
        cpuset = CONTROL_GROUPS / "cpuset"
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (cpuset / name).exists():
                (cpuset / NAME / name).write_text((cpuset / name).read_text())

    def first_child(self, children):
        if self.first.poll() is not None:
            raise Failure(f"unshare can't make the namespaces; run as root, with all capabilities\n{self.log_tail('unshare')}")
        return children.read_text().strip()

    def inside(self, argv):
        """The command line that runs `argv` inside."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--uts", "--ipc", "--"]
        return enter + [str(one) for one in argv]

    def run(self, *argv, input=None, seconds=60, env=None):
        """Runs a command inside and returns its standard output."""
        try:
            done = subprocess.run(
                self.inside(argv), input=input, capture_output=True, text=True, timeout=seconds, env={**os.environ, **(env or {})}
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"not done within {seconds} s: {' '.join(str(one) for one in argv)[:200]}") from None
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-1500:]
            raise Failure(f"exit {done.returncode} of {' '.join(str(one) for one in argv)[:200]}: {said}")
        return done.stdout

    def spawn(self, name, *argv, env=None):
        """Starts a program that runs until it is stopped. Its output is in `log/NAME.log`."""
        log = (self.logs / f"{name}.log").open("ab")
        process = subprocess.Popen(
            self.inside(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env={**os.environ, **(env or {})}
        )
        self.running.append(process)
        return process

    def log_tail(self, name, lines=5):
        """The end of a program's log."""
        file = self.logs / f"{name}.log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""

    def stop(self):
        """Ends every process inside, and removes the control groups and the folder but for the logs."""
        if self.first is not None:
            for process in reversed(self.running):
                process.kill()
            # The kernel ends all processes of a process namespace with its first one.
            if self.pid is not None:
                subprocess.run(["kill", "-KILL", str(self.pid)], check=False)
            for process in [*self.running, self.first]:
                process.wait()
        for group in control_groups():
            self.remove_group(group)
        for entry in self.folder.iterdir():
            if entry != self.logs:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    @staticmethod
    def remove_group(group):
        # A group is busy for a moment after its last process has ended.
        for _ in range(50):
            try:
                for folder, _, _ in os.walk(group, topdown=False):
                    os.rmdir(folder)
                return
            except OSError:
                time.sleep(0.1)
