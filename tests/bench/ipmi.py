#!/usr/bin/env python3
"""`make bench-ipmi`: our IPMI client against ipmitool, in turn in one run, and ten thousand BMCs polled by one process.

The BMCs are simulated ones (bmc/mock) in a process of their own, each at its own loopback address; only the clients' CPU
time counts, children included. ipmitool is called as OpenStack Ironic calls it: a process for each query.
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

FIRST = "127.1.0.1"
PORT = 9623
USER = "admin"
PASSWORD = "bench-secret-1234"
SUITE = "17"


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


def children_cpu():
    """CPU seconds of all children that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cost_of(commands):
    """CPU seconds of these programs, one after the other; each has to say that power is off."""
    before = children_cpu()
    for command, environment in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})
        if done.returncode or "off" not in done.stdout:
            raise SystemExit(f"bench: {' '.join(command)}: {done.stdout}{done.stderr}")
    return children_cpu() - before


def ipmitool(password_file):
    """As Ironic 39 runs it (ironic/drivers/modules/ipmitool.py), with the suite pinned for both sides."""
    command = ["ipmitool", "-I", "lanplus", "-H", FIRST, "-L", "ADMINISTRATOR", "-p", str(PORT), "-U", USER, "-v"]
    return [*command, "-R", "12", "-N", "5", "-C", SUITE, "-f", password_file, "power", "status"], {}


def billet(program, password_file):
    command = [program, "bmc", "power", "status", "-H", FIRST, "-p", str(PORT), "-U", USER, "-C", SUITE]
    return [*command, "-f", password_file], {"XDG_RUNTIME_DIR": os.path.dirname(password_file)}


def poll(program, password_file, count, interval, seconds):
    """Polls `count` BMCs each `interval` seconds from one process; what it says of itself."""
    command = [program, "--count", str(count), "--first", FIRST, "--port", str(PORT), "--user", USER]
    command += ["--password-file", password_file, "--suite", SUITE, "--interval", str(interval), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 300)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if result["errors"]:
        print(f"ipmi: {result['errors']} of {result['polls']} polls failed: {done.stderr[-500:]}")
    return result


def queries(programs, password_file, rounds):
    """One power query: ipmitool and ours in turn. Returns milliseconds of CPU for each."""
    costs = {"ipmitool": [], "billet": [], "one-process": []}
    for turn in range(rounds + 1):
        found = {
            "ipmitool": cost_of([ipmitool(password_file)] * 20) / 20,
            "billet": cost_of([billet(programs["billet"], password_file)] * 20) / 20,
        }
        # Each BMC once, so that logging in, logging out and the start of the process are all in it.
        result = poll(programs["poll"], password_file, 2000, 10, 10)
        found["one-process"] = result["cpu_seconds"] / result["polls"]
        # The first round brings programs into memory.
        if turn:
            for name, seconds in found.items():
                costs[name].append(1000 * seconds)
    return costs


def bench(programs, folder, rounds, count, cycles):
    password_file = f"{folder}/password"
    with open(password_file, "w") as file:
        file.write(PASSWORD + "\n")
    os.chmod(password_file, 0o600)
    bmcs = Bmcs(programs["fleet"], count, password_file)
    try:
        costs = queries(programs, password_file, rounds)
        fleet = poll(programs["poll"], password_file, count, 60, 60 * cycles)
    finally:
        bmcs.end()
    names = {
        "ipmitool": "ipmitool, a process for each query",
        "billet": "billet bmc power status, a process for each query",
        "one-process": "ours, one process, a new session for each query",
    }
    for name, values in costs.items():
        print(f"ipmi {names[name]}: CPU ms per query {spread(values)}")
    share = fleet["cpu_seconds"] / (60 * cycles)
    print(
        f"ipmi {count} BMCs each 60 s for {cycles} min: {fleet['polls']} polls, {fleet['errors']} failed, {100 * share:.2f} % of a "
        f"core, {fleet['max_rss_kib'] / 1024:.0f} MiB, latency ms p50 {fleet['p50_ms']:.2f} p99 {fleet['p99_ms']:.2f}"
    )
    return [
        goal("ipmi-power-query-cpu-vs-ipmitool", ratio(costs["one-process"], costs["ipmitool"]), "<=", 0.01),
        goal("ipmi-power-query-by-cli-cpu-vs-ipmitool", ratio(costs["billet"], costs["ipmitool"]), "<=", 1),
        goal("ipmi-10000-bmcs-core-percent", 100 * share, "<=", 5, "%"),
        goal("ipmi-10000-bmcs-memory", fleet["max_rss_kib"] / 1024, "<=", 100, "MiB"),
        goal("ipmi-10000-bmcs-failed-polls", fleet["errors"], "<=", 0),
    ].count(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each client has its turn")
    parser.add_argument("--count", type=int, default=10000, help="how many BMCs are polled at the end")
    parser.add_argument("--cycles", type=int, default=3, help="how many minutes they are polled")
    parser.add_argument("--programs", default="target/release", help="the folder of billet and of examples/")
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.programs)
    programs = {"billet": f"{folder}/billet", "poll": f"{folder}/examples/poll", "fleet": f"{folder}/examples/fleet"}
    with tempfile.TemporaryDirectory(prefix="billet-bench-ipmi-") as work:
        missed = bench(programs, work, arguments.rounds, arguments.count, arguments.cycles)
    print(f"ipmi: {missed} goals missed" if missed else "ipmi: all goals met", flush=True)


if __name__ == "__main__":
    main()
