"""What a service for so many machines needs: memory, CPU, disk, measured with the simulated fleet.

The largest run is lent to the fleet's bench, which comes after: taking in ten thousand machines twice would tell nothing.
"""

import fleet
from fleet import mib, phase
from needs import Needs
from report import Findings, Unable, number

NAME = "sizing"
GOALS = []
SIZES = (100, 1000, fleet.MANY)
#: So many are given back and deployed anew, for what that costs one by one.
AGAIN = 1000
#: It is never quick.
LONG = True
HEAD = (
    "machines", "MiB of memory after start, polling, deploying (most)", "% of a core, polling",
    "CPU ms for each intake, deployment, release", "MiB of database after intake, first deployments; a deployment more",
    "seconds until a start answers, with all these machines, with all of them deploying",
)


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
    rows, failed = [], []
    for machines in SIZES:
        try:
            results = fleet.fly(folder, text(machines))
            if machines == fleet.MANY:
                fleet.runs_of_many.append(results)
            rows.append(row(machines, results))
        except Unable as error:
            # What the other sizes need is told all the same.
            print(f"bench: {machines} machines: {error}", flush=True)
            failed.append(str(error))
            rows.append([str(machines), "not measured", *[""] * (len(HEAD) - 2)])
    if len(failed) == len(SIZES):
        raise Unable(failed[0])
    findings.table(HEAD, rows)
    return findings


def text(machines):
    """Start, intake, a restart, rest, deployments with a kill in the middle; some released, deployed, and released."""
    rest = fleet.RESTING if machines == fleet.MANY else fleet.RESTING_SHORTLY
    release = {"do": "release", "count": min(machines, AGAIN)}
    return fleet.scenario(
        "size", machines, fleet.INTAKE, *rest, {"do": "deploy", "interrupt": True, "sample": 20},
        release, {"do": "deploy", "count": min(machines, AGAIN), "sample": 0}, release, mix=fleet.MIXED,
    )


def row(machines, results):
    intake, restart, rest = phase(results, "intake"), phase(results, "restart"), phase(results, "steady", 1)
    first, again = phase(results, "deploy"), phase(results, "deploy", 1)
    release = phase(results, "release", 1)
    if restart.get("ready_s") is None or first.get("ready_s") is None:
        raise Unable("a return of the service was not timed")
    count = min(machines, AGAIN)
    grown = sum(found["database_after"] - found["database_before"] for found in (again, release)) / count
    # What ran all the time is among what a phase of deployments says that it did.
    each = [intake["cpu_ms_each"], *(1000 * found["cpu_s"] / count for found in (again, release))]
    cells = [
        [mib(results["usage_first"]["rss"]), mib(rest["rss_peak"]), mib(max(first["rss_peak"], again["rss_peak"]))],
        [rest["cpu_percent"]],
        each,
        [mib(intake["database_after"]), mib(first["database_after"])],
        [results["start_s"], restart["ready_s"], first["ready_s"]],
    ]
    words = [", ".join(number(value) for value in cell) for cell in cells]
    words[3] += f"; {number(grown / 1024)} KiB"
    return [str(machines), *words]
