"""The power of a machine over Redfish, with TLS: ours against sushy as OpenStack Ironic uses it.

sushy has the BMC close each connection after one answer. What it would cost with its connection kept, which its users
can't choose, is measured beside it.
"""

import json

import bmcs
from measure import run as command
from needs import CACHE, HERE, REPOSITORY, Needs, python_version
from report import Findings, Goal, ratios

NAME = "redfish"
PROTOCOL = bmcs.Protocol(NAME, "127.2.0.1", 9643, "redfish_fleet", ("--redfish",), first_minute_apart=True)
GOALS = [Goal("redfish-power-query-cpu-vs-sushy", "<=", 0.05), *PROTOCOL.goals()]
CLIENTS = {
    "sushy": "sushy, session kept, a connection for each query",
    "sushy kept": "sushy, session kept, connection kept against its will",
    "ours": "one process, sessions and connections kept",
}
#: With what lab/python.txt lists.
PYTHON = f"{CACHE}/python/bin/python"


def packages():
    return Needs()


def versions():
    return {"sushy": python_version(PYTHON, "sushy")}


def build():
    command(f"{REPOSITORY}/lab/setup", timeout=1800)
    PROTOCOL.build()


def sushy(password_file, times, *options):
    """CPU ms of a query by sushy, after it has logged in."""
    root = f"https://{PROTOCOL.first}:{PROTOCOL.port}/redfish/v1"
    text = command(PYTHON, "-I", "-B", f"{HERE}/sushy_client.py", root, bmcs.USER, password_file, str(times), *options)
    return json.loads(text)["ms"]


def run(rounds, quick, folder):
    """sushy, twice, and ours in turn, then all BMCs by one process."""
    findings = Findings(NAME, GOALS)
    costs = {name: [] for name in CLIENTS}
    with PROTOCOL.simulated(folder, 100 if quick else bmcs.COUNT) as password_file:
        for turn in range(rounds + 1):
            found = [sushy(password_file, 100), sushy(password_file, 500, "--kept")]
            # 20 BMCs, each a hundred times a second: connections are kept and the process is as busy as sushy's;
            # logging in and its start are in it.
            result = PROTOCOL.poll(password_file, 20, 0.01, 2 if quick else 3)
            found.append(1000 * result["cpu_seconds"] / result["polls"])
            # The first round brings programs into memory.
            if turn:
                for name, cost in zip(CLIENTS, found, strict=True):
                    costs[name].append(cost)
        bmcs.table_of_queries(findings, CLIENTS, costs, "sushy")
        PROTOCOL.poll_all(findings, password_file, quick)
    findings.measured("redfish-power-query-cpu-vs-sushy", ratios(costs["ours"], costs["sushy"]))
    return findings
