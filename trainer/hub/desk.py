"""What the hub has on its desk: orders to give, models to hand out, updates and reports that have come in."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from trainer import weights
from trainer.aggregation import Update
from trainer.errors import UpdateRefused
from trainer.messages import Order, OrderKind, Report, Trouble
from trainer.weights import Weights

Port = Literal["model", "update", "studies", "control"]
_NOTE_BYTES = 4096  # room for what an update says beside its tensors


@dataclass
class Incoming:
    """An update on its way: what has arrived of it, and who brings it now (a later bringer takes over)."""

    sha256: str
    data: bytearray = field(default_factory=bytearray)
    bringer: object = None


class Desk:
    """The state that HTTP requests read and change. `sites` maps each address to the site that has it."""

    def __init__(
        self, sites: Mapping[str, str], on_trouble: Callable[[str, Trouble], None], tell: Callable[..., None]
    ) -> None:
        self.sites = dict(sites)
        self.behind: frozenset[str] = frozenset()
        """Sites of which an earlier round's update is still awaited: their orders stay."""
        self.models: dict[str, bytes] = {}
        self.reports: dict[str, Report] = {}
        self.updates: dict[str, Update] = {}
        self.passed: Callable[[str, Port, int], None] = lambda _site, _port, _count: None
        self._on_trouble = on_trouble
        self._tell = tell
        self._ends: dict[tuple[str, Port], object] = {}
        self._orders: dict[str, Order] = {}
        self._incoming: dict[str, Incoming] = {}
        self._payload: dict[tuple[str, Port], list[int]] = {}
        self._last_number = 0
        self._like: Weights = {}
        self._news = asyncio.Event()

    def offer(self, model: bytes) -> str:
        """Puts the model that is handed out on the desk; its SHA-256. Updates must look like it. Others go, but for
        those that a site which is behind may still ask for.
        """
        name = weights.sha256(model)
        wanted = {self._orders[site].model for site in self.behind if site in self._orders}
        self.models = {**{kept: data for kept, data in self.models.items() if kept in wanted}, name: model}
        self._like = weights.unpack(model)
        return name

    def order(self, kind: OrderKind, number: int, models: Mapping[str, str | None]) -> None:
        """Gives each of these sites an order of round `number`, with its model; orders of all others lapse, but for
        those of sites that are behind.
        """
        self._last_number += 1
        kept = {site: order for site, order in self._orders.items() if site in self.behind}
        given = {
            site: Order(number=self._last_number, kind=kind, round=number, model=model)
            for site, model in models.items()
        }
        self._orders = kept | given
        self._news.set()
        self._news = asyncio.Event()

    def withdraw(self, site: str) -> None:
        """A site is out of the round: a worker that takes the place of its own has to wait for the next order."""
        self._orders.pop(site, None)

    def lapse(self, behind: frozenset[str]) -> None:
        """A round is over: its orders lapse, but for those of sites that are `behind`."""
        self._orders = {site: order for site, order in self._orders.items() if site in behind}

    def clear(self) -> None:
        """Forget what came in for an earlier round, but for what sites that are behind are bringing."""
        self.reports = {}
        self.updates = {site: update for site, update in self.updates.items() if site in self.behind}
        self._incoming = {site: update for site, update in self._incoming.items() if site in self.behind}

    async def wait_for_order(self, site: str, after: int, within_s: float) -> Order | None:
        """The site's order when it is newer than number `after`; None if there is none in time."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    order = self._orders.get(site)
                    if order is not None and order.number > after:
                        return order
                    await self._news.wait()
        except TimeoutError:
            return None

    def trains(self, site: str, number: int) -> bool:
        """Whether an update of round `number` is awaited from the site."""
        order = self._orders.get(site)
        return order is not None and order.kind == "train" and order.round == number

    def sends(self, site: str) -> bool:
        """Whether studies are awaited from the site."""
        order = self._orders.get(site)
        return order is not None and order.kind == "send"

    def incoming(self, site: str, sha256: str) -> Incoming:
        """The update that a site is bringing; another one begins anew."""
        update = self._incoming.get(site)
        if update is None or update.sha256 != sha256:
            update = self._incoming[site] = Incoming(sha256)
        return update

    @property
    def room(self) -> int:
        """The most bytes that an update may have."""
        return max(map(len, self.models.values()), default=0) + _NOTE_BYTES

    def accept(self, site: str) -> None:
        """Looks at an update that is complete and keeps it. Raises `UpdateRefused`; the site may then begin anew."""
        update = self._incoming.pop(site)
        data = bytes(update.data)
        if weights.sha256(data) != update.sha256:
            raise UpdateRefused(f"{len(data)} bytes came, of another SHA-256 than announced")
        tensors = weights.unpack(data)
        weights.refuse_misfits(tensors, self._like)
        samples = weights.note(data).get("samples", 0)
        if samples < 1:
            raise UpdateRefused("an update from no samples")
        number = self._orders[site].round
        self._tell(
            "arrival",
            what="update",
            round=number,
            site=site,
            sha256=update.sha256,
            samples=int(samples),
            bytes=len(data),
            late=site in self.behind,
        )
        self.updates[site] = Update(site, int(samples), tensors, number)

    def report(self, site: str, report: Report) -> bool:
        """Keeps what a site scored; False where nobody asked for it."""
        order = self._orders.get(site)
        if order is None or order.kind != "evaluate" or order.round != report.round:
            return False
        self._tell("arrival", what="report", round=report.round, site=site, model=report.model)
        self.reports[site] = report
        return True

    def trouble(self, site: str, trouble: Trouble) -> None:
        """A site can't go on."""
        order = self._orders.get(site)
        if order is not None and order.round == trouble.round:
            self._on_trouble(site, trouble)

    def called(self, site: str, port: Port, end: object, attempt: int) -> None:
        """A request has come by the connection that has this `end` at the site; `attempt` counts those for one
        thing.
        """
        if self._ends.get((site, port)) != end:
            self._ends[site, port] = end
            self._tell("connect", site=site, port=port)
        if attempt > 1:
            self._tell("retry", site=site, port=port, attempt=attempt)

    def cut(self, site: str, update: Incoming) -> None:
        """The connection by which a site was bringing an update was cut."""
        self._tell("disconnect", site=site, port="update", why="cut in an update", arrived=len(update.data))

    def count(self, site: str, port: Port, rx: int, tx: int) -> None:
        """Adds payload bytes, seen from the site."""
        counted = self._payload.setdefault((site, port), [0, 0])
        counted[0] += rx
        counted[1] += tx
        self.passed(site, port, rx + tx)

    def take_payload(self) -> dict[tuple[str, Port], tuple[int, int]]:
        """Payload bytes (rx, tx) since the last taking."""
        taken = {key: (rx, tx) for key, (rx, tx) in self._payload.items()}
        self._payload = {}
        return taken
