"""TFTP: lock-step against dnsmasq, windows against atftpd, and async-tftp as the yardstick of what a library does."""

import glob
import json
import os

import billet
import needs
from measure import Server, run as command
from needs import CACHE, RELEASE, TARGET, Needs, build_release, debian_versions, must_be_there
from report import Findings, Goal, Unable, ratios, spread

NAME = "tftp"
GOALS = [
    Goal("tftp-lock-step-cpu-vs-dnsmasq", "<=", 1.0),
    Goal("tftp-lock-step-200-clients-cpu-vs-dnsmasq", "<=", 1.0),
    Goal("tftp-window-32-cpu-vs-atftpd", "<=", 1 / 3),
    Goal("tftp-failed-transfers", "<=", 0),
]

#: Clients, block size, window.
LOCK_STEP = (1, 1468, 0)
MANY = (200, 1468, 0)
WINDOW = (1, 1468, 32)
SMALL = (1, 512, 0)
CASES = (SMALL, LOCK_STEP, MANY, WINDOW)


ATFTPD = f"{CACHE}/bench/atftpd/usr/sbin/atftpd"
CLIENT = f"{RELEASE}/examples/tftp_load"
YARDSTICK = f"{TARGET}/yardstick/release/async_tftp"


def packages():
    return Needs(debian=("dnsmasq-base", "iproute2"), root=True)


def versions():
    found = debian_versions(dnsmasq="dnsmasq-base")
    for package in glob.glob(f"{CACHE}/bench/atftpd_*.deb"):
        found["atftpd"] = os.path.basename(package).split("_")[1].split("-")[0]
    return found


def build():
    """Ours, the loads, and atftpd: its package is at odds with other TFTP servers' packages, its program is not."""
    build_release("provisioner")
    build_release("pxe", "tftp_load")
    yardstick = ("--manifest-path", "tests/bench/yardstick/Cargo.toml", "--target-dir", f"{TARGET}/yardstick")
    if needs.builds:
        needs.cargo("build", "--release", *yardstick)
    must_be_there(YARDSTICK)
    if not os.path.exists(ATFTPD):
        os.makedirs(f"{CACHE}/bench/atftpd", exist_ok=True)
        command("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "atftpd", cwd=f"{CACHE}/bench")
        found = glob.glob(f"{CACHE}/bench/atftpd_*.deb")
        if not found:
            raise Unable("the package atftpd can't be downloaded")
        command("dpkg", "-x", found[0], f"{CACHE}/bench/atftpd")


def servers(folder, root):
    """The peers' commands and ours; all serve the same file."""
    path = f"{root}/vmlinuz"
    dnsmasq = ["dnsmasq", "-k", "-p0", "-C", "/dev/null", "--enable-tftp", f"--tftp-root={root}", "--user=root",
               "--tftp-max=1000", "--log-facility=/dev/null", "--interface=v0"]
    atftpd = [ATFTPD, "--daemon", "--no-fork", "--user", "root.root", "--port", "69",
              "--maxthread", "1000", "--logfile", "/dev/null", "--verbose=0", root]
    yield Server("dnsmasq", dnsmasq, folder)
    yield Server("atftpd", atftpd, folder)
    yield Server("async-tftp", [YARDSTICK, "198.18.0.1:69", root], folder)
    yield billet.serve(folder, kernel=path)


def fetch(server, case, repeat=1):
    clients, block, window = case
    text = server.pair.at_client(CLIENT, "198.18.0.1:69", "vmlinuz", str(clients), str(block), str(window), str(repeat),
                                 "1000", "0", timeout=180)
    return json.loads(text)


def run(rounds, quick, folder):
    """All servers in turn, case by case."""
    root = f"{folder}/tftp"
    os.mkdir(root)
    with open(f"{root}/vmlinuz", "wb") as file:
        file.write(os.urandom(1_000_000 if quick else 2_000_000))
    started = []
    try:
        started.extend(servers(folder, root))
        for server in started:
            server.wait_until(lambda: not fetch(server, LOCK_STEP)["failed"], "TFTP")
        costs = {server.name: {case: [] for case in CASES} for server in started}
        speeds = {server.name: {case: [] for case in CASES} for server in started}
        failed = {server.name: 0 for server in started}
        for _ in range(rounds):
            for case in CASES:
                for server in started:
                    repeat = 1 if case[0] > 1 else 16
                    result, cpu = server.cost(lambda: fetch(server, case, repeat))
                    costs[server.name][case].append(1000 * cpu / max(result["MB"], 0.001))
                    speeds[server.name][case].append(result["MBps"])
                    failed[server.name] += result["failed"]
        return judge(costs, speeds, failed)
    finally:
        for server in started:
            server.end()


def judge(costs, speeds, failed):
    findings = Findings(NAME, GOALS)
    for words, figures in (("CPU s per GB", costs), ("MB a second", speeds)):
        rows = []
        for case in CASES:
            clients, block, window = case
            what = f"{clients} client{'s' if clients > 1 else ''}, blocks of {block}, window {window or 1}"
            rows.append([what, *(spread(cases[case]) for cases in figures.values())])
        findings.table([words, *figures], rows)
    findings.table(["", *failed], [["failed transfers", *failed.values()]])
    ours = costs["billet"]
    findings.measured("tftp-lock-step-cpu-vs-dnsmasq", ratios(ours[LOCK_STEP], costs["dnsmasq"][LOCK_STEP]))
    findings.measured("tftp-lock-step-200-clients-cpu-vs-dnsmasq", ratios(ours[MANY], costs["dnsmasq"][MANY]))
    findings.measured("tftp-window-32-cpu-vs-atftpd", ratios(ours[WINDOW], costs["atftpd"][WINDOW]))
    findings.measured("tftp-failed-transfers", failed["billet"])
    return findings
