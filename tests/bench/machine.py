"""The machine that a bench runs on, as far as figures depend on it."""

import datetime
import os
import platform
import subprocess
import tempfile
import time


def describe(rounds):
    """Everything that is known before the bench begins."""
    return {
        "date": datetime.date.today().isoformat(), "commit": commit(), "rounds": rounds,
        "cpu": processor(), "cores": os.cpu_count(), "memory_gib": memory_gib(), "kernel": platform.release(),
        "system": system(), "load_before": load(), "fsync_ms": fsync_ms(),
    }


def load():
    """Processes that ran or wanted to, on average over the last minute."""
    return os.getloadavg()[0]


def commit():
    """The commit, and whether there are changes that are not in it."""
    said = lambda *arguments: subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    changed = said("status", "--porcelain", "--untracked-files=no", "--", ":!docs")
    return (said("rev-parse", "--short=10", "HEAD") or "unknown") + (" and changes" if changed else "")


def field(path, name):
    """The value of `name: value` in a file of /proc."""
    with open(path) as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return None


def processor():
    return field("/proc/cpuinfo", "model name") or platform.machine()


def memory_gib():
    return int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20


def system():
    return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown") if os.path.exists("/etc/os-release") else "unknown"


def fsync_ms(times=200):
    """Milliseconds that 200 bytes appended to a file need to be on the disk: what a transaction costs at least."""
    found = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(times):
            start = time.monotonic()
            file.write(b"x" * 200)
            os.fsync(file.fileno())
            found.append(1000 * (time.monotonic() - start))
    return found
