#!/usr/bin/env python3
"""`make bench`: ours and its peers, in turn in one run, and at the end one line for each goal.

`make bench` writes what it found into docs/performance.md, between the marks of each bench, and everything it measured to
build/bench. `make bench-quick` writes nothing: one round of everything that takes seconds. CPU time for each unit of work
is what is compared, as the ratio of one round; wall time on shared cores is noise. What can't be measured on this machine
says so in the line of its goal. Nothing of it is needed to build or to test.

A bench is a module with NAME, GOALS, packages() (what it needs), build(), run(rounds, quick, folder) and versions().
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import api  # noqa: E402
import boot_http  # noqa: E402
import dhcp  # noqa: E402
import fleet  # noqa: E402
import image  # noqa: E402
import ipmi  # noqa: E402
import machine  # noqa: E402
import needs  # noqa: E402
import redfish  # noqa: E402
import report  # noqa: E402
import sizing  # noqa: E402
import tftp  # noqa: E402
from report import Findings, Unable  # noqa: E402

BENCHES = {bench.NAME: bench for bench in (dhcp, tftp, boot_http, ipmi, redfish, image, api, sizing, fleet)}
GROUPS = {"pxe": ("dhcp", "tftp", "http")}
DOCUMENTATION = f"{needs.REPOSITORY}/docs/performance.md"
KEPT = f"{needs.REPOSITORY}/build/bench"


def chosen(text):
    """The benches that are named, in the order in which all of them run."""
    names = [name for word in text.split(",") for name in GROUPS.get(word, (word,))] if text else list(BENCHES)
    for name in names:
        if name not in BENCHES:
            raise argparse.ArgumentTypeError(f"there is no bench `{name}`; there are {', '.join([*GROUPS, *BENCHES])}")
    return [bench for name, bench in BENCHES.items() if name in names]


def attempt(bench, work):
    """What `work` gives, or findings that say why there are none."""
    try:
        return work()
    except Unable as error:
        why = " ".join(str(error).split())
    except (OSError, subprocess.SubprocessError) as error:
        why = f"{type(error).__name__}: {error}"
    except Exception as error:  # a bench that is broken must not keep the others from running
        traceback.print_exc()
        why = f"the bench is broken: {type(error).__name__}: {error}"
    print(f"bench: {bench.NAME}: not measured: {why}", flush=True)
    findings = Findings(bench.NAME, bench.GOALS)
    findings.failed = why[-300:]
    return findings


def prepare(bench):
    """Installs what it needs and builds. Gives findings if that fails."""
    def work():
        needs.meet(bench.packages())
        bench.build()
    return attempt(bench, work)


def measure(bench, rounds, quick):
    """One bench in a folder of its own, with the circumstances."""
    circumstances = machine.describe(rounds)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"billet-bench-{bench.NAME}-") as folder:
        # Servers that drop root read what lies there.
        os.chmod(folder, 0o755)
        findings = attempt(bench, lambda: bench.run(rounds, quick, folder))
    circumstances["seconds"] = time.monotonic() - begun
    circumstances["load_after"] = machine.load()
    if not findings.failed:
        findings.versions = bench.versions()
    return findings, circumstances


def tell(every):
    """One line for each goal, and the sum."""
    print()
    counts = {"met": 0, "missed": 0, "not measured": 0}
    for findings in every:
        for line in findings.lines():
            print(line)
        for verdict, count in findings.counts().items():
            counts[verdict] += count
    print(f"\n{counts['met']} goals met, {counts['missed']} missed, {counts['not measured']} not measured", flush=True)
    return counts


def render():
    """Writes the documentation anew from what is kept."""
    for name in BENCHES:
        path = f"{KEPT}/{name}.json"
        if os.path.exists(path):
            report.write_documentation(DOCUMENTATION, *report.load(path))
            print(f"bench: {name}: written from {os.path.relpath(path)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", type=chosen, metavar="NAME,…", default=chosen(""),
                        help=f"some of {', '.join(BENCHES)}; pxe is the first three")
    parser.add_argument("--rounds", type=int, default=5, help="how often peer and ours have their turn (5)")
    parser.add_argument("--quick", action="store_true", help="one round, less of everything, and nothing is written")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and build/bench")
    parser.add_argument("--no-build", action="store_true", help="measure the programs that are there; nothing is written")
    parser.add_argument("--render", action="store_true", help="only write docs/performance.md from build/bench")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed or not measured")
    arguments = parser.parse_args()
    if arguments.render:
        return render()
    if arguments.no_build and arguments.write:
        parser.error("--no-build writes nothing: nobody knows of which commit the programs are")
    needs.builds = not arguments.no_build
    rounds = 1 if arguments.quick else max(arguments.rounds, 1)
    if arguments.quick:
        arguments.only = [bench for bench in arguments.only if not getattr(bench, "LONG", False)]
    # All builds come before all measuring.
    begun = time.monotonic()
    unprepared = {bench.NAME: prepare(bench) for bench in arguments.only}
    print(f"bench: installing and building: {time.monotonic() - begun:.0f} s", flush=True)
    every = []
    for bench in arguments.only:
        if unprepared[bench.NAME]:
            every.append(unprepared[bench.NAME])
            continue
        print(f"\n== {bench.NAME}", flush=True)
        findings, circumstances = measure(bench, rounds, arguments.quick)
        every.append(findings)
        print(findings.text(), flush=True)
        print(f"bench: {bench.NAME}: {circumstances['seconds']:.0f} s", flush=True)
        if arguments.write and not arguments.quick and not findings.failed:
            report.keep(KEPT, findings, circumstances)
            report.write_documentation(DOCUMENTATION, findings, circumstances)
    counts = tell(every)
    print(f"bench: all of it: {time.monotonic() - begun:.0f} s", flush=True)
    broken = any(findings.failed and "is broken" in findings.failed for findings in every)
    if broken or arguments.strict and counts["missed"] + counts["not measured"]:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
