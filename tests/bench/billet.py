"""The service under test: `billet serve`, as it is released.

Nothing is switched off that is on by default but, on the bench's wire, what the peers don't do either: the probe of
addresses, the look-out for other DHCP servers, and the limit for each hardware address, since one wire plays all clients.
"""

import os
import subprocess
import time
import tomllib

from measure import Server, Tree
from needs import RELEASE
from report import Unable

PROGRAM = os.environ.get("BILLET") or f"{RELEASE}/billet"


def configure(folder, port, networks="", kernel=None):
    """Writes a configuration with a data folder of its own and boot files of nonsense; its file."""
    home = f"{folder}/billet"
    os.makedirs(f"{home}/ipxe", exist_ok=True)
    for name in ("vmlinuz", "initrd.img", "ipxe/undionly.kpxe", "ipxe/snponly.efi"):
        with open(f"{home}/{name}", "wb") as file:
            file.write(os.urandom(1000))
    with open(f"{home}/billet.toml", "w") as file:
        file.write(f"""
data = "{home}/data"
[api]
listen = "127.0.0.1:{port}"
[boot]
kernel = "{kernel or home + '/vmlinuz'}"
ramdisk = "{home}/initrd.img"
ipxe = "{home}/ipxe"
{networks}
[log]
filter = "warn"
""")
    return f"{home}/billet.toml"


def serve(folder, first="198.18.1.0", last="198.18.1.250", kernel=None):
    """Starts it on the bench's wire; `kernel` is the large file that TFTP and HTTP serve as `vmlinuz`."""
    network = f"""
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
"""
    return Server("billet", [PROGRAM, "serve", "--config", configure(folder, 7443, network, kernel)], folder)


class Service:
    """The service with its API alone, on loopback and without networks."""

    def __init__(self, folder, port):
        config = configure(folder, port)
        self.login = f"{folder}/billet/data/admin.toml"
        self.log = open(f"{folder}/billet.log", "w")
        self.process = subprocess.Popen([PROGRAM, "serve", "--config", config], stdout=self.log, stderr=self.log)
        self.group = Tree(self.process.pid)
        self.port = port

    def credentials(self):
        """The administrator's token and the file of the CA, once the service has made them."""
        for _ in range(100):
            if self.process.poll() is not None:
                break
            if os.path.exists(self.login):
                with open(self.login, "rb") as file:
                    login = tomllib.load(file)
                return login["token"], login["ca"]
            time.sleep(0.1)
        with open(self.log.name) as log:
            raise Unable(f"billet does not start: {log.read()[-1000:]}")

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
