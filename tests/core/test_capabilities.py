"""What a network cannot carry is refused visibly, at the door and on the way out; the rest is left as it is."""

from __future__ import annotations

import dataclasses

import pytest

from bridge.capabilities import LONGEST, check, fit, parts, size
from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.model import Body, Delivery, File, Kind, Person, Ref
from bridge.words import WORDS

PDF = File("bilan.pdf", "application/pdf", b"x" * 60)
PICTURE = File("photo.png", "image/png", b"y" * 40)
BODY = Body("Bonjour", "<b>Bonjour</b>")
DELIVERY = Delivery(
    id="d_1", network="siilo", message="m_1", conversation="c_1", chat="c_1", sender=Person("rpps:10000000001", "Anna"),
    kind=Kind.TEXT, body=BODY, members=(), sent_at=0, order=1, reply_to=Ref("siilo", "1"), thread=Ref("siilo", "0"),
)  # fmt: skip
WITH_FILES = dataclasses.replace(DELIVERY, body=Body("", files=(PDF, PICTURE)), files=2)


def refused(delivery: Delivery, capabilities: Capabilities) -> Refused:
    """Both ways say the same."""
    with pytest.raises(Refused) as at_the_door:
        check(delivery.body, capabilities)
    with pytest.raises(Refused) as on_the_way_out:
        fit(delivery, capabilities)
    assert at_the_door.value.code == on_the_way_out.value.code
    assert at_the_door.value.code in WORDS
    return on_the_way_out.value


def test_a_network_without_files_refuses_them() -> None:
    said = refused(WITH_FILES, Capabilities(files=False))
    assert (said.code, said.field) == ("files_not_carried", "files")


def test_a_network_without_files_carries_messages_without_files() -> None:
    assert fit(DELIVERY, Capabilities(files=False)) == DELIVERY


def test_files_that_are_carried_are_left_as_they_are() -> None:
    assert fit(WITH_FILES, Capabilities(files=True)) == WITH_FILES


@pytest.mark.parametrize("most", [100, 101])
def test_the_limit_is_of_all_files_together(most: int) -> None:
    assert fit(WITH_FILES, Capabilities(files=True, max_files=most)).body.files == (PDF, PICTURE)


@pytest.mark.parametrize("most", [99, 60, 40, 1])
def test_one_byte_more_is_too_much(most: int) -> None:
    said = refused(WITH_FILES, Capabilities(files=True, max_files=most))
    assert (said.code, said.field, said.about) == ("files_too_large", "files", f"{most} bytes")


def test_a_refusal_tells_neither_names_nor_content() -> None:
    secret = dataclasses.replace(DELIVERY, body=Body("", files=(File("Madame Durand.pdf", "a/b", b"Madame Durand"),)))
    for capabilities in (Capabilities(), Capabilities(files=True, max_files=1)):
        said = refused(secret, capabilities)
        assert "Durand" not in f"{said!r} {said} {said.about} {said.field}"


def test_an_empty_file_still_is_a_file() -> None:
    empty = dataclasses.replace(DELIVERY, body=Body("", files=(File("vide.txt", "text/plain", b""),)))
    assert refused(empty, Capabilities(files=False)).code == "files_not_carried"
    assert fit(empty, Capabilities(files=True, max_files=1)) == empty


@pytest.mark.parametrize("text", ["a" * 200, "é" * 150])
def test_text_is_never_cut_and_never_refused(text: str) -> None:
    long = dataclasses.replace(DELIVERY, body=Body(text, f"<b>{text}</b>", (PDF,)))
    fitted = fit(long, Capabilities(files=True, max_text=120))
    first, *rest = parts(fitted.body, 120)
    assert "".join(part.text.partition("\n")[2] for part in (first, *rest)) == text
    assert (first.files, [part.files for part in rest]) == ((PDF,), [()] * len(rest))
    assert {part.html for part in (first, *rest)} == {None}


def test_what_nobody_writes_is_refused() -> None:
    assert refused(dataclasses.replace(DELIVERY, body=Body("a" * LONGEST)), Capabilities()).code == "too_long"


@pytest.mark.parametrize(("text", "bytes"), [("a", 3), ("é", 4), ("\n", 4), ('"', 4), ("😀", 6), ("\0", 8)])
def test_text_is_counted_as_json(text: str, bytes: int) -> None:
    assert size(Body(text)) == bytes
    assert size(Body(text, text)) == 2 * bytes
    assert size(Body(text), 1000) == 0  # surely not more


def test_formatting_that_does_not_fit_beside_the_text_is_left_out() -> None:
    both = dataclasses.replace(DELIVERY, body=Body("abc", "<b>abc</b>"))
    assert fit(both, Capabilities(max_text=17)) == both
    assert fit(both, Capabilities(max_text=16)).body == Body("abc")


def test_what_a_network_lacks_becomes_less() -> None:
    fitted = fit(DELIVERY, Capabilities(html=False, replies=False, threads=False))
    assert (fitted.body, fitted.reply_to, fitted.thread) == (Body("Bonjour"), None, None)


def test_without_html_the_files_stay() -> None:
    both = dataclasses.replace(DELIVERY, body=Body("Voici", "<b>Voici</b>", (PDF,)), files=1)
    assert fit(both, Capabilities(files=True, html=False)).body == Body("Voici", None, (PDF,))
