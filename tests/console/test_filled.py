"""Every page with everything that it can show: nothing is missing, and every word of others is escaped."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from tests.console.filled import EVIL, PAGES, filled
from tests.console.make import text_of

pytestmark = pytest.mark.real_time
FORM = r'(?s)<form class="act(?: new)?" method="post" action="([^"]+)">(.*?)</form>'
SAYS = {
    "/": ("10000+", "1 h ", "Nobody can be reached", "The database fails", "siilo does not answer",
          "Mails that wait for chu.example: 3", "Events of matrix to be worked on: 3", "The list directory is old",
          "Identities to decide: 2", "connect_listen ends soon (days left: 2)", "console cannot be read",
          "mail.certificate has ended", "w1 works , 0.1.0, for 1 d 1 h", "w2 stands by", "The disk of /var/lib/liaison",
          "FAILS product_timed_out", "Alarms since the start: 2", "Messages to mail are late"),
    "/waiting": ("There is more: choose a network.", "not tried yet",
                 "tried once: product_unreachable (nobody answers", "tried 3 times", "mail: mails to be handed over",
                 "scan_away (the virus scanner does not answer) !"),
    "/waiting?network=mail": ("mails to be handed over", "chu.example", "450 4.7.5", "mails taken in"),
    "/waiting?network=siilo": ("Try all that waits for siilo now", "More"),
    "/message/m_1": ("$abc:chu.example", "waits for its place in the order", "still to be told by siilo", "gave_up",
                     "At the edge of the network", "waits to leave", "scan_away (the virus scanner"),
    "/conversation/c_1": ("!room:chu.example", "not opened yet", "siilo:cleo"),
    "/delivery/d_3": ("its writer reads:", "Yes, this message will not arrive."),
    "/people?who=@ben:chu.example&to=x": ("in no directory", "struck off", "This identity has changed", "new+key",
                                          "May write: NO", "not signed"),
    "/claims": ("pandalab:cleo", "In several products already", "operator anna"),
    "/products": ("does not answer : product_certificate (the product's certificate is not accepted",
                  "none: the product reads its events", "not used yet", "4.8 MiB", "200+"),
    "/product/siilo?after=100": (
        "Events that would go again: 9900. From no. 101 to no. 10100", "Not taken yet, or going again already: 100.",
        "not whole",
        "There are more: then count after no. 10100", "until the new one is used",
    ),
    "/directory": ("2000000", "The index is of another version", "is 2 d 7 h old"),
    "/trust": ("39 days left", "has ended", "cannot be read", "Held, to be accepted", "0.2 GiB free of 64.0"),
    "/audit": ("mail:a.example#00", "at=console", "Older"),
    "/alarms": ("the database fails",),
}  # fmt: skip


async def test_every_page_with_everything(tmp_path: Path) -> None:
    async with filled(tmp_path) as there, aiohttp.ClientSession() as session:
        for path in {*PAGES, *SAYS}:
            for language in ("en", "fr"):
                headers = {"Cookie": f"console={there.cookie}", "Accept-Language": language}
                async with session.get(there.url + path, headers=headers, allow_redirects=False) as got:
                    page = await got.text()
                assert got.status == 200, (path, page)
                assert EVIL not in page
                assert "<script" not in page
                assert not re.search(r"\{\{|\}\}|\{%|None|Undefined", text_of(page)), path
                missing = [one for one in SAYS.get(path, ()) if one not in text_of(page)] if language == "en" else []
                assert missing == [], (path, text_of(page))


async def test_forms_ask_for_what_their_page_shows(tmp_path: Path) -> None:
    """Each form of each page is sent as a browser would send it; who did it goes with the act."""
    async with filled(tmp_path) as there, aiohttp.ClientSession() as session:
        headers = {"Cookie": f"console={there.cookie}", "Origin": there.url, "Accept-Language": "en"}
        sent = set()
        for path in PAGES:
            async with session.get(there.url + path, headers=headers) as got:
                page = await got.text()
            for action, body in re.findall(
                r'(?s)<form class="act(?: new)?" method="post" action="([^"]+)">(.*?)</form>', page
            ):
                form = dict(re.findall(r'name="([a-z]+)" value="([^"]*)"', body))
                form |= {"overlap": "now"} if 'name="overlap"' in body else {}
                async with session.post(there.url + action, data=form, headers=headers, allow_redirects=False) as got:
                    assert (got.status, action) == (200 if "overlap" in form else 303, action)
                sent.add(action)
        assert len(sent) == 10
        asked = [(name, more.get("by")) for name, more in there.done if "by" in more]
        acts = {"queue-retry", "queue-drop", "decide", "revoke", "restore", "accept-identity"}
        acts |= {"product-token", "product-secret", "product-again"}
        assert {name for name, _ in asked} == acts
        assert {by for _, by in asked} == {"operator anna"}
