"""Importing an image and writing it to a disk, against pipelines of Debian's programs.

The measuring is done by images/benches/image, in turn; the network is not in it.
"""

import json
import subprocess

from needs import REPOSITORY, Needs, build_bench, debian_versions
from report import Findings, Goal, Unable, number, ratios, spread

NAME = "image"
GOALS = [
    Goal("image-write-cpu-to-ipa-qcow2", "<=", 0.5),
    Goal("image-write-cpu-to-one-thread-no-read-back", "<=", 1.15),
    Goal("image-write-cpu-s-per-gb", "<=", 1.9),
    Goal("image-write-peak-mib", "<=", 64),
]
#: The rows of images/benches/image/main.rs that are ours, each with its peers' rows.
PAIRS = {
    "billet write": (
        "sha256, qemu-img convert", "zstd | dd conv=sparse", "sha256, zstd | dd, sha256", "zcat | dd",
        "one thread, no read-back",
    ),
    "billet import": ("sha256, zstd -3 -T2",),
}


def packages():
    return Needs(debian=("zstd", "gzip", "qemu-utils", "openssl", "coreutils"))


def versions():
    return debian_versions(zstd="zstd", qemu="qemu-utils", gzip="gzip", openssl="openssl")


def build():
    program()


def program():
    """images/benches/image, built."""
    return build_bench("images", "image")


def run(rounds, quick, folder):
    """All programs in turn; `quick` makes it no shorter than one round."""
    del quick, folder
    command = [program(), "--rounds", str(rounds), "--bench"]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unable(f"`{' '.join(command)}` failed")
    return judge(json.loads(done.stdout.strip().splitlines()[-1]))


def judge(found):
    findings = Findings(NAME, GOALS)
    rows = {row["name"]: row for row in found["rows"]}
    gigabytes = found["raw_bytes"] / 1e9
    per_gb = lambda row, what: [value / gigabytes for value in row[what]]
    table = []
    for row in rows.values():
        peak = number(row["peak_kib"] / 1024) if row["peak_kib"] else ""
        table.append([row["name"].replace("|", "→"), spread(per_gb(row, "cpu")), spread(per_gb(row, "wall")), peak])
    size = ", ".join(f"{name} {number(value / 1e6)} MB" for name, value in found["sizes"].items())
    findings.table([f"an image ({size})", "CPU s per GB of it", "seconds per GB", "most memory, MiB"], table)
    table = []
    for ours, peers in PAIRS.items():
        for peer in peers:
            cost = [ratios(rows[ours][what], rows[peer][what]) for what in ("cpu", "wall")]
            table.append([f"{ours} to {peer}".replace("|", "→"), *map(spread, cost)])
    findings.table(["ratio in the same round", "CPU", "time"], table)
    write = rows["billet write"]
    findings.measured("image-write-cpu-to-ipa-qcow2", ratios(write["cpu"], rows["sha256, qemu-img convert"]["cpu"]))
    findings.measured("image-write-cpu-to-one-thread-no-read-back", ratios(write["cpu"], rows["one thread, no read-back"]["cpu"]))
    findings.measured("image-write-cpu-s-per-gb", per_gb(write, "cpu"))
    findings.measured("image-write-peak-mib", write["peak_kib"] / 1024)
    return findings
