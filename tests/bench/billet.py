"""The service under test: `billet serve`, as it is released, on the bench's wire.

Nothing is switched off that is on by default but what the peers don't do either: the probe of addresses, the look-out
for other DHCP servers, and the limit for each hardware address, since one wire plays all clients.
"""

import os

from measure import Server

PROGRAM = os.environ.get("BILLET", "target/release/billet")


def serve(folder, first="198.18.1.0", last="198.18.1.250", kernel=None):
    """Starts it with a data folder of its own; `kernel` is the large file that TFTP and HTTP serve as `vmlinuz`."""
    data = f"{folder}/billet"
    os.makedirs(f"{data}/ipxe", exist_ok=True)
    for name in ("vmlinuz", "initrd.img", "ipxe/undionly.kpxe", "ipxe/snponly.efi"):
        with open(f"{data}/{name}", "wb") as file:
            file.write(os.urandom(1000))
    with open(f"{data}/billet.toml", "w") as file:
        file.write(f"""
data = "{data}/data"
[api]
listen = "127.0.0.1:7443"
[boot]
kernel = "{kernel or data + '/vmlinuz'}"
ramdisk = "{data}/initrd.img"
ipxe = "{data}/ipxe"
[[networks]]
name = "bench"
interface = "v0"
address = "198.18.0.1"
subnet = "198.18.0.0/15"
range = ["{first}", "{last}"]
gateway = "198.18.0.3"
discovery = true
lease = {{ system = "1h" }}
conflict_probe = false
rogue = "ignore"
[log]
filter = "warn"
""")
    return Server("billet", [os.path.abspath(PROGRAM), "serve", "--config", f"{data}/billet.toml"], folder)
