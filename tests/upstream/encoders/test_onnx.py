"""An encoder in this process: a real ONNX model, opened, asked, and damaged in every way that an owner can manage."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from tests.upstream.encoders import tiny

from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.upstream.encoders import OnnxEncoder

TEXTS = ["Add one two", "translate house", "a word that nobody knows", ""]


def test_without_the_extra_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'pointsman\[encoder\]'"):
        OnnxEncoder(tiny.written(tmp_path / "e"))


class TestWithOnnx:
    """What needs the extra."""

    @pytest.fixture(autouse=True)
    def _needed(self) -> None:
        for name in ("onnxruntime", "tokenizers"):
            pytest.importorskip(name, reason="the extra `encoder` is not installed here")

    async def test_tokens_are_averaged_and_neighbours_change_nothing(self, tmp_path: Path) -> None:
        encoder = OnnxEncoder(tiny.written(tmp_path / "e"), threads=2)
        together = await encoder.encode(TEXTS)
        np.testing.assert_allclose(together, [tiny.expected(text) for text in TEXTS], rtol=1e-5)
        for row, text in zip(together, TEXTS, strict=True):
            np.testing.assert_array_equal((await encoder.encode([text]))[0], row)

    async def test_a_long_text_is_cut(self, tmp_path: Path) -> None:
        encoder = OnnxEncoder(tiny.written(tmp_path / "e"))
        (found,) = await encoder.encode(["one " * 256 + "house " * 5000])
        np.testing.assert_allclose(found, tiny.expected("one"), rtol=1e-4)

    async def test_the_loop_goes_on_meanwhile(self, tmp_path: Path) -> None:
        encoder = OnnxEncoder(tiny.written(tmp_path / "e"))
        asked = asyncio.create_task(encoder.encode(["one two " * 500] * 400))
        turns = 0
        while not asked.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 10

    def test_the_name_is_that_of_the_content(self, tmp_path: Path) -> None:
        one, same = (OnnxEncoder(tiny.written(tmp_path / place / "e")) for place in _made(tmp_path, "a", "b"))
        other = tiny.written(tmp_path / "e")
        (other / "tokenizer.json").write_text((other / "tokenizer.json").read_text().replace("house", "home"))
        assert one.name == same.name
        assert OnnxEncoder(other).name != one.name
        assert one.name.startswith("onnx:e:")

    @pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
    def test_a_file_that_is_missing_is_named(self, tmp_path: Path, missing: str) -> None:
        (tiny.written(tmp_path / "e") / missing).unlink()
        with pytest.raises(ConfigError, match=f"there is no {missing} in .*e: put"):
            OnnxEncoder(tmp_path / "e")

    @pytest.mark.parametrize("damaged", ["model.onnx", "tokenizer.json"])
    def test_a_damaged_file_is_an_error_with_its_place(self, tmp_path: Path, damaged: str) -> None:
        (tiny.written(tmp_path / "e") / damaged).write_bytes(b"nothing of the kind")
        with pytest.raises(ConfigError, match="e cannot be opened"):
            OnnxEncoder(tmp_path / "e")

    def test_a_model_that_wants_something_else_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="wants pixel_values"):
            OnnxEncoder(tiny.written(tmp_path / "e", tiny.model("pixel_values")))

    async def test_a_model_that_fails_says_nothing_of_the_text(self, tmp_path: Path) -> None:
        directory = tiny.written(tmp_path / "e")
        path = directory / "tokenizer.json"
        path.write_text(path.read_text().replace('"house": 5', '"house": 99'))  # beyond the table
        with pytest.raises(UpstreamError) as caught:
            await OnnxEncoder(directory).encode(["house"])
        assert "house" not in str(caught.value)


def _made(directory: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (directory / name).mkdir()
    return names
