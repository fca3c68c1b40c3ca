"""Toxics in a world: each gateway's Toxiproxy started and ended, its toxics put on and taken off."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from emulator import toxics
from emulator.errors import Fell, WrongInput
from emulator.machines import Progress
from emulator.machines.layers import write_files
from emulator.reach import Agent, Launch
from emulator.topology.resolved import Site, Toxic
from emulator.toxics.api import Toxiproxy, differences
from emulator.worlds.record import service_folder
from emulator.worlds.transport import PlaceTransport

_HANDS = 4
_ANSWER_S = 60.0
_REACH_S = 5.0


class Poisoner:
    """Puts toxics on in one world, and takes them off."""

    def __init__(self, folder: Path, agent: Agent) -> None:
        self._folder = folder
        self._agent = agent

    def turn_all(self, sites: Sequence[Site], progress: Progress) -> None:
        """`turn` at several sites."""
        with ThreadPoolExecutor(_HANDS) as hands:
            for done, _ in enumerate(hands.map(self.turn, sites), 1):
                progress("toxics", done, len(sites))

    def turn(self, site: Site) -> None:
        """Give a site exactly the toxics of its topology; connections to a service that keeps some stay open."""
        if not site.toxics:
            self._end(site)
            return
        began = self._begin(site)
        try:
            toxiproxy = self._toxiproxy(site)
            toxiproxy.turn(differences(toxiproxy.present(), site.toxics))
            self._agent.configure([toxics.divert(site, {toxic.on for toxic in site.toxics}, only=True)])
        except BaseException:
            if began:
                self._end(site)
            raise

    def present(self, site: Site) -> tuple[Toxic, ...]:
        """The toxics that are on at a site now. Raises `Fell` where its Toxiproxy has ended."""
        return self._toxiproxy(site).present()

    def add(self, site: Site, toxic: Toxic) -> None:
        """Put one toxic on, wholly or not at all.

        Raises `WrongInput` where no such port answers, `WrongState` where it is on already, `CannotHere` without
        Toxiproxy.
        """
        self._prove_port(site, toxic)
        began = self._begin(site)
        try:
            toxiproxy = self._toxiproxy(site)
            toxiproxy.add(toxic)
            try:
                self._agent.configure([toxics.divert(site, [toxic.on], only=False)])
            except BaseException:
                toxiproxy.remove(toxic)
                raise
        except BaseException:
            if began:
                self._end(site)
            raise

    def remove(self, site: Site, toxic: Toxic) -> None:
        """Take one toxic off. What flows through the proxy goes on flowing. Raises `WrongState` where it is not on."""
        self._toxiproxy(site).remove(toxic)

    def _toxiproxy(self, site: Site) -> Toxiproxy:
        reach = partial(self._agent.connect, site.name)
        return Toxiproxy(site, PlaceTransport(reach))

    def _prove_port(self, site: Site, toxic: Toxic) -> None:
        """The hub listens while it trains only; a PACS listens, or has no such port."""
        if toxic.on == "hub":
            return
        for proxy in toxics.proxies(site, toxic.on):
            try:
                self._agent.connect(site.name, proxy.address, proxy.port, _REACH_S).close()
            except Fell as error:
                raise WrongInput(
                    f"site '{site.name}': a toxic on '{toxic.on}', but nothing answers at {proxy.address}:{proxy.port} "
                    f"({error}); choose a port that its PACS has"
                ) from error

    def _begin(self, site: Site) -> bool:
        """Start the site's server, if it doesn't run; whether that was needed."""
        service = toxics.server(site)
        folder = service_folder(self._folder, service.name)
        if self._agent.alive([str(folder)]):
            return False
        write_files(folder, service)
        argv = tuple(word.replace("@FOLDER@", str(folder)) for word in service.argv)
        try:
            self._agent.spawn([Launch(service.place, argv, str(folder), dict(service.env))])
            self._agent.wait_ready(
                service.place, toxics.API_ADDRESS, service.ready_port, service.ready_path, _ANSWER_S, str(folder)
            )
            self._agent.configure([toxics.ready_to_divert(site)])
        except BaseException as error:
            self._end(site)
            if isinstance(error, Fell):
                last = (folder / "log").read_text(errors="replace").splitlines()[-5:]
                raise Fell("\n".join([f"Toxiproxy at {site.name} did not come up: {error}", *last])) from error
            raise
        return True

    def _end(self, site: Site) -> None:
        self._agent.configure([toxics.leave_alone(site)])
        self._agent.stop([str(service_folder(self._folder, toxics.server_name(site)))])
