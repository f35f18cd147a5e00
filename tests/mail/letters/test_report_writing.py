"""Reports: read in every form in which they come, written in the one that the guide has."""

from email import message_from_bytes

import pytest

from bridge.errors import Refused
from bridge.networks.mail.letters.report_writing import Notice, compose_dsn, compose_mdn
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Mail, parse
from bridge.networks.mail.mime.report_reading import Dsn, DsnRecipient, Mdn

ORIGINAL = (
    "From: Hôpital <service@chb.mssante.fr>\r\nTo: lps@cabinet.mssante.fr\r\nMessage-ID: <o1@chb.mssante.fr>\r\n"
    "Subject: XDM/1.0/DDM+Échographie CORSE FIGATELLIX 12/10/1988\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=o\r\n\r\n"
    "--o\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nvoilà\r\n"
    "--o\r\nContent-Type: application/zip; name=IHE_XDM.ZIP\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "UEsDBA==\r\n--o--\r\n"
).encode()
NOTICE = Notice(
    message_id="n1@hub.mssante.fr",
    sender=Box("lps@cabinet.mssante.fr"),
    to=Box("service@chb.mssante.fr"),
    sent_at=1700000000000,
    original=ORIGINAL,
    reporter="hub.mssante.fr",
    product="DEV935997",
)
ERROR = "902^Identifiant de patient inconnu^applicationErrorCondition| E^Error^errorSeverity"


def report(kind: str, fields: str, subject: str = "x", extra: str = "", original: str = "") -> Mail:
    raw = (
        f"From: lps@cabinet.mssante.fr\nTo: a@x.fr\nSubject: {subject}\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=r\n\n--r\n\nlisible\n"
        f"--r\nContent-Type: message/{kind}\n\n{fields}\n{original}{extra}--r--\n"
    )
    return parse(raw.replace("\n", "\r\n").encode())


def mdn(fields: str, subject: str = "x", extra: str = "", original: str = "") -> Mdn:
    found = report("disposition-notification", fields, subject, extra, original)
    assert isinstance(found.report, Mdn)
    assert (found.automatic, found.text) == ("mdn", "lisible")
    return found.report


FIELDS = (
    "Reporting-UA: pfi.chb.mssante.fr; PFI\nOriginal-Recipient:rfc822;b@x.fr\nFinal-Recipient: rfc822; B@X.fr\n"
    "Original-Message-ID: <o1@chb.mssante.fr>\n"
)


@pytest.mark.parametrize(
    ("disposition", "state", "automatic"),
    [
        ("automatic-action/MDN-sent-automatically; processed", "processed", True),
        ("manual-action/MDN-sent-manually; displayed", "displayed", False),
        ("manual-action/MDN-sent-automatically;displayed", "displayed", True),
        ("automatic-action/MDN-sent-automatically; dispatched", "dispatched", True),
        ("manual-action/MDN-sent-manually; deleted", "deleted", False),
        ("Displayed", "displayed", False),
        ("automatic-action/MDN-sent-automatically; unheard-of", "processed", True),
    ],
)
def test_dispositions(disposition: str, state: str, automatic: bool) -> None:
    found = mdn(f"{FIELDS}Disposition: {disposition}\n")
    assert (found.disposition, found.automatic, found.error, found.failed) == (state, automatic, None, False)
    assert (found.message_id, found.recipient) == ("o1@chb.mssante.fr", "B@x.fr")
    assert found.reporter.startswith("pfi.chb.mssante.fr")


@pytest.mark.parametrize(
    "fields",
    [
        f"Disposition: automatic-action/MDN-sent-automatically; processed/error\nError: {ERROR}\n",
        f"Disposition: automatic-action/MDN-sent-automatically; processed/error\nError:{ERROR}\n",
        f"Disposition: automatic-action/MDN-sent-automatically; processed/Error: {ERROR}\n",
        f"Disposition:automatic-action/MDN-sent-automatically;processed/Error:{ERROR}\n",
        f"Disposition: automatic-action/MDN-sent-automatically;\n processed/Error:\n {ERROR}\n",
    ],
)
def test_both_forms_of_a_failed_hand_over(fields: str) -> None:
    found = mdn(FIELDS + fields)
    assert (found.error, found.error_text, found.failed) == ("902", "Identifiant de patient inconnu", True)
    assert found.disposition == "processed"
    assert "patient" not in repr(found)


def test_the_code_may_stand_in_the_subject_only() -> None:
    bare = FIELDS + "Disposition: automatic-action/MDN-sent-automatically; processed/error\n"
    assert mdn(bare, "=?utf-8?Q?[KO_Int=C3=A9gration_syst=C3=A8me_!][904]_XDM?=").error == "904"
    assert mdn(bare, "[Erreur d'intégration !][902] XDM").error == "902"
    assert mdn(bare).error == "906"
    assert mdn(FIELDS + "Disposition: x; failed\n").failed


def test_the_older_form_repeats_the_documents() -> None:
    original = "--r\nContent-Type: message/rfc822\n\nMessage-ID: <o2@x>\n\nx\n"
    extra = "--r\nContent-Type: application/pdf; name=a.pdf\n\n%PDF\n"
    found = report("disposition-notification", "Disposition: x; processed\n", extra=extra, original=original)
    assert isinstance(found.report, Mdn)
    assert found.report.message_id == "o2@x"
    assert [one.name for one in found.files] == ["message.eml", "a.pdf"]


def test_a_failure_without_mdn_is_an_ordinary_mail() -> None:
    raw = (
        "From: lps@cabinet.mssante.fr\nSubject: [KO Intégration système !][903] XDM\n"
        "Content-Type: multipart/mixed; boundary=r\n\n--r\n\nlisible\n"
        "--r\nContent-Type: message/rfc822\n\nMessage-ID: <o1@x>\n\nx\n--r--\n"
    )
    found = parse(raw.encode())
    assert found.report == Mdn("o1@x", "processed", "lps@cabinet.mssante.fr", error="903")
    assert parse(raw.replace("[903]", "").encode()).report is None


POSTFIX = (
    "Reporting-MTA: dns; mx.chu.mssante.fr\nX-Postfix-Queue-ID: 4ABC\nOriginal-Envelope-Id: d1+2Bx\n\n"
    "Final-Recipient: rfc822; nobody@chu.mssante.fr\nOriginal-Recipient: rfc822;nobody@chu.mssante.fr\nAction: failed\n"
    "Status: 5.1.1\nRemote-MTA: dns; mx2.chu.mssante.fr\nDiagnostic-Code: smtp; 550 5.1.1 <nobody@chu.mssante.fr>:\n"
    "    User unknown\n\nFinal-Recipient: rfc822;ben@chu.mssante.fr\nAction: Delayed (still)\nStatus: 4.4.1 (timeout)\n"
)


def test_delivery_status_of_several_recipients() -> None:
    original = "--r\nContent-Type: text/rfc822-headers\n\nMessage-ID: <o1@x>\nSubject: y\n"
    found = report("delivery-status", POSTFIX, original=original)
    assert found.automatic == "bounce"
    assert found.files == ()
    assert isinstance(found.report, Dsn)
    assert (found.report.message_id, found.report.reporter, found.report.envelope_id) == (
        "o1@x",
        "mx.chu.mssante.fr",
        "d1+x",
    )
    first, second = found.report.recipients
    assert (first.address, first.action, first.status) == ("nobody@chu.mssante.fr", "failed", "5.1.1")
    assert first.diagnostic == "550 5.1.1 <nobody@chu.mssante.fr>: User unknown"
    assert (first.remote, second.action, second.status) == ("mx2.chu.mssante.fr", "delayed", "4.4.1")
    assert "unknown" not in repr(found.report)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Final-Recipient: rfc822; a@x.fr\nStatus: 2.0.0", ("a@x.fr", "delivered", "2.0.0")),
        ("Final-Recipient: a@x.fr\nAction: failed", ("a@x.fr", "failed", "")),
        ("Original-Recipient: rfc822;a+2Bb@x.fr\nAction: relayed\nStatus: 2.1.9", ("a+2Bb@x.fr", "relayed", "2.1.9")),
        ("Final-Recipient: rfc822;<a@x.fr>\nAction: bounced\nStatus: 5.x", ("a@x.fr", "failed", "")),
    ],
)
def test_odd_delivery_status(fields: str, expected: tuple[str, str, str]) -> None:
    found = report("delivery-status", f"Reporting-MTA: x\n\n{fields}\n").report
    assert isinstance(found, Dsn)
    (one,) = found.recipients
    assert (one.address, one.action, one.status) == expected


def test_reports_that_say_nothing_are_still_reports() -> None:
    assert report("delivery-status", "garbage").report == Dsn(None, ())
    assert mdn("").disposition == "processed"


def test_reports_from_nobody() -> None:
    kind = b"multipart/report; report-type=delivery-status; boundary=r"
    raw = b"From: MAILER-DAEMON\r\nContent-Type: " + kind + b"\r\n\r\n--r--\r\n"
    found = parse(raw)
    assert (found.sender, "no_sender" in found.problems) == (None, True)
    with pytest.raises(Refused, match="no_sender"):
        parse(b"From: MAILER-DAEMON\r\n\r\nx")


def test_failed_recipients_of_exim() -> None:
    raw = b"From: Mailer-Daemon@x.fr\r\nX-Failed-Recipients: a@x.fr, b@x.fr\r\nSubject: Mail delivery failed\r\n\r\nx"
    found = parse(raw)
    assert isinstance(found.report, Dsn)
    assert [one.address for one in found.report.recipients] == ["a@x.fr", "b@x.fr"]


def test_an_mdn_that_we_write() -> None:
    raw = compose_mdn(NOTICE)
    assert raw.isascii()
    found = parse(raw)
    assert found.subject == "XDM/1.0/DDM+Échographie CORSE FIGATELLIX 12/10/1988"
    assert found.report == Mdn(
        "o1@chb.mssante.fr",
        "processed",
        "lps@cabinet.mssante.fr",
        "lps@cabinet.mssante.fr",
        reporter="hub.mssante.fr",
    )
    assert (found.in_reply_to, dict(found.mss)) == (("o1@chb.mssante.fr",), {"X-MSS-NIL": "DEV935997"})
    assert found.headers.get("auto-submitted") == "auto-replied"
    returned = parse(found.files[0].data)
    assert (returned.text, returned.files[0].data, returned.digest) == ("voilà", b"PK\x03\x04", parse(ORIGINAL).digest)
    assert ORIGINAL in compose_mdn(NOTICE, eight_bit=True)


def test_a_failed_hand_over_that_we_write() -> None:
    raw = compose_mdn(NOTICE, error=("902", ""))
    assert b"Disposition: automatic-action/MDN-sent-automatically; processed/error\r\n" in raw
    assert b"\r\nError: 902^Identifiant de patient inconnu^applicationErrorCondition|" in raw
    found = parse(raw)
    assert found.subject.startswith("[KO Intégration système !][902] XDM/1.0/DDM+")
    assert isinstance(found.report, Mdn)
    assert (found.report.error, found.report.error_text) == ("902", "Identifiant de patient inconnu")


def test_a_receipt_of_a_reader() -> None:
    assert b"Disposition: manual-action/MDN-sent-manually; displayed\r\n" in compose_mdn(
        NOTICE, "displayed", manual=True
    )


def test_a_dsn_that_we_write() -> None:
    recipients = [
        DsnRecipient("nobody@x.fr", "failed", "5.1.1", "Nobody+x@x.fr", "550 boîte\r\nX: y inconnue", "mx.x.fr"),
        DsnRecipient("ben@x.fr", "delayed", "4.4.1"),
    ]
    raw = compose_dsn(NOTICE, recipients, envelope_id="d1=+")
    assert raw.isascii()
    found = parse(raw)
    assert (found.subject, found.automatic) == ("Message non remis / Undelivered mail", "bounce")
    assert isinstance(found.report, Dsn)
    assert (found.report.message_id, found.report.envelope_id) == ("o1@chb.mssante.fr", "d1=+")
    assert [(one.address, one.action, one.status) for one in found.report.recipients] == [
        ("nobody@x.fr", "failed", "5.1.1"),
        ("ben@x.fr", "delayed", "4.4.1"),
    ]
    assert found.report.recipients[0].diagnostic == "550 boîte X: y inconnue"
    assert "votre message n’a pas pu être remis" in found.text
    assert "your message could not be delivered" in found.text
    assert b"voil" not in raw.partition(b"text/rfc822-headers")[2]
    assert parse(compose_dsn(NOTICE, recipients, whole=True)).files[0].mime == "message/rfc822"
    assert message_from_bytes(raw).get_content_type() == "multipart/report"


@pytest.mark.parametrize("bad", ["", "x y", "x\r\ny", "é"])
def test_reports_refuse_what_breaks_a_field(bad: str) -> None:
    with pytest.raises(Refused, match="bad_header"):
        compose_dsn(NOTICE, [DsnRecipient(f"{bad}@peer.example" if bad.isalpha() else bad, bad or "failed", "5.0.0")])
    with pytest.raises(Refused, match="bad_code"):
        compose_mdn(NOTICE, error=(bad, "x"))
    with pytest.raises(Refused, match="bad_disposition"):
        compose_mdn(NOTICE, bad)
    with pytest.raises(Refused, match="no_recipient"):
        compose_dsn(NOTICE, [])


def test_a_recipient_that_is_not_ascii_is_named_as_it_is() -> None:
    box = "zoé+é@peer.example"
    raw = compose_dsn(NOTICE, [DsnRecipient(box, "failed", "5.0.0", box)])
    assert raw.count(b"utf-8; zo\\x{E9}\\x{2B}\\x{E9}@peer.example") == 2
    report = parse(raw).report
    assert isinstance(report, Dsn)
    assert [(one.address, one.original) for one in report.recipients] == [(box, box)]


def test_an_original_without_id_is_no_trouble() -> None:
    for original in (b"", b"garbage", b"From: x\r\n\r\n", b"Message-ID: <\xe9@x>\r\n\r\nx"):
        notice = Notice("n@x", NOTICE.sender, NOTICE.to, 0, original, "hub.x.fr")
        found = parse(compose_mdn(notice)).report
        assert isinstance(found, Mdn)
        parse(compose_dsn(notice, [DsnRecipient("a@x.fr", "failed", "5.0.0")]))
