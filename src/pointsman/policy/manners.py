"""What people say around a request that changes nothing of what is asked: greetings, thanks, that it is hard, "answer this".

Strategy: sentences are taken off the beginning and the end of a text while nearly all of their words are ones that people
use to be polite, to plead and to ask for an answer, in some languages, and at least one is a sign of that (``please``,
``hard``). A sentence that names anything of its own is kept.

Laws: what is left is a part of the text, and never nothing; it does not depend on case or on the number of blanks; work is
bounded however long a text is.
"""

import re
from contextlib import suppress
from typing import Final

from pointsman.policy import sketch

with suppress(ImportError):  # see `policy/sketch`
    from pointsman.policy import _text

_REACH: Final = 240  # characters at either end that are looked at, for each sentence
_SENTENCES: Final = 3  # taken off at either end, at most
_KNOWN: Final = 0.9  # share of a sentence's words that must be ordinary
_STOPS: Final = ".!?:。！？：\n"
_FIRST: Final = re.compile(rf"\s*([^{_STOPS}]+)[{_STOPS}\s]+")
_ENDS: Final = ".!?。！？\n"  # a colon begins what ends a text: "Say in French: hello!"
_LAST: Final = re.compile(rf"[{_ENDS}\s]*([^{_ENDS}]+)(?=[{_ENDS}])")  # of a text read from its end
_WORDS: Final = re.compile(r"[^\W\d_]+")
_LETTERS: Final = bytes(byte if chr(byte).isalpha() else ord(" ") for byte in range(128)).ljust(256)  # all small by then
_WIDE: Final = re.compile(r"[぀-ヿ㐀-鿿]")

_SIGN_WORDS: Final = """
    antworte appreciate appreciated attention beantwoord beantworte beantworten bedankt beg beware bitte bonjour careful
    carefully challenging cheers ciao complicated contesta dank danke dear demanding difficile difficult difficulty
    difícil evening everyone favor favour glad gracias grateful grazie greetings guten hallo hard harder hardest hello
    help hey hi hola hope intricate kind kindly luck merci moeilijk morning obliged obrigada obrigado olá plaît please
    pleased pls prego regards responda responde rispondere rispondi répondez répondre réponds schwer schwierig sorry thank
    thankful thanks thx tough tougher trickier tricky urgent warning здравствуйте ответь ответьте пожалуйста сложно
    спасибо
"""
_ORDINARY_WORDS: Final = """
    a abaixo able about actually advance afternoon again ahead aide aider all alla also am an and answer answers any
    anyone appears are as ask asking assist assistance assistant at attenzione au auf aufgabe aussi avec ayuda be because
    been before being below best better bien bit bother but by can case che ci clear close con consider correct correctly
    could couple cuidado d da das day de deal deep dem den der des dessous deutsch die do does doing domanda don done du
    easy effort ein eine einen el else en enough es español est et ever every exactly exercice expert experts extra
    extremely fail few find first folgende folgenden folks follow following follows for frage fragen français friend from
    fully genau get gets getting give given go goed good great gut had hand happy has have having he helfen here het
    hieronder hilf how however i if il in incredibly into is ist it its je job just kannst keep know kunt können l la le
    les let level like little ll lo long look looked looking looks los lot lots löse lösen m make makes maneira many
    matter may me mean meglio mejor melhor mieux mind mir mistake mistaken mistakes mit mogelijk moment more morgen most
    mr ms much must my möglich need needed needs nice no not note now o of ok okay on once one ones only or our out over
    own part patience people pergunta perhaps person peux por posible possible possibly pouvez precise precisely pregunta
    preguntas probably problem problems puder pueda puedas puoi que question questions quick quite rather re read ready
    really reason request right s see seem seems seguente seguinte sense should si sie siguiente siguientes simple sir
    slowly so soin solve some someone something soon special specialist specialists step straightforward suivante
    suivantes sure surely t tag take task tasks te tell than that the their them then there these they thing things think
    this those though through time to today together too trouble truly try tu turn un una und une up us use ve very vielen
    você volgende vous vraag wait want wanted was way we week weekend well were what when where whether which while who
    wie will wish with wonderful wondering would wrong y you your yours yourself zo zorgvuldig zu à вопрос как можно на
    очень следующий точнее это
"""
_SIGNS: Final = frozenset((*_SIGN_WORDS.split(), *"您答謝请谢难難"))
_ORDINARY: Final = _SIGNS | frozenset(_ORDINARY_WORDS.split())
_ORDINARY_WIDE: Final = _SIGNS | frozenset(
    "いえおがくけさしすだてでにねまるを一上下个中仔以作你個做决准出分列助十可吗吧問回地复大好如家尽帮常很忙思想感我文早次正激用的目真确確精細细给考能解认質这道量问非面題题"
)


def _kinds() -> bytes:
    """Return of each byte of ASCII whether it is a blank (1), a stop (2), an end (4), a letter (8): for ``_text.c``."""
    characters = map(chr, range(128))
    kinds = [1 * one.isspace() + 2 * (one in _STOPS) + 4 * (one in _ENDS) + 8 * one.isalpha() for one in characters]
    return bytes(kinds).ljust(256, b"\0")


_KINDS: Final = _kinds()


def bare(text: str) -> str:
    """Return a text without what is said around the request; all of it where nothing else would be left."""
    if sketch.COMPILED and text.isascii():
        return _text.bare(text, _KINDS, _ORDINARY, _SIGNS, _KNOWN, _REACH, _SENTENCES)
    return _by_patterns(text)


def _by_patterns(text: str) -> str:
    begin, end = 0, len(text)
    for _ in range(_SENTENCES):
        first = _FIRST.match(text, begin, min(end, begin + _REACH))
        if first is None or not _polite(first[1]):
            break
        begin = first.end()
    for _ in range(_SENTENCES):
        last = _LAST.match(text[max(begin, end - _REACH) : end][::-1])
        if last is None or not _polite(last[1][::-1]):
            break
        end -= last.end()
    left = text[begin:] if end == len(text) else text[begin:end].rstrip()
    return left if left.strip() else text


def _polite(sentence: str) -> bool:
    """Say whether a sentence is made of ordinary words, with one among them that is a sign."""
    if sentence.isascii():  # the same words, sooner
        wide, words = [], sentence.lower().encode().translate(_LETTERS).decode().split()
    else:
        wide = _WIDE.findall(sentence)
        words = wide or _WORDS.findall(sentence.lower())
    ordinary = _ORDINARY_WIDE if wide else _ORDINARY
    own = 0  # most sentences have a few words of their own at once
    for word in words:
        if word not in ordinary:
            own += 1
            if len(words) - own < _KNOWN * len(words):
                return False
    return not _SIGNS.isdisjoint(words)
