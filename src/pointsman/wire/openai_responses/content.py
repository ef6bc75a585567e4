"""What stands inside a message or a tool result: texts, images, files, sounds and refusals, both ways.

Laws: a data URL is taken apart only where putting it together gives the same characters; what is of an unknown kind stays
whole (``Opaque``); annotations are the citations of their text.
"""

import re

import msgspec
from msgspec import Raw

from pointsman.core.chat import Media, Opaque, Refusal, Text
from pointsman.wire.openai_responses.fields import Fields, listed, spoken

Piece = Text | Refusal | Media | Opaque

_TEXTS = frozenset(("input_text", "output_text", "text"))
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,")
_MIMES = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_FORMATS = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"}
_ANY_DETAIL = "auto"  # what no detail stands for; the published schema wants it said
_KIND = msgspec.json.Decoder(dict[str, Raw])


def pieces(source: Raw | None, where: str) -> tuple[Piece, ...]:
    """Return the content of a message: a string, or a list of parts. Raises WireError."""
    if source is None:
        return ()
    said = spoken(source, where)
    if said is not None:
        return (Text(said),)
    return tuple([piece(item, place) for item, place in listed(source, where)])


def piece(source: Raw, where: str) -> Piece:
    """Return one part of a message's content. Raises WireError."""
    fields = Fields(source, where)
    kind = fields.text("type")
    if kind in _TEXTS:
        citations = tuple([item for item, _ in fields.list("annotations")])
        if fields.peek("logprobs") in (b"[]", b"null"):
            fields.take("logprobs")
        return Text(fields.text("text"), citations=citations, own=fields.left)
    if kind == "refusal":
        return Refusal(fields.text("refusal"), own=fields.left)
    if kind == "input_image":
        detail = fields.text("detail")
        data, mime, url, file_id = _source(fields, "image_url", "image_url")
        return Media("image", data, url, file_id, mime=mime, detail=detail, own=fields.left)
    if kind == "input_file":
        name = fields.text("filename")
        data, mime, url, file_id = _source(fields, "file_data", "file_url")
        return Media("file", data, url, file_id, mime=mime, name=name, own=fields.left)
    if kind == "input_audio":
        sound = fields.inner("input_audio")
        if sound is not None and not sound.left.keys() - {"data", "format"}:
            form = sound.text("format")
            return Media("audio", sound.text("data"), mime=_MIMES.get(form, f"audio/{form}"), own=fields.left)
    return Opaque(kind, source)


def _source(fields: Fields, data_name: str, url_name: str) -> tuple[str, str, str, str]:
    """Return data, mime, URL and file id of a medium: only the first of them that is set, the others stay where they are."""
    inline = fields.peek(data_name)
    if inline not in (b"", b"null"):
        written = fields.text(data_name)
        found = _DATA_URL.match(written)
        if found is not None:
            return written[found.end() :], found.group(1), "", ""
        return ("", "", written, "") if data_name == url_name else (written, "", "", "")
    if fields.peek(url_name) not in (b"", b"null"):
        return "", "", fields.text(url_name), ""
    return "", "", "", fields.text("file_id")


def written(part: Text | Refusal | Media, *, by_model: bool, ours: bool, lost: set[str]) -> dict[str, object] | None:
    """Return a part of a message's content as it is written, without its ``own``; None (and a loss) where it cannot be.

    ``ours``: it was in this dialect before, so that nothing has to be made up.
    """
    if isinstance(part, Text):
        if by_model:
            return {"type": "output_text", "text": part.text, "annotations": list(part.citations)}
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text} if by_model else {"type": "input_text", "text": part.text}
    if by_model:
        lost.add(f"assistant.{part.kind}")
        return None
    if part.text:
        if part.name:
            lost.add("media.name")
        return {"type": "input_text", "text": part.text}
    if part.kind == "image":
        return _image(part, ours=ours)
    if part.kind == "file":
        return _file(part, ours=ours)
    if part.kind == "audio" and part.data:
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": audio_format(part.mime)}}
    lost.add(part.kind)
    return None


def audio_format(mime: str) -> str:
    """Return OpenAI's word for a sound's format."""
    return _FORMATS.get(mime, mime.removeprefix("audio/"))


def _image(part: Media, *, ours: bool) -> dict[str, object]:
    made: dict[str, object] = {"type": "input_image"}
    if part.file_id:
        made["file_id"] = part.file_id
    else:
        made["image_url"] = part.url or f"data:{part.mime or 'image/png'};base64,{part.data}"
    if part.detail or not ours:
        made["detail"] = part.detail or _ANY_DETAIL
    return made


def _file(part: Media, *, ours: bool) -> dict[str, object]:
    made: dict[str, object] = {"type": "input_file"}
    if part.name or (part.data and not ours):
        made["filename"] = part.name or "file." + (part.mime.rpartition("/")[2] or "pdf")  # data without a name is refused
    if part.file_id:
        made["file_id"] = part.file_id
    elif part.url:
        made["file_url"] = part.url
    else:
        made["file_data"] = f"data:{part.mime};base64,{part.data}" if part.mime else part.data
    return made


def kind_of(source: Raw) -> str:
    """Return an object's ``type``, empty where it has none."""
    found = _KIND.decode(source).get("type")
    return "" if found is None else (spoken(found, "type") or "")
