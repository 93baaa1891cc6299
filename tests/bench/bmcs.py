"""What the benches of BMC protocols share: ten thousand simulated BMCs, our client that polls them, and what that costs.

The BMCs (bmc/mock) are a process of their own, each at its own loopback address; only clients' CPU time counts.
"""

import contextlib
import json
import os
import subprocess

from needs import RELEASE, build_release
from report import Goal, Unable, number, spread

USER = "admin"
PASSWORD = "bench-secret-1234"
#: How many BMCs one process polls, how often in seconds, and for how many minutes.
COUNT, INTERVAL, MINUTES = 10_000, 60, 2


class Protocol:
    """A protocol's simulated BMCs and our client for it."""

    def __init__(self, name, first, port, fleet, options=(), first_minute_apart=False):
        self.name = name
        self.first = first
        self.port = port
        self.fleet = fleet
        self.options = options
        #: Whether the first minute, in which all log in once and for all, counts apart.
        self.first_minute_apart = first_minute_apart

    def goals(self):
        """Those of one process that polls all of them."""
        many = f"{self.name}-{COUNT}-bmcs"
        return [
            Goal(f"{many}-core-percent", "<=", 5, "%"),
            Goal(f"{many}-memory", "<=", 100, "MiB"),
            Goal(f"{many}-failed-polls", "<=", 0),
        ]

    def build(self):
        build_release("bmc", "poll")
        build_release("bmc-mock", self.fleet)

    @contextlib.contextmanager
    def simulated(self, folder, count):
        """The BMCs, while this is open. Gives the file with their password."""
        password_file = f"{folder}/password"
        with open(password_file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(PASSWORD + "\n")
        command = [f"{RELEASE}/examples/{self.fleet}", *self.place(count, password_file)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            line = process.stdout.readline().strip()
            if not line.startswith("ready"):
                raise Unable(f"the simulated BMCs said {line!r} instead of `ready`")
            yield password_file
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()

    def place(self, count, password_file):
        """Where they are and how one logs in, for our programs."""
        place = ["--count", str(count), "--first", self.first, "--port", str(self.port)]
        return [*place, "--user", USER, "--password-file", password_file]

    def poll(self, password_file, count, interval, seconds, *options):
        """Polls `count` BMCs each `interval` seconds from one process; what it says of itself."""
        command = [f"{RELEASE}/examples/poll", *self.options, *options, *self.place(count, password_file)]
        command += ["--interval", str(interval), "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300, check=False)
        if done.returncode:
            raise Unable(f"{' '.join(command)}: {done.stderr}")
        result = json.loads(done.stdout.strip().splitlines()[-1])
        if result["errors"]:
            print(f"{self.name}: {result['errors']} of {result['polls']} polls failed: {done.stderr[-500:]}")
        return result

    def poll_all(self, findings, password_file, quick):
        """Ten thousand BMCs for some minutes: three goals and a table. Not when it is to be quick."""
        names = [goal.name for goal in self.goals()]
        if quick:
            findings.not_measured("it takes minutes", *names)
            return
        # As the service asks them: those of the same second together.
        found = self.poll(password_file, COUNT, INTERVAL, 60 * MINUTES, "--together", "1")
        log_in = 0
        cpu, seconds = found["cpu_seconds"], 60 * MINUTES
        if self.first_minute_apart:
            cpu, seconds = found["steady_cpu_seconds"], found["steady_seconds"]
            log_in = found["cpu_seconds"] - cpu
        memory = found["max_rss_kib"] / 1024
        for name, value in zip(names, (100 * cpu / seconds, memory, found["errors"]), strict=True):
            findings.measured(name, value)
        rows = [
            ["polls, failed ones", f"{found['polls']}, {found['errors']}"],
            ["% of a core", number(100 * cpu / seconds)],
            ["memory, MiB", number(memory)],
            ["ms until half, 99 % of the answers were there", f"{number(found['p50_ms'])}, {number(found['p99_ms'])}"],
        ]
        if self.first_minute_apart:
            rows[1][0] += ", after the first minute"
            rows.append(["CPU ms of logging in and out, each, once", number(1000 * log_in / COUNT)])
        findings.table([f"{COUNT} BMCs, each asked every {INTERVAL} s for {MINUTES} minutes by one process", ""], rows)


def table_of_queries(findings, words, costs, peer):
    """CPU ms per query of each client, and its ratio to the peer's."""
    rows = []
    for name, values in costs.items():
        share = "" if name == peer else spread([mine / theirs for mine, theirs in zip(values, costs[peer], strict=True)])
        rows.append([words[name], spread(values), share])
    findings.table(["one power query", "CPU ms", f"of {peer}'s"], rows)
