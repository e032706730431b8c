"""Finds or installs programs for the tests, without root: `python3 tools/debian_programs.py FOLDER NAME…`.

A program of the PATH that is new enough is taken. The others come from the packages of Debian or Ubuntu: apt-get downloads them, with the
libraries that this machine lacks, and dpkg-deb unpacks them below FOLDER. Nothing outside of FOLDER changes. A second run needs no network.
FOLDER/bin has the programs. What can't be had is printed; with CI=true that is an error.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Each program with its package, the tests that need it, the oldest version that these work with (for proxies, that of docs/proxies.md),
# how it shows its version, and what it must have been built with.
PROGRAMS = {
    "nginx": ("nginx", "proxies::nginx", (1, 22), ["-V"], "--with-http_auth_request_module"),
    "caddy": ("caddy", "proxies::caddy", (2, 6), ["version"], ""),
    "haproxy": ("haproxy", "proxies::haproxy", (2, 6), ["-vv"], "Built with Lua"),
    "prometheus": ("prometheus", "prometheus::", (2, 42), ["--version"], ""),
    "promtool": ("prometheus", "prometheus::", (2, 42), ["--version"], ""),
    "chromium": ("chromium", "page::browser", (120, 0), ["--version"], ""),
    "chromedriver": ("chromium-driver", "page::browser", (120, 0), ["--version"], ""),
}
# Where administrators' programs are: not always on the PATH.
SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"]
# The C library belongs to the loader of this machine.
NOT_UNPACKED = {"libc6", "libc-bin", "libc6-dev"}
# Where packages put libraries; PulseAudio has a folder of its own, which its libraries name by a path below /usr.
LIBRARIES = ("usr/lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio", "lib/*-linux-gnu*")
# Pages of a program are not tested.
OF_PAGES = ("libjs-", "fonts-")


def say(text):
    """Prints a line about what happens."""
    print(f"modgud: {text}", flush=True)


def fault(name, program):
    """Returns why a program can't be used, or None if it can."""
    _, _, oldest, arguments, feature = PROGRAMS[name]
    try:
        shown = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return "it is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it does not run: {error}"
    text = shown.stdout + shown.stderr
    version = re.search(r"(\d+)\.(\d+)", text)
    if shown.returncode != 0 or not version:
        return f"it does not run: {text.strip()[:200]}"
    if tuple(map(int, version.groups())) < oldest:
        return f"version {version.group()} is older than {'.'.join(map(str, oldest))}"
    return None if feature in text else f"it lacks `{feature}`"


def on_this_machine(name):
    """Returns the program of the PATH, or None without one that can be used."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    program = shutil.which(name, path=path)
    why = program and fault(name, program)
    if why:
        say(f"{program} is not used: {why}")
    return None if why else program


def apt(folder, lists, arguments):
    """Runs apt-get in a folder, with the machine's package lists or with lists of our own. Returns its output; raises on failure."""
    command = ["apt-get", "-o", "APT::Sandbox::User=root", "-o", f"Dir::Cache={folder}/cache"]
    (folder / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    if lists:
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        command += ["-o", f"Dir::State::lists={lists}"]
    ran = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.strip() or ran.stdout.strip())
    return ran.stdout


def unpack(names, root, work):
    """Downloads the packages of these names, and what they need here, and unpacks them."""
    faults = []
    for lists in (None, work / "lists"):
        try:
            if lists:
                say("taking the lists of packages (apt-get update, into a folder of its own)")
                apt(work, lists, ["update"])
            # A simulation needs no root. It names each package that an installation would add.
            plan = apt(work, lists, ["install", "--simulate", "--no-install-recommends", *names])
            packages = [name for name in re.findall(r"^Inst (\S+)", plan, re.M) if name not in NOT_UNPACKED and not name.startswith(OF_PAGES)]
            packages += [name for name in names if name not in packages]
            say(f"downloading {' '.join(packages)}")
            apt(work, lists, ["download", *packages])
            break
        except RuntimeError as error:
            faults.append(str(error))
    else:
        raise RuntimeError("\n".join(faults))
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for package in sorted(work.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)


def wrap(name, root, program):
    """Writes a script that starts an unpacked program with its libraries."""
    # First where the real program is: that of /usr/bin is a script of the package, which looks in /usr.
    places = (f"usr/lib/{name}/{name}", f"usr/sbin/{name}", f"usr/bin/{name}", f"sbin/{name}")
    unpacked = next(root / place for place in places if (root / place).exists())
    libraries = [str(path) for pattern in LIBRARIES for path in sorted(root.glob(pattern))]
    prefix = f"LD_LIBRARY_PATH={shlex.quote(':'.join(libraries))} " if libraries else ""
    program.write_text(f'#!/bin/sh\n{prefix}exec {shlex.quote(str(unpacked))} "$@"\n')
    program.chmod(0o755)


def main():
    """Finds or installs the programs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", metavar="NAME", nargs="+", choices=PROGRAMS)
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    programs = {name: folder / "bin" / name for name in arguments.names}
    if all(program.exists() and not fault(name, program) for name, program in programs.items()):
        return 0
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    missing = []
    for name, program in programs.items():
        program.unlink(missing_ok=True)
        if found := on_this_machine(name):
            program.symlink_to(found)
        else:
            missing.append(name)
    if missing and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        say(f"unpacking {', '.join(missing)} of this distribution into {folder} (once, without root)")
        with tempfile.TemporaryDirectory(dir=folder) as work:
            try:
                unpack(sorted({PROGRAMS[name][0] for name in missing}), folder / "root", Path(work))
                for name in missing:
                    wrap(name, folder / "root", programs[name])
            except (RuntimeError, OSError, subprocess.CalledProcessError, StopIteration) as error:
                say(f"the packages could not be had: {error}")
    left_out = []
    for name in missing:
        why = fault(name, programs[name])
        if why:
            programs[name].unlink(missing_ok=True)
            left_out.append(name)
            say(f"no {name} ({why}): its tests are LEFT OUT (--skip {PROGRAMS[name][1]}); install it to run them")
    return 1 if left_out and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
