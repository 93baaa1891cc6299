"""What OpenStack's Redfish client `sushy` does with a BMC: a function for each step, which answers what it found or
fails with the client's own exception.
"""

import time

import sushy


def system_of(root):
    return root.get_system_collection().get_members()[0]


def media_of(root):
    """All slots, wherever they hang; those of the system may be the manager's."""
    slots = {}
    for holder in [system_of(root), *root.get_manager_collection().get_members()]:
        try:
            slots |= {slot.path: slot for slot in holder.virtual_media.get_members()}
        except sushy.exceptions.MissingAttributeError:
            continue
    return slots.values()


def info(root):
    system = system_of(root)
    return {
        "uuid": system.uuid,
        "power": system.power_state.value,
        "manager": system.managers[0].firmware_version,
        "chassis": len(system.chassis),
        "macs": sorted(system.ethernet_interfaces.summary or {}),
        "processors": system.processors.summary.count,
    }


def power(root, word):
    system = system_of(root)
    system.reset_system(sushy.ResetType[word])
    system.refresh()
    return {"power": system.power_state.value}


def boot(root, target, enabled):
    system = system_of(root)
    system.set_system_boot_options(
        sushy.BootSource[target], enabled=sushy.BootSourceOverrideEnabled[enabled])
    system.refresh()
    return {"target": system.boot.target.value, "enabled": system.boot.enabled.value}


def insert(root, image):
    for slot in media_of(root):
        if sushy.VIRTUAL_MEDIA_CD in (slot.media_types or []):
            slot.insert_media(image, write_protected=True)
            # Some fetch the image first, and answer before that.
            for _ in range(60):
                slot.refresh(force=True)
                if slot.inserted:
                    break
                time.sleep(0.2)
            return {"slot": slot.identity, "image": slot.image, "inserted": slot.inserted}
    raise RuntimeError("no slot takes a CD")


def sessions(root):
    service = root.get_session_service()
    mine = [session.username for session in service.sessions.get_members()]
    return {"users": mine, "timeout": service.session_timeout}


def eject(root):
    ejected = []
    for slot in media_of(root):
        if slot.inserted:
            slot.eject_media()
            slot.refresh()
            ejected.append({"slot": slot.identity, "inserted": slot.inserted})
    return {"ejected": ejected}


def secure_boot(root, enabled):
    secure = system_of(root).secure_boot
    secure.set_enabled(enabled == "on")
    secure.refresh()
    return {"enabled": secure.enabled}


def another_bios_value(root):
    """Changes one attribute to another word of the registry's list."""
    settings = system_of(root).bios
    registry = settings.get_attribute_registry()
    for attribute in registry.json["RegistryEntries"]["Attributes"]:
        name, now = attribute["AttributeName"], settings.attributes.get(attribute["AttributeName"])
        words = [value["ValueName"] for value in attribute.get("Value") or []]
        others = [word for word in words if word != now]
        if now in words and others and not attribute.get("ReadOnly"):
            # Where it can be said it must be, or the change stays pending for ever (iDRAC).
            times = settings.supported_apply_times or []
            when = sushy.APPLY_TIME_ON_RESET if sushy.APPLY_TIME_ON_RESET in times else None
            settings.set_attribute(name, others[0], apply_time=when)
            settings.refresh(force=True)
            return {"name": name, "was": now, "set": others[0], "now": settings.attributes[name],
                    "pending": settings.pending_attributes.get(name)}
    raise RuntimeError("no attribute can be changed")


def bios_value(root, name):
    return {"now": system_of(root).bios.attributes[name]}


def firmware(root):
    service = root.get_update_service()
    return {item.identity: item.version for item in service.firmware_inventory.get_members()}


def update(root, image, targets):
    service = root.get_update_service()
    monitor = service.simple_update(image, targets=targets or None)
    monitor.wait(60)
    task = monitor.get_task()
    # Some show the task itself at once, which is 200 from the beginning.
    for _ in range(60):
        if task.task_state.value not in ("New", "Starting", "Running", "Pending"):
            break
        time.sleep(0.2)
        try:
            task.refresh()
        except sushy.exceptions.ResourceNotFoundError:
            return {"state": "Gone", "status": None}
    return {"state": task.task_state.value, "status": task.task_status.value}
