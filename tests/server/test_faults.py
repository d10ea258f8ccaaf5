"""The files that failed once, through the program itself and over HTTP: what each must give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import requests

from server.images.files import read_photo
from server.images.photo import Photo
from tests.hosts.model_server import ModelServer
from tests.server.test_command_line import run

TABLE = {  # what a notice must say; "" for a file that needs none
    "gray1_trns.png": "", "gray4_trns.png": "", "rgbx16.tif": "extra sample", "dither_rgb.png": "",
    "raw_like_thumb_first.tif": "its picture of 56×40 was enlarged", "gama_linear.png": "", "cicp_pq.png": "",
    "exif_unicode.jpg": "", "iptc.jpg": "", "exif_xp_rating.jpg": "", "ultra_hdr.jpg": "gain map",
    "phone_mpo.jpg": "Only the first of 2 pictures", "exif_gps_negative_srational.jpg": "", "exif_gps_float.jpg": "",
    "itxt_xmp_1.3MB.png": "", "iccp_1.5MB.png": "", "cmyk_broken_icc.jpg": "without a profile",
    "exif_res_0_0_rgb8.png": "", "exif_multi_segment.jpg": "", "longxmp.png": "", "text_crc_error.png": "tEXt",
    "big8.tif": "", "xmp_extended.jpg": "", "gray_icc.jpg": "", "tall_1x30000.png": "",
}  # fmt: skip
BY_CODECS = ("rgb16_lzw.tif", "f32_zlib_pred3.tif", "graya8_assoc.tif", "rgb_plus2_16.tif", "twelve_bit.jpg")


@pytest.fixture
def faults(shared: Path) -> Path:
    folder = shared / "faults"
    if not folder.is_dir():
        pytest.skip("../shared/faults is not here")
    return folder


def check(name: str, source: Path, result: Photo, told: str) -> None:
    given = read_photo(source, name)
    assert result.size == given.size.enlarged()
    assert result.samples.shape[2] == given.samples.shape[2]
    assert result.pixel_format.transfer == given.pixel_format.transfer
    assert TABLE.get(name, "") in told
    if name.startswith("gray") and name.endswith("_trns.png"):
        assert (result.samples[:, :, 1].min(), result.samples[:, :, 1].max()) == (0, 255)
    if name == "dither_rgb.png":
        assert np.ptp(result.samples.astype(int), axis=2).max() == 0
    for what in ("xmp", "photoshop"):
        assert (getattr(given, what) is None) == (getattr(result, what) is None)


def test_by_the_command_line(model_server: ModelServer, faults: Path, tmp_path: Path) -> None:
    files = [faults / name for name in (*TABLE, *BY_CODECS)]
    done = run(model_server.runtime, *files, faults / "long.jpg", "-o", "out/", "--model", "fixed", folder=tmp_path)
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    for file in files:
        told = " ".join(line for line in lines if f"{file}: " in line)
        if file.name in BY_CODECS and not (tmp_path / "out" / file.name).exists():
            assert "imagecodecs" in told
            continue
        check(file.name, file, read_photo(tmp_path / "out" / file.name, file.name), told)
    assert any("long.jpg" in line and "JPEG holds up to 65500" in line for line in lines)
    assert not (tmp_path / "out" / "long.jpg").exists()


def test_over_http(model_server: ModelServer, faults: Path) -> None:
    def post(name: str) -> requests.Response:
        return requests.post(
            f"{model_server.url}/v1/upscale/file?model=fixed", data=(faults / name).read_bytes(), timeout=60,
            headers={"Authorization": f"Bearer {model_server.token}"},
        )  # fmt: skip

    for name in (*TABLE, *BY_CODECS):
        answer = post(name)
        if name in BY_CODECS and answer.status_code == 415:
            assert "imagecodecs" in answer.json()["message"]
            continue
        assert answer.status_code == 200, (name, answer.text)
        told = answer.headers.get("X-Notices", "").replace("?", "×")
        check(name, faults / name, read_photo(answer.content, name), told)
    refused = post("long.jpg")
    assert refused.status_code == 400
    assert "JPEG holds up to 65500" in refused.json()["message"]
