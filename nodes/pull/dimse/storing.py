"""Taking the objects of C-STORE requests from a wire to the store, fragment by fragment."""

from nodes.errors import Unreadable
from nodes.pull.dimse import commands, syntaxes
from nodes.pull.dimse.pdus import Accepted
from nodes.pull.dimse.wire import Message, Wire
from nodes.pull.intake import Intake
from nodes.pull.store import Stream

SUCCESS, CANNOT_UNDERSTAND = 0x0000, 0xC000


def take(wire: Wire, request: Message, context: Accepted, intake: Intake, stream: Stream) -> None:
    """Keep the object of a C-STORE request, and answer it. What is unreadable is refused, and said so."""
    instance = commands.text(request.command, commands.AFFECTED_INSTANCE)
    sop_class = commands.text(request.command, commands.AFFECTED_CLASS)
    status = CANNOT_UNDERSTAND
    with intake.judging(instance):
        intake.count(_received(wire, syntaxes.meta(sop_class, instance, context.syntax), stream, instance), instance)
        status = SUCCESS
    wire.say(
        request.context,
        commands.command(
            {
                commands.AFFECTED_CLASS: sop_class,
                commands.FIELD: commands.STORE_RSP,
                commands.ANSWERED: commands.number(request.command, commands.MESSAGE),
                commands.DATA: commands.NO_DATA,
                commands.STATUS: status,
                commands.AFFECTED_INSTANCE: instance,
            }
        ),
    )


def _received(wire: Wire, head: bytes, stream: Stream, instance: str) -> bool:
    """Read to the last fragment, also where the object can't be kept: then raises Unreadable, and the wire can go on.
    False where it is here already."""
    fragment = wire.data_fragment()
    if fragment.last:
        return stream.whole(memoryview(head + fragment.data), instance)
    trouble: Unreadable | None = None
    stream.piece(head)
    while True:
        if trouble is None:
            try:
                stream.piece(fragment.data)
            except Unreadable as error:
                trouble = error
        if fragment.last:
            break
        fragment = wire.data_fragment()
    if trouble:
        stream.abort()
        raise trouble
    return stream.end(instance)
