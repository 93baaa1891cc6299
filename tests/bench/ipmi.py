"""The power of a machine over IPMI: ours against ipmitool, which is called as OpenStack Ironic calls it: a process for
each query.
"""

import os
import resource
import subprocess

import bmcs
from billet import PROGRAM
from needs import Needs, build_release, debian_versions
from report import Findings, Goal, Unable, ratios

NAME = "ipmi"
SUITE = "17"
PROTOCOL = bmcs.Protocol(NAME, "127.1.0.1", 9623, "fleet", ("--suite", SUITE))
GOALS = [
    Goal("ipmi-power-query-cpu-vs-ipmitool", "<=", 0.01),
    Goal("ipmi-power-query-by-cli-cpu-vs-ipmitool", "<=", 1),
    *PROTOCOL.goals(),
]
CLIENTS = {
    "ipmitool": "ipmitool, a process for each query",
    "cli": "`billet bmc power status`, a process for each query",
    "one process": "one process, a new session for each query",
}


def packages():
    return Needs(debian=("ipmitool",))


def versions():
    return debian_versions(ipmitool="ipmitool")


def build():
    build_release("provisioner")
    PROTOCOL.build()


def children_cpu():
    """CPU seconds of all children that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cost_of(command, environment, times):
    """CPU ms of a program, run so often; it has to say each time that power is off."""
    before = children_cpu()
    for _ in range(times):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False)
        if done.returncode or "off" not in done.stdout:
            raise Unable(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return 1000 * (children_cpu() - before) / times


def ipmitool(password_file):
    """As Ironic 39 runs it (ironic/drivers/modules/ipmitool.py), with the suite pinned for both sides."""
    command = ["ipmitool", "-I", "lanplus", "-H", PROTOCOL.first, "-L", "ADMINISTRATOR", "-p", str(PROTOCOL.port)]
    return [*command, "-U", bmcs.USER, "-v", "-R", "12", "-N", "5", "-C", SUITE, "-f", password_file, "power", "status"]


def billet(password_file):
    command = [PROGRAM, "bmc", "power", "status", "-H", PROTOCOL.first, "-p", str(PROTOCOL.port)]
    return [*command, "-U", bmcs.USER, "-C", SUITE, "-f", password_file]


def run(rounds, quick, folder):
    """ipmitool and ours in turn, then all BMCs by one process."""
    findings = Findings(NAME, GOALS)
    costs = {name: [] for name in CLIENTS}
    with PROTOCOL.simulated(folder, 2000 if quick else bmcs.COUNT) as password_file:
        for turn in range(rounds + 1):
            found = [
                cost_of(ipmitool(password_file), {}, 20),
                cost_of(billet(password_file), {"XDG_RUNTIME_DIR": folder}, 20),
            ]
            # Each BMC once, so that logging in, logging out and the start of the process are all in it.
            result = PROTOCOL.poll(password_file, 2000, 5, 5)
            found.append(1000 * result["cpu_seconds"] / result["polls"])
            # The first round brings programs into memory.
            if turn:
                for name, cost in zip(CLIENTS, found, strict=True):
                    costs[name].append(cost)
        bmcs.table_of_queries(findings, CLIENTS, costs, "ipmitool")
        PROTOCOL.poll_all(findings, password_file, quick)
    findings.measured("ipmi-power-query-cpu-vs-ipmitool", ratios(costs["one process"], costs["ipmitool"]))
    findings.measured("ipmi-power-query-by-cli-cpu-vs-ipmitool", ratios(costs["cli"], costs["ipmitool"]))
    return findings
