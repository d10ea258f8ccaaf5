"""Texts of files that are made to be in the way: endless searches, thousands of entries, letters that are none."""

from __future__ import annotations

import io

import pytest

from server.images.files import read_photo, write_photo
from server.images.metadata import exif
from server.images.metadata import xmp as packets
from tests.server.file_kinds import chunk, rgb_png
from tests.server.file_kinds import exif as exif_of

GAIN_MAP = b"http://ns.adobe.com/hdr-gain-map/1.0/"


@pytest.mark.parametrize("packet", [
    b"<?xpacket ", b"<g:x ", b"<g:x>", b" g:x='a", b"<rdf:RDF ", b"tiff:Orientation ", b'xmlns:b="' + GAIN_MAP + b'" ',
])  # fmt: skip
def test_a_packet_of_nothing_but_beginnings_takes_no_longer_than_its_length(packet: bytes) -> None:
    whole = b'<x xmlns:g="' + GAIN_MAP + b'"/>' + packet * ((4 << 20) // len(packet))
    upright, _ = packets.without_what_is_beside(packets.upright(whole))
    packets.in_parts(upright)
    packets.joined(upright, whole)


def test_exif_of_very_many_entries_is_shortened_to_what_a_jpeg_holds() -> None:
    entries = [(tag, 7, 200, bytes(200)) for tag in range(1, 20_000)]
    block, gone = exif.shortened(exif_of(entries), 65_000)
    assert block is not None
    assert 64_000 < len(block) <= 65_000
    assert len(gone) > 19_000


def test_notices_are_printable_each_told_once_and_no_more_than_can_be_read() -> None:
    keyword = b"a\r\nX-Other: b\x1b[2J"
    chunks = [chunk(b"tEXt", keyword + b"\0text", damaged=True)] * 3
    chunks += [chunk(b"tEXt", b"%d\0text" % number, damaged=True) for number in range(1000)]
    photo = read_photo(rgb_png(*chunks), "it")
    notices = write_photo(photo, io.BytesIO(), "PNG")
    assert notices[0] == "A damaged tEXt chunk (a??X-Other: b?[2J) was left out."
    assert len(notices) == 21
    assert notices[-1] == "And 981 more things like these."
