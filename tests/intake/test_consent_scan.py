"""同意書の写しの決まり: 中身で何かを決め、受けられないわけと、どうすればよいかを言う。"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import consent_scan
from services.intake.consent import Consent, GivenBy, Source
from services.intake.consent_scan import Limits, Media, NothingSigned, ScanRefused, must_be_signed, new_ones, read
from shared.contracts.consent import ConsentForm
from shared.contracts.event import HouseholdId, MemberId
from tests.intake.papers import HTML, SVG, jpeg, pdf, png

LIMITS = Limits(bytes=5 * consent_scan.MB, files=3)
DAY = date(2026, 11, 20)
WRITTEN = Consent(
    uuid4(), HouseholdId(uuid4()), MemberId(uuid4()), frozenset(), frozenset(), frozenset(), ConsentForm.WRITTEN, GivenBy.SELF, DAY, DAY, DAY,
    datetime(2026, 11, 20, tzinfo=UTC), Source.FORM,
)  # fmt: skip


def refused(*files: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ScanRefused) as found:
        read(files, limits)
    return found.value.fields["scan"]


@pytest.mark.parametrize(("content", "media"), [(pdf(), Media.PDF), (jpeg(), Media.JPEG), (png(), Media.PNG)])
def test_the_content_says_what_it_is(content: bytes, media: Media) -> None:
    assert [one.media for one in read([content], LIMITS)] == [media]


@pytest.mark.parametrize("content", [HTML, SVG, b"GIF89a", b"PK\x03\x04", b"MZ", b"\0" * 100, b" " + pdf(), HTML + pdf(), b"%PDF", b"\xff\xd8"])
def test_nothing_else_is_taken_however_it_begins_later(content: bytes) -> None:
    assert refused(content) == consent_scan.UNKNOWN_KIND


@pytest.mark.parametrize("content", [pdf()[:-8], png()[:-12], png()[:9], jpeg(whole=False), b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff" + jpeg()])
def test_a_file_that_was_cut_off_is_told_at_once_and_not_when_it_is_needed(content: bytes) -> None:
    assert refused(content) == consent_scan.CUT_OFF


def test_an_empty_a_missing_and_a_large_file_say_what_to_do() -> None:
    assert refused() == consent_scan.CHOOSE
    assert refused(b"") == consent_scan.EMPTY
    assert "5 MB まで" in refused(pdf("長" * 2_000_000))
    exactly = pdf()
    assert read([exactly], replace(LIMITS, bytes=len(exactly)))
    assert "MB まで" in refused(exactly, limits=replace(LIMITS, bytes=len(exactly) - 1))


def test_one_bad_file_of_several_refuses_all_and_is_named_by_its_place() -> None:
    assert refused(pdf(), HTML, png()).startswith("2つめのファイル：")


def test_the_same_paper_counts_once_and_the_limit_counts_what_is_new() -> None:
    scans = read([png(1), png(1), png(2)], LIMITS)
    assert len(new_ones(scans, [], LIMITS)) == 2
    assert new_ones(scans, [one.sha256 for one in scans], LIMITS) == []
    with pytest.raises(ScanRefused) as found:
        new_ones(scans, ["a", "b"], LIMITS)
    assert "3 件までです（いま 2 件）" in found.value.fields["scan"]


def test_only_a_written_consent_has_a_paper() -> None:
    must_be_signed(WRITTEN)
    with pytest.raises(NothingSigned):
        must_be_signed(replace(WRITTEN, form=ConsentForm.ORAL))


@given(st.sampled_from([b"", b"%PDF-", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=80))
def test_no_bytes_are_too_strange_to_be_refused_in_words(begins: bytes, rest: bytes) -> None:
    with suppress(ScanRefused):
        (one,) = read([begins + rest], LIMITS)
        assert begins
        assert one.content == begins + rest
