#!/usr/bin/env python3
"""`make bench-redfish`: our Redfish client against sushy, in turn in one run, and ten thousand BMCs polled by one process.

The BMCs are simulated ones (bmc/mock) in a process of their own, each at its own loopback address, over TLS for both
clients; only the clients' CPU time counts. sushy is used as OpenStack Ironic uses it: one cached session, `get_system` for
each query; it has the BMC close each connection after one answer. What it would cost with its connection kept, which its
users can't choose, is measured beside it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from measure import goal, median, ratio, spread  # noqa: E402

FIRST = "127.2.0.1"
PORT = 9643
USER = "admin"
PASSWORD = "bench-secret-1234"


class Bmcs:
    """The simulated BMCs, in a process of their own."""

    def __init__(self, program, count, password_file):
        command = [program, "--count", str(count), "--first", FIRST, "--port", str(PORT), "--user", USER]
        self.process = subprocess.Popen(
            [*command, "--password-file", password_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline().strip()
        if not line.startswith("ready"):
            self.end()
            raise SystemExit(f"bench: the simulated BMCs said {line!r} instead of `ready`")

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Sushy:
    """sushy with its session kept, as Ironic keeps it; `kept`: its connection, too."""

    def __init__(self, kept):
        import sushy
        import urllib3

        urllib3.disable_warnings()
        auth = sushy.auth.SessionAuth(USER, PASSWORD)
        self.root = sushy.Sushy(f"https://{FIRST}:{PORT}/redfish/v1", auth=auth, verify=False)
        if kept:
            del self.root._conn._session.headers["Connection"]
        self.path = self.root.get_system_collection().members_identities[0]

    def query(self, times):
        """CPU milliseconds of one power query."""
        before = own_cpu()
        for _ in range(times):
            if self.root.get_system(self.path).power_state.value != "Off":
                raise SystemExit("bench: sushy did not read `Off`")
        return 1000 * (own_cpu() - before) / times


def own_cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def poll(program, password_file, count, interval, seconds):
    """Polls `count` BMCs each `interval` seconds from one process; what it says of itself."""
    command = [program, "--redfish", "--count", str(count), "--first", FIRST, "--port", str(PORT), "--user", USER]
    command += ["--password-file", password_file, "--interval", str(interval), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if result["errors"]:
        print(f"redfish: {result['errors']} of {result['polls']} polls failed: {done.stderr[-500:]}")
    return result


def queries(program, password_file, rounds):
    """One power query with kept connections: sushy, twice, and ours in turn. Returns milliseconds of CPU for each."""
    sushy, sushy_kept = Sushy(kept=False), Sushy(kept=True)
    costs = {"sushy": [], "sushy-kept": [], "kept": []}
    for turn in range(rounds + 1):
        found = {"sushy": sushy.query(100), "sushy-kept": sushy_kept.query(500)}
        # 20 BMCs, each a hundred times a second: connections are kept and the process is as busy as sushy's; logging in and
        # its start are in it.
        result = poll(program, password_file, 20, 0.01, 5)
        found["kept"] = 1000 * result["cpu_seconds"] / result["polls"]
        # The first round brings programs into memory.
        if turn:
            for name, value in found.items():
                costs[name].append(value)
    return costs


def bench(programs, folder, rounds, count, cycles):
    password_file = f"{folder}/password"
    with open(password_file, "w") as file:
        file.write(PASSWORD + "\n")
    os.chmod(password_file, 0o600)
    bmcs = Bmcs(programs["fleet"], count, password_file)
    try:
        costs = queries(programs["poll"], password_file, rounds)
        # The first minute, in which all log in, counts apart.
        fleet = poll(programs["poll"], password_file, count, 60, 60 * (cycles + 1))
    finally:
        bmcs.end()
    names = {
        "sushy": "sushy, session kept, a connection for each query",
        "sushy-kept": "sushy, session kept, connection kept against its will",
        "kept": "ours, one process, connections kept",
    }
    for name, values in costs.items():
        print(f"redfish {names[name]}: CPU ms per query {spread(values)}, median {median(values):.3f}")
    print(f"redfish ours to sushy with its connection kept: {ratio(costs['kept'], costs['sushy-kept']):.3f}")
    share = fleet["steady_cpu_seconds"] / fleet["steady_seconds"]
    logins = fleet["cpu_seconds"] - fleet["steady_cpu_seconds"]
    print(
        f"redfish {count} BMCs each 60 s for {cycles} min: {fleet['polls']} polls, {fleet['errors']} failed, logging in and out "
        f"{1000 * logins / count:.2f} ms of CPU each, then {100 * share:.2f} % of "
        f"a core, {fleet['max_rss_kib'] / 1024:.0f} MiB, latency ms p50 {fleet['p50_ms']:.2f} p99 {fleet['p99_ms']:.2f}"
    )
    return [
        goal("redfish-power-query-cpu-vs-sushy", ratio(costs["kept"], costs["sushy"]), "<=", 0.05),
        goal("redfish-10000-bmcs-core-percent", 100 * share, "<=", 5, "%"),
        goal("redfish-10000-bmcs-memory", fleet["max_rss_kib"] / 1024, "<=", 100, "MiB"),
        goal("redfish-10000-bmcs-failed-polls", fleet["errors"], "<=", 0),
    ].count(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each client has its turn")
    parser.add_argument("--count", type=int, default=10000, help="how many BMCs are polled at the end")
    parser.add_argument("--cycles", type=int, default=3, help="how many minutes they are polled")
    parser.add_argument("--programs", default="target/release", help="the folder of examples/")
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.programs)
    programs = {"poll": f"{folder}/examples/poll", "fleet": f"{folder}/examples/redfish_fleet"}
    with tempfile.TemporaryDirectory(prefix="billet-bench-redfish-") as work:
        missed = bench(programs, work, arguments.rounds, arguments.count, arguments.cycles)
    print(f"redfish: {missed} goals missed" if missed else "redfish: all goals met", flush=True)


if __name__ == "__main__":
    main()
