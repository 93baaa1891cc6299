"""What a server cost: its CPU time and memory, taken from a control group of its own; and lines that tell a goal.

No server and no load is here.
"""

import os
import statistics
import signal
import subprocess
import time


def find_cgroup_root():
    """The folder under which a control group with `cpu.stat` can be made."""
    for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        if os.path.exists(f"{root}/cgroup.procs") and os.path.exists(f"{root}/cgroup.controllers"):
            return root
    raise SystemExit("bench: there is no version 2 control group hierarchy; mount cgroup2 at /sys/fs/cgroup/unified")


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
        return pages * 4096 / 2**20

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
                raise SystemExit(f"bench: {self.name} ended: {self.tail()}")
            if ready():
                return
            time.sleep(0.25)
        raise SystemExit(f"bench: {self.name} does not answer {what}: {self.tail()}")

    def tail(self):
        with open(f"{self.folder}/{self.name}.log") as log:
            return log.read()[-2000:]

    def cost(self, work):
        """What `work()` returned, and the CPU seconds that the server used for it, a moment of settling included."""
        before = self.group.cpu()
        result = work()
        time.sleep(0.3)
        return result, self.group.cpu() - before

    def end(self):
        self.group.end()
        self.process.wait()
        self.pair.end()
        self.log.close()


def run(*command, timeout=60, check=True):
    """Runs a program and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


def median(values):
    return statistics.median(values)


def spread(values):
    """Least, median, most."""
    return "/".join(f"{value:.3g}" for value in (min(values), median(values), max(values)))


def goal(name, measured, relation, target, unit=""):
    """The closing line of one goal."""
    met = {"<=": measured <= target, ">=": measured >= target}[relation]
    print(f"goal {name} measured {measured:.3g}{unit} target {relation} {target:.3g}{unit} {'met' if met else 'missed'}")
    return met


def ratio(ours, peer):
    """The median of the rounds' own ratios: what one round measured, it measured under one load."""
    return median([mine / theirs for mine, theirs in zip(ours, peer) if theirs > 0])
