"""The simulated fleet against `billet serve`: how fast machines are taken in, what a deployment and ten thousand resting
machines cost the service, and how long the API's answers take meanwhile.

`billet-lab fleet` starts the service as a process of its own and reads its CPU and memory from /proc; everything goes over
loopback and no root is needed. Nobody else's service is here: MAAS and Ironic have no such fleet to run against.
"""

import json
import os
import subprocess

import billet
from needs import RELEASE, Needs, build_release
from report import Findings, Goal, Unable, number, spread

NAME = "fleet"
GOALS = [
    Goal("fleet-intake-rate", ">=", 1000, "/min"),
    Goal("fleet-deploy-cpu", "<=", 8, "ms"),
    Goal("fleet-deploy-time-vs-disks", "<=", 1.2),
    Goal("fleet-api-read-p99", "<=", 100, "ms"),
    Goal("fleet-poll-cpu", "<=", 5, "%"),
    Goal("fleet-poll-cpu-all-ipmi", "<=", 5, "%"),
    Goal("fleet-poll-memory", "<=", 150, "MiB"),
]
LAB = f"{RELEASE}/billet-lab"
#: How many times faster than life the machines are: a POST of 90 seconds takes 0.15.
COMPRESS = 600
IMAGE_MIB = 4
#: A partition table and zeroes.
HOLLOW_MIB = 3
#: How many disks are written at once, and MiB a second of one that is slow, in the machines' own time: some 15 seconds for
#: all that a deployment writes.
WRITERS, SLOW = 256, {"mib_per_second": 0.0014}
#: So many machines' disks are all written at once, whatever else there is.
FEW = 8
INTAKE = {"do": "intake", "parallel": 16}
#: 20 questions a second are asked meanwhile and timed.
DEPLOY = {"do": "deploy", "sample": 20}
# The same with nobody else to answer: what a list costs is no cost of a deployment.
ALONE = {"do": "deploy", "sample": 0}
MACHINES, MANY = 1000, 10_000
FEWER = 200
#: A service that was started with its machines asks all of them, which counts apart, and then twice more, or once.
RESTING = ({"do": "restart"}, {"do": "steady", "for": "65s"}, {"do": "steady", "for": "2m"})
RESTING_SHORTLY = (*RESTING[:2], {"do": "steady", "for": "1m"})
#: In so many rounds disks are slow, too. No peer is here whose noise would ask for more.
SLOW_ROUNDS = 2
MIXED, ALL_IPMI = {"ipmi": 80, "redfish": 20}, {"ipmi": 100, "redfish": 0}
#: A run of MANY mixed machines that began with intake and rest, if there has been one: the sizing's.
runs_of_many = []


def packages():
    return Needs()


def versions():
    return {}


def build():
    build_release("provisioner")
    build_release("lab")


def scenario(name, machines, *phases, **tables):
    """A scenario as TOML. `tables` are its tables: image, disk, mix."""
    lines = [f'name = "{name}"', f"machines = {machines}", f"compress = {COMPRESS}", "check = false"]
    tables.setdefault("service", {"log": "warn"})
    tables.setdefault("image", {"mib": IMAGE_MIB})
    for table, fields in [*tables.items(), *(("[phase]", phase) for phase in phases)]:
        # JSON's strings, numbers and booleans are TOML's.
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]
    return "\n".join(lines) + "\n"


def fly(folder, text, *options):
    """Runs a scenario to its end and returns what it measured. Work that was not done is no measurement."""
    work = f"{folder}/fleet"
    os.makedirs(work, exist_ok=True)
    file, found = f"{work}/scenario.toml", f"{work}/results.json"
    with open(file, "w") as out:
        out.write(text)
    command = [LAB, "fleet", "--scenario", file, "--billet", billet.PROGRAM, "--json", found, "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    said = (done.stderr or done.stdout)[-1500:]
    if done.returncode:
        raise Unable(f"`{' '.join(command)}` ended with {done.returncode}: {said}")
    with open(found) as results:
        results = json.load(results)
    took = ", ".join(f"{phase['name']} {phase['seconds']:.0f} s" for phase in results["phases"])
    print(f"bench: {results['machines']} machines: {took}", flush=True)
    for phase in results["phases"]:
        if phase["held"] or phase["missing"]:
            raise Unable(f"{phase['name']}: {phase['held']} machines are held, {phase['missing']} are missing: {said}")
    if results["violations"] or not results["passed"]:
        raise Unable(f"promises were broken: {results['violations'][:3]}")
    return results


def phase(results, name, which=0):
    """The figures of a phase, the first of that name."""
    return [found for found in results["phases"] if found["name"] == name][which]


def mib(size):
    return size / 2**20


def run(rounds, quick, folder):
    """Deployments in rounds, with nothing but zeroes to write (once for their CPU, once beside another client) and to slow
    disks; ten thousand machines at rest once for each mixture of BMCs.
    """
    findings = Findings(NAME, GOALS)
    machines = FEWER if quick else MACHINES
    alone, hollow, slow = [], [], []
    # What the disks alone need is a matter of sleeping: one measurement is as good as five.
    floor = None if quick else disk_seconds(folder) * machines / WRITERS
    for turn in range(rounds):
        alone.append(fly(folder, scenario("alone", machines, INTAKE, ALONE, image={"mib": HOLLOW_MIB})))
        hollow.append(fly(folder, scenario("hollow", machines, INTAKE, DEPLOY, image={"mib": HOLLOW_MIB})))
        if not quick and turn < SLOW_ROUNDS:
            text = scenario("disks", machines, INTAKE, DEPLOY, disk=SLOW)
            slow.append(fly(folder, text, "--writers", str(WRITERS)))
    rows = deployments(findings, alone, hollow, slow)
    if quick:
        findings.not_measured("it takes minutes")
    else:
        rows += on_slow_disks(findings, slow, floor)
    findings.table([f"{machines} machines, a fleet in one process beside the service", ""], rows)
    if not quick:
        at_rest(findings, folder)
    return findings


def disk_seconds(folder):
    """How long one slow disk is written in a deployment: what a few machines take longer than with fast ones."""
    took = [
        phase(fly(folder, scenario("few", FEW, INTAKE, ALONE, **disk)), "deploy")["seconds"]
        for disk in ({"disk": SLOW}, {})
    ]
    return took[0] - took[1]


def deployments(findings, alone, hollow, slow):
    """Rates and CPU of intake and of deployments without image bytes, and the API's answers to another client."""
    deploy = lambda results: phase(results, "deploy")
    rates = [phase(results, "intake")["per_minute"] for results in alone + hollow + slow]
    findings.measured("fleet-deploy-cpu", [deploy(results)["cpu_ms_each"] for results in alone])
    latencies = [deploy(results)["api"]["all"]["p99_ms"] for results in hollow]
    # Few machines make no rate, and too few questions for one in a hundred.
    if slow:
        findings.measured("fleet-intake-rate", rates)
        findings.measured("fleet-api-read-p99", latencies)
    return [
        ["machines taken in a minute, from their addition to `available`", spread(rates)],
        ["service's CPU ms for each machine that is taken in", each(alone + hollow + slow, "intake")],
        ["service's CPU ms for each deployment, without image bytes", each(alone, "deploy")],
        [f"the same, while another client asks {DEPLOY['sample']} questions a second", each(hollow, "deploy")],
        ["deployments a minute, service and fleet on the same cores", spread([deploy(found)["per_minute"] for found in alone + hollow])],
        ["ms until 99 % of the API's answers to another client were there", spread(latencies)],
    ]


def each(runs, name):
    """CPU ms for each of what this phase did."""
    return spread([phase(results, name)["cpu_ms_each"] for results in runs])


def on_slow_disks(findings, slow, floor):
    """How long who waits for disks waits for the service."""
    took = [phase(results, "deploy")["seconds"] for results in slow]
    latencies = [phase(results, "deploy")["api"]["all"]["p99_ms"] for results in slow]
    findings.measured("fleet-deploy-time-vs-disks", [seconds / floor for seconds in took])
    return [
        [f"slow disks, {WRITERS} written at once: seconds that they alone need", number(floor)],
        [f"the same, an image of {IMAGE_MIB} MiB: seconds until all instances run", spread(took)],
        ["the same: service's CPU ms for each deployment", each(slow, "deploy")],
        ["the same: ms until 99 % of the API's answers were there", spread(latencies)],
    ]


def at_rest(findings, folder):
    """Ten thousand machines whose power is polled each minute, by a service that was started with them. What their intake
    left in memory is told beside it: all of them were in work at once.
    """
    rows, memory = [], []
    for goal, words, mix, runs in (
        ("fleet-poll-cpu", "80 % IPMI, 20 % Redfish", MIXED, runs_of_many),
        ("fleet-poll-cpu-all-ipmi", "all IPMI", ALL_IPMI, []),
    ):
        try:
            results = runs[-1] if runs else fly(folder, scenario("rest", MANY, INTAKE, *RESTING, mix=mix))
        except Unable as error:
            findings.not_measured(str(error), goal)
            continue
        rest = phase(results, "steady", 1)
        findings.measured(goal, rest["cpu_percent"])
        memory.append(mib(rest["rss_peak"]))
        rows.append([words, number(rest["cpu_percent"]), number(memory[-1]), number(mib(phase(results, "intake")["rss_peak"]))])
    if memory:
        findings.measured("fleet-poll-memory", max(memory))
    else:
        findings.not_measured("nothing was polled", "fleet-poll-memory")
    head = f"{MANY} machines whose power is asked for each minute"
    findings.table([head, "% of a core", "most memory, MiB", "most memory in their intake"], rows)
