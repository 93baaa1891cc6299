"""What a server cost: its CPU time and memory, taken from a control group of its own or from its tree of processes.

No server and no load is here.
"""

import os
import signal
import socket
import subprocess
import time

from report import Unable

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def find_cgroup_root():
    """The folder under which a control group with `cpu.stat` can be made."""
    for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.exists(f"{root}/cgroup.procs") and os.path.exists(f"{root}/cgroup.controllers"):
            return root
    raise Unable("there is no version 2 control group hierarchy; mount cgroup2 at /sys/fs/cgroup/unified")


class Group:
    """A control group: the CPU time of every process in it, those that have ended included."""

    def __init__(self, name):
        self.path = f"{find_cgroup_root()}/billet-bench-{os.getpid()}-{name}"
        os.mkdir(self.path)

    def enter(self):
        """Moves the calling process into it; for `preexec_fn`."""
        with open(f"{self.path}/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))

    def pids(self):
        with open(f"{self.path}/cgroup.procs") as procs:
            return [int(pid) for pid in procs.read().split()]

    def cpu(self):
        """CPU seconds so far, user and system."""
        with open(f"{self.path}/cpu.stat") as stat:
            return int(stat.readline().split()[1]) / 1e6

    def rss(self):
        """Resident memory of its processes now, in MiB."""
        pages = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/statm") as statm:
                    pages += int(statm.read().split()[1])
            except OSError:
                pass
        return pages * PAGE / 2**20

    def end(self):
        """Ends its processes, and itself."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                try:
                    os.kill(pid, sig)
                except OSError:
                    pass
            for _ in range(50):
                if not self.pids():
                    break
                time.sleep(0.1)
        try:
            os.rmdir(self.path)
        except OSError:
            pass


class Tree:
    """A process and all that it started, read from /proc: for what needs no root. Coarser than a control group."""

    def __init__(self, pid):
        self.pid = pid

    def stats(self):
        """The fields of `stat` after the name, of each process in it."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        found[int(entry)] = stat.read().rsplit(")", 1)[1].split()
                except OSError:
                    pass
        pending, tree = [self.pid], []
        while pending:
            pid = pending.pop()
            if pid in found:
                tree.append(found[pid])
            pending += [child for child, fields in found.items() if int(fields[1]) == pid]
        return tree

    def cpu(self):
        """CPU seconds so far, user and system, of children that were waited for, too (proc_pid_stat(5), 14 to 17)."""
        return sum(int(ticks) for fields in self.stats() for ticks in fields[11:15]) / TICKS

    def rss(self):
        """Resident memory now, in MiB; what processes share counts for each of them."""
        return sum(int(fields[21]) for fields in self.stats()) * PAGE / 2**20


def free_port():
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def cost_of(group, work):
    """What `work()` returned, and the CPU seconds that were used for it, a moment of settling included."""
    before = group.cpu()
    result = work()
    time.sleep(0.3)
    return result, group.cpu() - before


class Pair:
    """Two network namespaces with a wire between them: the server's (198.18.0.1/15) and the client's (198.18.0.2).

    198.18.0.0/15 is the range for benchmarks (RFC 2544, appendix C.2.2).
    """

    def __init__(self, name):
        self.server = f"bb{os.getpid()}{name}s"
        self.client = f"bb{os.getpid()}{name}c"
        run("ip", "netns", "add", self.server)
        run("ip", "netns", "add", self.client)
        run("ip", "-n", self.server, "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", self.client)
        for namespace, link, address in ((self.server, "v0", "198.18.0.1/15"), (self.client, "v1", "198.18.0.2/15")):
            run("ip", "-n", namespace, "addr", "add", address, "dev", link)
            run("ip", "-n", namespace, "link", "set", link, "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")

    def at_client(self, *command, timeout=120, check=True):
        """Runs a program on the client's side."""
        return run("ip", "netns", "exec", self.client, *command, timeout=timeout, check=check)

    def end(self):
        for namespace in (self.server, self.client):
            run("ip", "netns", "del", namespace, check=False)


class Server:
    """A server under test on its own wire and in its own control group."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        self.folder = folder
        self.pair = Pair(name.replace("-", "")[:4])
        self.group = Group(name)
        self.log = open(f"{folder}/{name}.log", "w")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.pair.server, *command],
            stdout=self.log, stderr=self.log, cwd=folder,
            env={**os.environ, **(environment or {})}, preexec_fn=self.group.enter,
        )

    def wait_until(self, ready, what):
        """Waits until `ready()` is true; a server that ends before that is told with its log."""
        for _ in range(120):
            if self.process.poll() is not None:
                raise Unable(f"{self.name} ended: {self.tail()}")
            if ready():
                return
            time.sleep(0.25)
        raise Unable(f"{self.name} does not answer {what}: {self.tail()}")

    def tail(self):
        with open(f"{self.folder}/{self.name}.log") as log:
            return log.read()[-2000:]

    def cost(self, work):
        """What `work()` returned, and the CPU seconds that the server used for it, a moment of settling included."""
        return cost_of(self.group, work)

    def end(self):
        self.group.end()
        self.process.wait()
        self.pair.end()
        self.log.close()


def run(*command, timeout=60, check=True, cwd=None):
    """Runs a program and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd, check=False)
    if check and done.returncode:
        raise Unable(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout
