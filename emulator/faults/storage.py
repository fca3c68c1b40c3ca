"""A PACS on another disk."""

import signal

from emulator.errors import CannotHere
from emulator.faults.fault import Plan, Request, Scene
from emulator.faults.process import folder_of_pacs, revived, signalled
from emulator.worlds.record import service_folder


def on_another_disk(scene: Scene, target: str, what: str, free: int = 0) -> Plan:
    """The PACS is killed and starts again on another disk (`emulator.inside.covering`), and at the end on its own."""
    service, tag = scene.pacs(target), f"{scene.tag}_{scene.index(target)}"
    beside = [one for one in scene.services if one.site == target and one.overlay and one != service]
    if service.overlay is None or beside:
        raise CannotHere(f"site '{target}': its PACS keeps what it has in a server of its own, not in its storage")
    folder = str(service_folder(scene.folder, service.name))
    cover: Request = {"op": "cover", "tag": tag, "room": f"{folder}/{tag}", "what": what, "free": free}
    cover["target"] = service.overlay.target.replace("@FOLDER@", folder)
    who = folder_of_pacs(scene, target)
    again = revived(scene, target)
    return Plan(
        (signalled(signal.SIGKILL, who, f"the PACS of {target} does not run"), cover, again),
        (signalled(signal.SIGKILL, who), {"op": "uncover", "tag": tag}, again),
    )
