#!/usr/bin/env python3
"""`make bench-pxe`: the boot server against Kea, dnsmasq, atftpd, async-tftp and nginx, in turn in one run.

CPU time per unit of work is what is compared, as a ratio of the same round: wall time on shared cores is noise.
Everything happens in network namespaces that it makes and removes. Needs root, for these and for control groups.
"""

import argparse
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import boot_http  # noqa: E402
import dhcp  # noqa: E402
import tftp  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each server has its turn")
    parser.add_argument("--clients", default="target/release", help="the folder of tftp_load, http_drain, async_tftp")
    parser.add_argument("parts", nargs="*", default=[], help="dhcp, tftp, http; all of them unless given")
    arguments = parser.parse_args()
    if os.geteuid():
        sys.exit("bench: run it as root: it makes network namespaces and control groups")
    parts = arguments.parts or ["dhcp", "tftp", "http"]
    client = lambda name: os.path.abspath(f"{arguments.clients}/{name}")
    benches = {
        "dhcp": lambda folder: dhcp.bench(folder, arguments.rounds),
        "tftp": lambda folder: tftp.bench(folder, arguments.rounds, client("tftp_load"), client("async_tftp")),
        "http": lambda folder: boot_http.bench(folder, arguments.rounds, client("http_drain")),
    }
    for part in parts:
        if part not in benches:
            sys.exit(f"bench: there is no part `{part}`; there are {', '.join(benches)}")
        folder = tempfile.mkdtemp(prefix=f"billet-bench-{part}-")
        os.chmod(folder, 0o755)
        try:
            missed = benches[part](folder)
            print(f"{part}: {missed} goals missed" if missed else f"{part}: all goals met", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
