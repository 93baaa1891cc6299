"""What a bench needs of the machine: packages of Debian, programs of PyPI, root. What is missing is installed if that can
be done, and told if not.
"""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
from typing import NamedTuple

from report import Unable

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("BILLET_CACHE") or os.path.expanduser("~/.cache/billet")
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(REPOSITORY, "target"))
RELEASE = f"{TARGET}/release"
#: The programs that packages build.
PROGRAMS = {"provisioner": "billet", "lab": "billet-lab"}
#: Whether benches build what they measure; otherwise they take what is there. `bench.py --no-build` clears it.
builds = True


class Needs(NamedTuple):
    """What must be there."""

    #: Packages of Debian.
    debian: tuple = ()
    #: Whether it makes network namespaces and control groups.
    root: bool = False


def meet(needs):
    """Installs what is missing. Raises `Unable` with what can't be had."""
    if needs.root and os.geteuid():
        raise Unable("it needs root, for network namespaces and control groups")
    missing = [package for package in needs.debian if not debian_version(package)]
    if not missing:
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise Unable(f"packages are missing: {' '.join(missing)}")
    print(f"bench: installing with apt-get: {' '.join(missing)}", flush=True)
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=500"]
    install = [*apt, "install", "-y", "--no-install-recommends", *missing]
    if not quietly(install):
        quietly([*apt, "update"])
        if not quietly(install):
            raise Unable(f"packages can't be installed: {' '.join(missing)}")


def quietly(command):
    """Runs a program without its words; whether it succeeded."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, capture_output=True, env=environment, check=False).returncode == 0


def debian_version(package):
    """The version of an installed package without Debian's own suffix; none if it is not installed."""
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    except FileNotFoundError:
        return None
    if len(said) != 2 or said[0] != "installed":
        return None
    return said[1].split(":")[-1].split("-")[0]


def debian_versions(**packages):
    """Versions by the names that people know: `kea="kea-dhcp4-server"`."""
    found = {name: debian_version(package) for name, package in packages.items()}
    return {name: version for name, version in found.items() if version}


def python_version(python, distribution):
    """The version of something in an environment of Python."""
    code = f"import importlib.metadata; print(importlib.metadata.version({distribution!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def python_environment(name):
    """The Python of an environment with what NAME.txt here lists, and nothing else; made in the cache at first."""
    listed = f"{HERE}/{name}.txt"
    with open(listed, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    folder = f"{CACHE}/{name}-{digest}"
    os.makedirs(CACHE, exist_ok=True)
    with open(f"{CACHE}/{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{folder}/complete"):
            print(f"bench: installing {name} from PyPI into the cache", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            command = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            if not quietly(["/usr/bin/python3", "-m", "venv", folder]) or not quietly([*command, "-r", listed]):
                raise Unable(f"{name} can't be installed from PyPI")
            with open(f"{folder}/complete", "w"):
                pass
    return f"{folder}/bin/python"


def cargo(*arguments):
    """Builds something as it is released and returns what cargo printed. Raises `Unable` when it does not compile."""
    command = [os.environ.get("CARGO", "cargo"), *arguments[:1], "--locked", *arguments[1:]]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unable(f"`{' '.join(command)}` failed")
    return done.stdout


def must_be_there(path):
    """Raises `Unable` without this program, which nobody builds now."""
    if not os.path.exists(path):
        raise Unable(f"{path} is not there, and nothing was to be built")


def build_release(package, *examples):
    """`cargo build --release` of a package's program, or of its examples that are named."""
    if builds:
        cargo("build", "--release", "--package", package, *[word for name in examples for word in ("--example", name)])
    for name in [f"examples/{name}" for name in examples] or [PROGRAMS[package]]:
        must_be_there(f"{RELEASE}/{name}")


def build_bench(package, name):
    """`cargo bench --no-run` of a package's bench; the program."""
    if not builds:
        # Whatever else cargo puts there has an ending.
        found = [path for path in glob.glob(f"{RELEASE}/deps/{name}-*") if "." not in os.path.basename(path)]
        if not found:
            raise Unable(f"{RELEASE}/deps/{name}-… is not there, and nothing was to be built")
        return max(found, key=os.path.getmtime)
    said = cargo("bench", "--package", package, "--bench", name, "--no-run", "--message-format=json-render-diagnostics")
    for line in said.splitlines():
        artefact = json.loads(line)
        if artefact.get("executable") and artefact["target"]["name"] == name:
            return artefact["executable"]
    raise Unable(f"cargo built no bench {name}")
