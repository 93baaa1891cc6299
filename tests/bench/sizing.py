"""What a service for so many machines needs: memory, CPU, disk, measured with the simulated fleet."""

import fleet
from fleet import mib, phase
from needs import Needs
from report import Findings, Unable, number

NAME = "sizing"
GOALS = []
SIZES = (100, 1000, 10_000)
#: It is never quick.
LONG = True


def packages():
    return Needs()


def versions():
    return {}


def build():
    fleet.build()


def run(rounds, quick, folder):
    """Each size once: the figures are sums over all machines."""
    del rounds, quick
    findings = Findings(NAME, GOALS)
    rows = []
    for machines in SIZES:
        rows.append(row(machines, fleet.fly(folder, text(machines))))
    findings.table([
        "machines", "MiB of memory after start, polling, deploying (most)", "% of a core, polling",
        "CPU ms for each intake, deployment, release", "MiB of database after intake, first deployments; a deployment more",
        "seconds until a start answers, with all these machines, with all of them deploying",
    ], rows)
    return findings


def text(machines):
    """Start, intake, a restart, rest, deployments with a kill in the middle, release, and both once more."""
    return fleet.scenario(
        "size", machines, fleet.INTAKE, {"do": "restart"}, {"do": "steady", "for": "3m"},
        {"do": "deploy", "interrupt": True, "sample": 20}, {"do": "release"}, {"do": "deploy", "sample": 0}, {"do": "release"},
    )


def row(machines, results):
    intake, restart, rest = phase(results, "intake"), phase(results, "restart"), phase(results, "steady")
    first, again = phase(results, "deploy"), phase(results, "deploy", 1)
    releases = [phase(results, "release", which) for which in (0, 1)]
    if restart.get("ready_s") is None or first.get("ready_s") is None:
        raise Unable("a return of the service was not timed")
    both = again["database_after"] - again["database_before"] + releases[1]["database_after"] - releases[1]["database_before"]
    cells = [
        [mib(results["usage_first"]["rss"]), mib(rest["rss_peak"]), mib(max(first["rss_peak"], again["rss_peak"]))],
        [rest["cpu_percent"]],
        [intake["cpu_ms_each"], again["cpu_ms_each"], releases[1]["cpu_ms_each"]],
        [mib(intake["database_after"]), mib(first["database_after"])],
        [results["start_s"], restart["ready_s"], first["ready_s"]],
    ]
    words = [", ".join(number(value) for value in cell) for cell in cells]
    words[3] += f"; {number(both / machines / 1024)} KiB"
    return [str(machines), *words]
