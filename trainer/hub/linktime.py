"""Links that vary keep to the emulated clock: what it jumps over, they jump over too."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from trainer.clock.phases import Moments, Phase, Slots


class LinkTime:
    """The links' clock of one world, kept level with the emulated one from the first phase on. `world_folder` is None
    where no link varies, or outside a world.

    It only goes forward: where computing really took longer than modelled, the links are ahead by the difference.
    And it is set as a phase begins: what the clock jumps over between two uploads follows with the next phase.
    """

    def __init__(self, world_folder: Path | None) -> None:
        self._folder = world_folder
        self._offset_s: float | None = None  # of the links' clock from the emulated one

    async def enter(self, phase: Phase, hands: Iterable[float], now: float) -> None:
        """A phase is about to begin; `hands` are its sites' emulated moments (s), `now` the monotonic clock (s)."""
        if self._folder is not None and not isinstance(phase, Slots):
            emulated_s = phase.emulated(now) if isinstance(phase, Moments) else max(hands, default=0.0)
            await asyncio.to_thread(self._reach, self._folder, emulated_s)

    def _reach(self, folder: Path, emulated_s: float) -> None:
        from emulator.linkclock import LinkClock  # only inside a world
        from emulator.worlds import playing

        shown_s = LinkClock.read(folder).now()
        if self._offset_s is None:
            self._offset_s = shown_s - emulated_s
        behind_s = emulated_s + self._offset_s - shown_s
        if behind_s > 0:
            playing.forward(folder, behind_s)
