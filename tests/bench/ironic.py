"""OpenStack Ironic as the peer of the API: standalone, API and conductor in one program, SQLite, and hardware that takes
no time.
"""

import os
import subprocess

from measure import Tree, run
from needs import python_environment

CONFIG = """
[DEFAULT]
auth_strategy = noauth
rpc_transport = none
debug = false
log_dir = {folder}
enabled_hardware_types = fake-hardware
default_deploy_interface = fake
default_inspect_interface = no-inspect
enabled_boot_interfaces = fake
enabled_deploy_interfaces = fake
enabled_management_interfaces = fake
enabled_power_interfaces = fake
enabled_bios_interfaces = fake,no-bios
enabled_console_interfaces = fake,no-console
enabled_firmware_interfaces = fake,no-firmware
enabled_raid_interfaces = fake,no-raid
enabled_vendor_interfaces = fake,no-vendor
enabled_inspect_interfaces = fake,no-inspect
enabled_network_interfaces = noop
enabled_storage_interfaces = noop
enabled_rescue_interfaces = no-rescue,fake
[api]
host_ip = 127.0.0.1
port = {port}
[database]
connection = sqlite:///{folder}/ironic.sqlite
[conductor]
automated_clean = false
"""


class Ironic:
    """The program with a database of its own in `folder`."""

    def __init__(self, folder, port):
        os.makedirs(folder)
        self.port = port
        programs = os.path.dirname(python_environment("ironic"))
        config = f"{folder}/ironic.conf"
        with open(config, "w") as file:
            file.write(CONFIG.format(folder=folder, port=port))
        run(f"{programs}/ironic-dbsync", "--config-file", config, "create_schema", timeout=300)
        self.log = open(f"{folder}/ironic.log", "w")
        command = [f"{programs}/ironic", "--config-file", config]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=folder)
        self.group = Tree(self.process.pid)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
