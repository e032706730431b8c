"""Starts a program as a service manager does: with listeners that are open already, and as another user.

The first argument is JSON: `sockets`, each with `name`, `address` and for a path `mode`; `listen: false` leaves one silent. `user`, `group`
and `groups` are numbers. `pid` replaces the process's own number. The rest is the command.
"""

import fcntl
import json
import os
import socket
import sys

FIRST = 3  # SD_LISTEN_FDS_START of sd_listen_fds(3)
ABOVE = 64  # no descriptor of the protocol is here

options = json.loads(sys.argv[1])
program, *arguments = sys.argv[2:]
# By its descriptor, since another user may not see the folder that it is in.
program_fd = fcntl.fcntl(os.open(program, os.O_RDONLY), fcntl.F_DUPFD_CLOEXEC, ABOVE)

opened = []
for passed in options.get("sockets", []):
    address = passed["address"]
    if address.startswith("unix:@"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0" + address[len("unix:@"):])
    elif address.startswith("unix:"):
        path = address[len("unix:"):]
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, int(passed["mode"], 8))
    else:
        host, port = address.rsplit(":", 1)
        listener = socket.socket(socket.AF_INET)
        listener.bind((host, int(port)))
    if passed.get("listen", True):
        listener.listen()
    opened.append(fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD, ABOVE))

for number, descriptor in enumerate(opened):
    os.dup2(descriptor, FIRST + number, inheritable=True)
    os.close(descriptor)

environment = dict(os.environ)
if opened:
    environment["LISTEN_FDS"] = str(len(opened))
    environment["LISTEN_PID"] = options.get("pid", str(os.getpid()))
    names = [passed.get("name", "") for passed in options["sockets"]]
    if any(names):
        environment["LISTEN_FDNAMES"] = ":".join(names)
if "user" in options:
    os.setgroups(options.get("groups", []))
    os.setgid(options["group"])
    os.setuid(options["user"])
os.execve(program_fd, [program, *arguments], environment)
