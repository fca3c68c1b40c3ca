"""What guests are made from, before any of them is: images, layers, golden guests."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from emulator import images
from emulator.machines.ground import Ground
from emulator.machines.vm import accelerator, disks, scripts
from emulator.machines.vm.cloning import Mould
from emulator.machines.vm.domain import Hardware
from emulator.machines.vm.golden import Golden, Recipe, golden
from emulator.machines.vm.hypervisor import Hypervisor
from emulator.places import Service
from emulator.topology.resolved import Guest, Site

_MACHINE = "pc"
_PACKED_AT_ONCE = 2


def held(service: Service) -> str | None:
    """The one file of a service that its arguments name: the golden guest's waits for it. None where there is none."""
    named = [name for name, _ in service.files if f"@FOLDER@/{name}" in service.argv]
    return named[0] if len(named) == 1 else None


class Preparing:
    """Makes, for one world, whatever its guests need and the cache lacks."""

    def __init__(self, ground: Ground, hypervisor: Hypervisor) -> None:
        self._ground = ground
        self._hypervisor = hypervisor
        self._made: dict[Recipe, Golden] = {}

    def moulds(self, wanted: Sequence[tuple[Service, Site, Guest]]) -> list[Mould]:
        """A mould for each. Raises `CannotHere`, `Fell`."""
        with ThreadPoolExecutor(_PACKED_AT_ONCE) as hands:
            lowers = [service.overlay.lower if service.overlay else None for service, _, _ in wanted]
            layers = list(hands.map(lambda lower: disks.layer(lower, self._ground.cache), lowers))
        recipes = [self._recipe(service, guest) for service, _, guest in wanted]
        return [
            Mould(self._golden(recipe), recipe.hardware, recipe.root, layer, recipe.held)
            for recipe, layer in zip(recipes, layers, strict=True)
        ]

    def _golden(self, recipe: Recipe) -> Golden:
        if recipe not in self._made:
            self._made[recipe] = golden(
                recipe, self._ground.cache, self._hypervisor, lambda why: self._ground.progress(why, 0, 1)
            )
        return self._made[recipe]

    def _recipe(self, service: Service, guest: Guest) -> Recipe:
        image = images.get(guest.image, self._ground.progress)
        hardware = Hardware(
            accelerator=accelerator.chosen(self._ground.cache, image),
            machine=_MACHINE,
            vcpus=guest.vcpus,
            memory_bytes=guest.memory_bytes,
            kernel=image.kernel,
            initrd=image.initrd,
            arguments=image.arguments,
        )
        file = held(service)
        if file is None:
            raise TypeError(f"{service.name} has no file that a golden guest could wait for")
        argv = tuple(scripts.placed(word) for word in service.argv)
        return Recipe(image.key, image.root, hardware, accelerator.qemu_version(), argv, tuple(service.env), file)
