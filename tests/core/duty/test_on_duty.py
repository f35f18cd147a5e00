"""Who on duty gets what is written to a function, and who it is passed on to: stories with a clock that moves."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.errors import Unavailable
from bridge.hub.duty.passing import fitting
from bridge.model import Address, Delivery, File, Ref, State
from tests.core.duty.make import ANNA, CLEO, DAN
from tests.core.duty.world import BEN, GARDE, GIL, HANA, kill_after, networks, on_duty

WEEK = """
    {who: cleo, days: weekdays, from: 08:00, to: 18:00}
    {who: dan, days: daily, from: 18:00, to: 08:00}
    {who: anna, days: [weekend, holidays], from: 08:00, to: 18:00}
"""


@pytest.mark.parametrize(
    ("local", "network", "who"),
    [
        ("2026-11-30 12:00", "pandalab", CLEO),
        ("2026-11-30 23:00", "siilo", DAN),  # night
        ("2026-12-05 12:00", "mail", ANNA),  # weekend
        ("2026-12-25 12:00", "mail", ANNA),  # holiday
        ("2027-03-28 05:30", "siilo", DAN),  # the night of the clock change, an hour shorter
        ("2027-03-29 12:00", "mail", ANNA),  # Easter Monday
        ("2027-03-30 08:00", "pandalab", CLEO),
    ],
)
async def test_whoever_is_on_duty_gets_it_on_her_own_product(
    tmp_path: Path, local: str, network: str, who: str
) -> None:
    async with on_duty(tmp_path, local, WEEK) as world:
        accepted = await world.write("m1", "Avis pour un patient de 70 ans")
        await world.gets(network, "Avis")
        assert await world.members(accepted.conversation) == {GIL, GARDE, who}
        assert [len(world.got(name)) for name in ("pandalab", "siilo", "mail") if name != network] == [0, 0]
        await world.read(network, {"pandalab": "cleo", "siilo": "dan", "mail": "anna@mss.example"}[network], "Avis")
        await world.gets("arcad", "pris en charge par")
        await world.quiet()
        await world.becomes(accepted.message, GARDE, State.READ)


async def test_a_hand_over_in_mid_conversation(tmp_path: Path) -> None:
    async with on_duty(tmp_path, "2026-11-30 17:50", WEEK) as world:
        accepted = await world.write("m1", "Avis pour un patient de 70 ans")
        await world.read("pandalab", "cleo", "Avis")
        await world.answer("pandalab", "cleo", "Faites un ECG")
        await world.gets("arcad", "Faites un ECG")
        await world.quiet()
        world.at("2026-11-30 18:10")
        assert await world.members(accepted.conversation) == {GIL, GARDE, CLEO}  # nobody writes: nothing changes
        await world.write("m2", "ECG normal", to=())
        await world.gets("siilo", "ECG normal")
        await world.read("siilo", "dan", "ECG normal")
        await world.gets("arcad", "pris en charge par Dan")
        await world.quiet()
        assert "ECG normal" not in world.texts("pandalab")
        await world.until(
            lambda: world.nets["pandalab"].delivered[-1].kind.value == "members"
        )  # she hears that she left
        assert await world.members(accepted.conversation) == {GIL, GARDE, DAN}
        world.at("2026-12-01 08:30")
        await world.write("m3", "Et la troponine ?", to=())
        await world.gets("pandalab", "troponine")
        assert "troponine" not in "".join(world.texts("siilo"))


async def test_what_waits_at_the_border_is_for_both(tmp_path: Path) -> None:
    """Her product is away: she still gets what was written to her, and whoever relieves her gets it when unread."""
    nets = networks()
    down = [True]

    def away(_: Delivery) -> None:
        if down[0]:
            raise Unavailable("away")

    nets["pandalab"].before = away
    async with on_duty(tmp_path, "2026-11-30 17:50", WEEK, nets=nets) as world:
        first = await world.write("m1", "Avis pour un patient")
        world.at("2026-11-30 18:00")
        copy = await world.gets("siilo", "Avis pour un patient")
        assert copy.startswith("Gil Faure à Cardiologie de garde, 30/11/2026 17:5")
        await world.gets("arcad", "relève. Ce que Cléo Petit n'a pas lu est transmis à Dan Moreau")
        await world.write("m2", "Il est arrivé", to=())
        await world.gets("siilo", "Il est arrivé")
        assert CLEO in await world.members(first.conversation)  # something waits for her
        down[0] = False
        await world.gets("pandalab", "Avis pour un patient")
        assert "Il est arrivé" not in world.texts("pandalab")
        await world.read("siilo", "dan", "Il est arrivé")
        await world.read("siilo", "dan", "Avis pour")
        await world.gets("arcad", "pris en charge par Dan")
        await world.quiet()
        await world.write("m3", "Merci", to=())
        await world.gets("siilo", "Merci")
        await world.left(first.conversation, CLEO)


async def test_nobody_reads_what_is_urgent(tmp_path: Path) -> None:
    """Her product, her mailbox, whoever is on duty next, and back to its writer: said in the conversation each time."""
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK) as world:
        accepted = await world.write("m1", "URGENT : douleur thoracique")
        await world.gets("pandalab", "douleur")
        await world.write("m2", "chambre 12", to=())
        await world.gets("pandalab", "chambre 12")
        await world.watched(accepted.conversation, 2)
        world.at("2026-11-30 12:09")
        assert world.texts("mail") == []
        world.at("2026-11-30 12:11")
        page = await world.gets("mail", "douleur thoracique", "cleo@mss.example")
        assert "chambre 12" in page
        await world.gets("arcad", "non lu par Cléo Petit. Envoyé aussi à sa messagerie")
        world.at("2026-11-30 12:22")
        copy = await world.gets("siilo", "douleur thoracique", "dan")
        assert "chambre 12" in copy
        await world.gets("arcad", "non lu par Cléo Petit. Transmis à Dan Moreau")
        world.at("2026-11-30 12:33")
        await world.gets("arcad", "personne n'a lu votre message")
        await world.quiet()
        await world.becomes(accepted.message, GARDE, State.REFUSED)
        assert len(world.got("mail")) == 1
        assert sum("douleur" in text for text in world.texts("siilo")) == 1
        assert sum("douleur" in text for text in world.texts("pandalab")) == 1


async def test_the_next_on_duty_takes_it_and_keeps_the_conversation(tmp_path: Path) -> None:
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK.replace("who: cleo", "who: [anna, dan]")) as world:
        await world.write("m1", "douleur thoracique", urgent="1")
        await world.gets("mail", "douleur")
        world.at("2026-11-30 12:11")  # she has no other way than her mailbox
        await world.gets("siilo", "douleur")
        await world.answer("siilo", "dan", "J'arrive")
        await world.gets("arcad", "J'arrive")
        await world.gets("arcad", "pris en charge par Dan Moreau")
        await world.quiet()
        world.at("2026-11-30 12:40")
        await world.write("m2", "Merci", to=())
        await world.gets("siilo", "Merci")
        assert not any("non lu par Dan" in text for text in world.texts("arcad"))


async def test_an_answer_by_mail_comes_back_into_the_conversation(tmp_path: Path) -> None:
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK) as world:
        one = await world.write("m1", "URGENT : douleur chez A")
        other = await world.write("n1", "URGENT : malaise chez B", by="hana", chat="other")
        await world.gets("pandalab", "malaise")
        await world.waits_for(2)
        world.at("2026-11-30 12:11")
        await world.gets("mail", "douleur")
        await world.gets("mail", "malaise")
        await world.answer("mail", "cleo@mss.example", "Je descends pour A", to="douleur")
        said = await world.gets("arcad", "réponse de Cléo Petit par messagerie sécurisée", "gil")
        assert "Je descends pour A" in said
        assert not any("descends" in text for text in world.texts("arcad", "hana"))
        await world.gets("arcad", "pris en charge par Cléo Petit", "gil")
        await world.waits_for(1)
        await world.becomes(one.message, GARDE, State.READ)
        assert await world.state(other.message, GARDE) is State.DELIVERED


async def test_nobody_is_on_duty(tmp_path: Path) -> None:
    hours = "{who: cleo, days: weekdays, from: 08:00, to: 18:00}"
    async with on_duty(tmp_path, "2026-12-04 19:00", hours) as world:  # a Friday
        accepted = await world.write("m1", "Rendez-vous de contrôle")
        told = await world.gets("arcad", "personne n'est de garde")
        assert "07/12/2026 08:00 (Cléo Petit)" in told
        assert await world.members(accepted.conversation) == {GIL, GARDE}
        world.at("2026-12-07 08:00")
        assert "Rendez-vous" in await world.gets("pandalab", "Rendez-vous")
        await world.gets("arcad", "Cléo Petit prend la garde ; votre message lui est remis")
        await world.read("pandalab", "cleo", "Rendez-vous")
        await world.quiet()
        world.rota("{who: cleo, dates: [2020-01-01], from: 08:00, to: 18:00}")
        world.at("2026-12-08 08:00")
        late = await world.write("m2", "Encore une question", to=())
        await world.gets("arcad", "aucune garde n'est prévue")
        await world.becomes(late.message, GARDE, State.REFUSED)


async def test_a_member_leaves(tmp_path: Path) -> None:
    """Whoever is no member of the rota any more is relieved like somebody whose duty has ended."""
    async with on_duty(tmp_path, "2026-11-30 12:00", "{who: cleo, days: daily, from: 00:00, to: 24:00}") as world:
        accepted = await world.write("m1", "URGENT : avis")
        await world.gets("pandalab", "avis")
        world.rota("{who: dan, days: daily, from: 00:00, to: 24:00}")
        await world.write("m2", "suite", to=())
        await world.gets("siilo", "suite")
        world.at("2026-11-30 12:11")
        await world.gets("mail", "avis", "cleo@mss.example")
        world.at("2026-11-30 12:22")
        await world.gets("siilo", "avis")
        await world.read("siilo", "dan", "avis")
        await world.read("siilo", "dan", "suite")
        await world.quiet()
        assert DAN in await world.members(accepted.conversation)


async def test_a_substitute(tmp_path: Path) -> None:
    away = f'absences:\n- {{who: "{CLEO}", from: 2026-11-30, to: 2026-11-30, substitute: "{ANNA}"}}\n'
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK, away) as world:
        await world.write("m1", "Avis pour un patient")
        await world.gets("mail", "Avis", "anna@mss.example")
        assert world.got("pandalab") == []


TWO = """
  bloc:
    name: Bloc opératoire
    members: {dan: "rpps:10000000004"}
    shifts:
      - {who: dan, days: daily, from: 00:00, to: 24:00}
"""


async def test_two_functions_in_one_conversation(tmp_path: Path) -> None:
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK, TWO[1:]) as world:
        accepted = await world.write("m1", "Transfert ?", to=(GARDE, "function:bloc"))
        await world.gets("pandalab", "Transfert")
        await world.gets("siilo", "Transfert")
        await world.answer("pandalab", "cleo", "Oui, à 14 h")
        await world.gets("arcad", "Cardiologie de garde : pris en charge par Cléo Petit")
        await world.gets("siilo", "Oui, à 14 h")
        assert not any("Bloc opératoire : pris en charge" in text for text in world.texts("arcad"))
        await world.read("siilo", "dan", "Oui, à 14 h")
        await world.gets("arcad", "Bloc opératoire : pris en charge par Dan Moreau")
        await world.quiet()
        assert await world.members(accepted.conversation) == {GIL, GARDE, "function:bloc", CLEO, DAN}


async def test_her_product_is_down(tmp_path: Path) -> None:
    nets = networks()

    def down(_: Delivery) -> None:
        raise Unavailable("down")

    nets["pandalab"].before = down
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK, nets=nets) as world:
        await world.write("m1", "URGENT : avis")
        await world.until(lambda: world.nets["pandalab"].calls)
        world.at("2026-11-30 12:11")
        await world.gets("mail", "avis", "cleo@mss.example")
        await world.gets("arcad", "Envoyé aussi à sa messagerie")


async def test_whoever_is_on_duty_writes_to_the_function(tmp_path: Path) -> None:
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK) as world:
        accepted = await world.write("m1", "Est-ce que cela marche ?", by="cleo", network="pandalab")
        await world.gets("pandalab", "c'est vous qui êtes de garde")
        assert await world.members(accepted.conversation) == {CLEO, GARDE}
        assert await world.waiting() == 0


async def test_writer_and_on_duty_use_the_same_product(tmp_path: Path) -> None:
    """What the product does not show its own user by itself is given to her as a copy; then she is in its chat."""
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK) as world:
        world.instead(ANNA, HANA)
        world.at("2026-12-05 12:00")
        accepted = await world.write("m1", "Avis")
        copy = await world.gets("arcad", "Avis", "hana")
        assert copy.startswith("Gil Faure à Cardiologie de garde")
        assert HANA in await world.members(accepted.conversation)
        second = await world.write("m2", "Toujours là ?", to=())
        assert await world.state(second.message, HANA) is State.ACCEPTED
        await world.core.hub.signs.read(Ref("arcad", "m2"), Address("arcad", "hana"), world.clock())
        await world.read("arcad", "hana", "Avis")
        await world.gets("arcad", "pris en charge par Hana Roy", "gil")
        await world.quiet()
        assert not any("Toujours" in text for text in world.texts("arcad", "hana"))


async def test_a_matrix_account_on_duty(tmp_path: Path) -> None:
    async with on_duty(tmp_path, "2026-12-05 12:00", WEEK) as world:
        world.instead(ANNA, BEN)
        await world.write("m1", "Avis")
        await world.gets("matrix", "Avis", "@ben:chu.example")
        await world.read("matrix", "@ben:chu.example", "Avis")
        await world.gets("arcad", "pris en charge par Ben Durand")


@pytest.mark.parametrize("step", ["duty.watch", "hub.accept", "duty.told", "hub.sign", "duty.taken"])
async def test_a_kill_in_mid_escalation_repeats_and_loses_nothing(tmp_path: Path, step: str) -> None:
    nets = networks()
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK, nets=nets) as world:
        await world.write("m1", "URGENT : avis")
        await world.gets("pandalab", "avis")
        killed = kill_after(world.db, step, 1 if step != "hub.accept" else 2)
        world.at("2026-11-30 12:11")
        if step in ("hub.sign", "duty.taken"):
            await world.read("pandalab", "cleo", "avis")
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await killed.wait()
    async with on_duty(tmp_path, "2026-11-30 12:12", nets=nets) as world:
        if step in ("hub.sign", "duty.taken"):
            await world.read("pandalab", "cleo", "avis")
            await world.gets("arcad", "pris en charge par Cléo")
            await world.quiet()
        else:
            await world.gets("mail", "avis", "cleo@mss.example")
            await world.gets("arcad", "Envoyé aussi à sa messagerie")
            world.at("2026-11-30 12:24")
            await world.gets("siilo", "avis")
        for network in ("mail", "siilo", "pandalab"):
            assert sum("avis" in text for text in world.texts(network)) <= 1
        assert len(world.texts("arcad")) == len(set(world.texts("arcad")))


async def test_an_absence_is_told_once_to_who_writes(tmp_path: Path) -> None:
    more = f'substitute: "{DAN}", words: En congrès'
    away = f'absences:\n- {{who: "{CLEO}", from: 2026-11-30, to: 2026-12-01, {more}}}\n'
    async with on_duty(tmp_path, "2026-11-30 12:00", WEEK, away) as world:
        await world.write("m1", "Bonjour", to=(CLEO,))
        told = await world.gets("arcad", "Cléo Petit est en absence jusqu'au 02/12/2026 00:00")
        assert "« En congrès »" in told
        assert "Remplacement : Dan Moreau." in told
        await world.gets("pandalab", "Bonjour")  # she gets it all the same
        await world.write("m2", "Encore", to=())
        await world.gets("pandalab", "Encore")
        await world.write("n1", "Autre", to=(CLEO,), chat="other", by="hana")
        await world.until(lambda: sum("en absence" in text for text in world.texts("arcad")) == 2)
        assert not any("en absence" in text for text in world.texts("pandalab"))
        world.at("2026-12-02 08:00")
        await world.write("m3", "Toujours là ?", to=())
        await world.gets("pandalab", "Toujours")
        assert sum("en absence" in text for text in world.texts("arcad")) == 2


def test_what_is_too_large_for_a_copy_is_named() -> None:
    files = [File(name, "application/pdf", bytes(size)) for name, size in (("a", 6), ("b", 5), ("c", 4))]
    taken, left = fitting(files, 10)
    assert ([file.name for file in taken], left) == (["a", "c"], "b")
    assert fitting(files[:1]) == ((files[0],), "")
