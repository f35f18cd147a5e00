"""What a leg cannot show as what it is becomes words there, in the name of whoever did it; and a sign stays a sign."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.extras import Choice, Poll, PollResult, Vote
from bridge.forms import wording
from bridge.hub.hub import now_ms
from bridge.kinds import EVERYWHERE
from bridge.model import Address, Body, Kind, Message, Ref
from bridge.networks.loopback import Loopback
from bridge.words import speak
from tests.core.make import World, networks, running

BEN, CLEO, DAN = Address("matrix", "@ben:chu.example"), Address("pandalab", "cleo"), "siilo:dan"
POLL = Poll("Quel jour ?", (Choice("a", "Mardi"), Choice("b", "Jeudi")))


@pytest.fixture(autouse=True)
def french() -> Iterator[None]:
    """Sentences in one language are shorter."""
    speak("fr")
    yield
    speak("both")


async def say(w: World, ident: str, kind: Kind, body: Body, about: str | None = None) -> None:
    """Cléo says or does something in her product."""
    ref, to = Ref("pandalab", ident), (str(BEN), DAN)
    target = None if about is None else Ref("pandalab", about)
    before = [len(net.delivered) for net in (w.siilo, w.matrix)]
    await w.hub.accept(Message(ref, "A", CLEO, kind, body, now_ms(), to if ident == "1" else (), target))
    await w.until(lambda: [len(net.delivered) for net in (w.siilo, w.matrix)] > before)  # else it leaves corrected
    await w.until(lambda: len(w.matrix.delivered) == len(w.siilo.delivered))


async def answer(w: World, ident: str, kind: Kind, about: str, text: str = "") -> None:
    """Dan does something to a message, in his product."""
    chat = w.siilo.delivered[0].chat or w.siilo.delivered[0].conversation
    ref, target = Ref("siilo", ident), Ref("siilo", about)
    await w.hub.accept(Message(ref, chat, Address("siilo", "dan"), kind, Body(text), now_ms(), reply_to=target))


def seen(net: Loopback) -> list[tuple[Kind, str]]:
    return [(d.kind, d.body.text) for d in net.delivered]


async def test_words_where_only_text_is_shown(url: str) -> None:
    """Siilo shows text only, Matrix edits and signs."""
    able = Capabilities(kinds=EVERYWHERE | {Kind.EDIT, Kind.REMOVAL, Kind.REACTION}, echoes=False, names_chats=True)
    nets = networks() | {"matrix": Loopback("matrix", able)}
    async with running(url, nets) as w:
        await say(w, "1", Kind.TEXT, Body("500 mg"))
        await say(w, "2", Kind.EDIT, Body("50 mg", "<p>50 mg</p>"), "1")
        await say(w, "3", Kind.HANDLED, Body(wording.handled()), "1")
        await say(w, "4", Kind.REMOVAL, Body(), "3")
        await say(w, "5", Kind.POLL, Body(wording.poll(POLL), extra=POLL))
        await say(w, "6", Kind.CALL, Body(wording.call()))
        await say(w, "7", Kind.REMOVAL, Body(), "1")
        at = wording.when(w.siilo.delivered[0].sent_at, now_ms())
        assert seen(w.siilo) == [
            (Kind.TEXT, "500 mg"),
            (Kind.TEXT, f"✏️ corrige le message de {at} :\n50 mg"),
            (Kind.TEXT, "✅ Traité"),
            (Kind.NOTICE, "🗑️ n'est plus traité"),
            (Kind.TEXT, wording.poll(POLL)),
            (Kind.NOTICE, wording.call()),
            (Kind.NOTICE, f"🗑️ a retiré son message de {at}"),
        ]
        assert [d.reply_to.id if d.reply_to else None for d in w.siilo.delivered] == [
            None, "siilo-1", "siilo-1", "siilo-3", None, None, "siilo-1",
        ]  # fmt: skip
        assert w.siilo.delivered[1].body.html == f"<p>✏️ corrige le message de {at} :</p><p>50 mg</p>"
        assert seen(w.matrix) == [
            (Kind.TEXT, "500 mg"),
            (Kind.EDIT, "50 mg"),
            (Kind.REACTION, "✅"),
            (Kind.REMOVAL, ""),
            (Kind.TEXT, wording.poll(POLL)),
            (Kind.NOTICE, wording.call()),
            (Kind.REMOVAL, ""),
        ]


async def test_a_sign_is_an_answer_to_whoever_wrote_and_to_nobody_else(url: str) -> None:
    """Said once for each person; whoever does not wait for it is left in peace."""
    nets = networks() | {"matrix": Loopback("matrix", Capabilities(names_chats=True))}
    async with running(url, nets) as w:
        await say(w, "1", Kind.TEXT, Body("Pouvez-vous venir ?"))
        await w.until(lambda: w.siilo.delivered and w.matrix.delivered)
        chat, about = w.siilo.delivered[0].chat or w.siilo.delivered[0].conversation, Ref("siilo", "siilo-1")
        dan = Address("siilo", "dan")
        more = Message(Ref("siilo", "r2"), chat, dan, Kind.REACTION, Body("❤️"), now_ms(), reply_to=about)
        await w.hub.facts.noted(more)
        assert "pandalab" not in await w.hub.facts.unable(more)
        await answer(w, "r1", Kind.REACTION, "siilo-1", "👍")
        await w.until(lambda: seen(w.pandalab) == [(Kind.TEXT, "👍")])
        assert w.pandalab.delivered[0].reply_to == Ref("pandalab", "1")
        assert len(w.matrix.delivered) == 1
        assert "pandalab" in await w.hub.facts.unable(more)  # its writer learns that
        with pytest.raises(Refused, match="reaction_not_carried"):
            await answer(w, "r2", Kind.REACTION, "siilo-1", "❤️")
        await answer(w, "r3", Kind.REMOVAL, "r1")
        await w.until(lambda: seen(w.pandalab)[1:] == [(Kind.NOTICE, "🗑️ a retiré sa réaction")])
        assert len(w.matrix.delivered) == 1
        with pytest.raises(Refused, match="reaction_not_carried"):
            await say(
                w, "r4", Kind.REACTION, Body("👍"), "1"
            )  # nobody elsewhere waits for what she thinks of her words


async def test_an_answer_where_answers_are_not_shown_says_to_what(url: str) -> None:
    nets = networks() | {"siilo": Loopback("siilo", Capabilities(replies=False, threads=False, html=False))}
    async with running(url, nets) as w:
        await w.hub.accept(Message(Ref("pandalab", "1"), "A", CLEO, Kind.TEXT, Body("?"), now_ms(), (str(BEN), DAN)))
        await w.until(lambda: w.matrix.delivered)
        await w.echo()
        answered = Message(Ref("pandalab", "2"), "A", CLEO, Kind.TEXT, Body("Oui", "<p>Oui</p>"), now_ms())
        await w.hub.accept(replace(answered, reply_to=Ref("pandalab", "1")))
        await w.until(lambda: len(w.matrix.delivered) == 2)
        await w.echo()
        await w.until(lambda: len(w.siilo.delivered) == 2)
        at = wording.when(w.siilo.delivered[0].sent_at, now_ms())
        assert seen(w.siilo)[1] == (Kind.TEXT, f"→ en réponse à Cléo Petit, {at}\nOui")


async def test_votes_are_counted_for_who_sees_only_the_end(url: str) -> None:
    """Siilo reads the question and what became of it; Matrix shows each vote; nobody else's vote counts twice."""
    polls = EVERYWHERE | {Kind.POLL, Kind.VOTE, Kind.POLL_END}
    nets = networks() | {"matrix": Loopback("matrix", Capabilities(kinds=polls, names_chats=True))}
    async with running(url, nets) as w:
        await say(w, "1", Kind.POLL, Body(wording.poll(POLL), extra=POLL))
        for ident, chosen in (("2", ("b",)), ("3", ("a", "b")), ("4", ("nobody",)), ("5", ("a",))):
            await w.hub.accept(
                Message(Ref("pandalab", ident), "A", CLEO, Kind.VOTE, Body(extra=Vote(chosen)), now_ms(), (), _ref("1"))
            )
        await w.until(lambda: len(w.matrix.delivered) == 5)
        chat = w.matrix.delivered[0].conversation
        await w.hub.bind(chat, "matrix", "!room")
        vote = Message(Ref("matrix", "$v"), "!room", BEN, Kind.VOTE, Body(extra=Vote(("b",))), now_ms())
        await w.hub.accept(replace(vote, reply_to=Ref("matrix", "matrix-1")))
        with pytest.raises(Refused, match="vote_not_carried"):
            await w.hub.accept(replace(vote, ref=Ref("matrix", "$w"), reply_to=Ref("matrix", "matrix-2")))
        end = replace(vote, ref=Ref("matrix", "$e"), kind=Kind.POLL_END, body=Body())
        with pytest.raises(Refused, match="poll_end_not_carried"):
            await w.hub.accept(replace(end, reply_to=Ref("matrix", "matrix-1")))
        ended = Message(Ref("pandalab", "6"), "A", CLEO, Kind.POLL_END, Body("fini"), now_ms(), (), _ref("1"))
        await w.hub.accept(ended)
        await w.until(lambda: len(w.siilo.delivered) == 2 and len(w.matrix.delivered) == 6)
        result = PollResult(POLL, (1, 1), 2)
        assert seen(w.siilo)[1] == (Kind.TEXT, wording.counts(result))
        assert (w.matrix.delivered[5].kind, w.matrix.delivered[5].body.extra) == (Kind.POLL_END, result)
        assert [d.kind for d in w.matrix.delivered[1:5]] == [Kind.VOTE] * 4
        assert await w.db.one("polls.asked", w.matrix.delivered[0].message) is None
        await w.hub.accept(replace(vote, ref=Ref("matrix", "$late"), reply_to=Ref("matrix", "matrix-1")))


def _ref(ident: str) -> Ref:
    return Ref("pandalab", ident)
