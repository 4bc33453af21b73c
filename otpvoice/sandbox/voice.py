"""The voice of the page's phones: eSpeak NG, where it is installed; else the browser lends its own.

The library comes with the system (Debian's ``libespeak-ng1``) or in a wheel (the extra ``voice``).
It is spoken to as its header ``speak_lib.h`` says.
"""

import ctypes
import io
import wave
from collections.abc import Sequence
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import Any, Final

from otpvoice.sandbox.config import primary_subtag
from otpvoice.sandbox.speech import Word, detect_language, split_words

try:
    import espeakng_loader
except ImportError:  # an extra: the page speaks without it, too
    espeakng_loader = None

_SYNCHRONOUS: Final = 2
_DO_NOT_EXIT: Final = 0x8000
_RATE: Final = 1
"""The parameter for words a minute."""
_WORDS_A_MINUTE: Final = 150
_BY_CHARACTER: Final = 1
_UTF_8: Final = 1
_OK: Final = 0
_END_OF_EVENTS: Final = 0
_WORD: Final = 1
_LOADING: Final = Lock()
"""The engine loads its data into variables of the process: two threads at once corrupt them."""
_KEPT: Final = 16
"""Speeches; one of ten seconds takes half a megabyte."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A text as it was said."""

    sound: bytes
    """WAV, 16 bits, mono."""
    begins: tuple[float, ...]
    """Of each word, in seconds."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Voice:
    """The engine, which says one text at a time. Thread-safe.

    Raises:
        OSError: it is not installed, or without its data.
    """

    def __init__(self) -> None:
        name, data = _installed()
        self._engine: Any = ctypes.CDLL(name)
        self._hertz: int = self._engine.espeak_Initialize(_SYNCHRONOUS, 0, data, _DO_NOT_EXIT)
        if self._hertz <= 0:
            raise OSError("eSpeak NG has no data")
        self._lock = Lock()
        self._samples = bytearray()
        self._positions: dict[int, float] = {}
        self._callback = _Callback(self._take)
        self._engine.espeak_SetSynthCallback(self._callback)
        self.say = lru_cache(_KEPT)(self._say)
        """``say(text, language)``: its ``Speech``; the last ones are kept."""

    def _say(self, text: str, language: str = "") -> Speech:
        """Speak a text with the voice of a language tag; without one, as the text's script says."""
        said = text.encode() + b"\0"
        with self._lock:
            self._samples, self._positions = bytearray(), {}
            self._choose_voice(primary_subtag(language), detect_language(text))
            self._engine.espeak_SetParameter(_RATE, _WORDS_A_MINUTE, 0)
            self._engine.espeak_Synth(said, len(said), 0, _BY_CHARACTER, 0, _UTF_8, None, None)
            sound = _wav(bytes(self._samples), self._hertz)
            return Speech(sound, _begins(split_words(text), self._positions))

    def _choose_voice(self, *languages: str) -> None:
        """Choose the voice of the first language that the engine has one for."""
        for language in filter(None, languages):
            if self._engine.espeak_SetVoiceByName(language.encode()) == _OK:
                return

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples:
            self._samples += ctypes.string_at(samples, count * 2)
        index = 0
        while (event := events[index]).type != _END_OF_EVENTS:
            if event.type == _WORD:
                self._positions[event.text_position - 1] = event.audio_position / 1000
            index += 1
        return 0


def find_voice() -> Voice | None:
    """The engine of this process, or none. Thread-safe."""
    with _LOADING:
        return _voice()


@cache
def _voice() -> Voice | None:
    try:
        return Voice()
    except OSError:
        return None


def _installed() -> tuple[str, bytes | None]:
    """The library and its data; no data: where the library looks by itself."""
    if espeakng_loader is not None:
        return espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode()
    name = find_library("espeak-ng")
    if name is None:
        raise OSError("eSpeak NG is not installed")
    return name, None


def _wav(samples: bytes, hertz: int) -> bytes:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(hertz)
        writer.writeframes(samples)
    return sound.getvalue()


def _begins(words: Sequence[Word], heard: dict[int, float]) -> tuple[float, ...]:
    """When each word begins; one that the engine told nothing of begins with the one before."""
    begins, last = [], 0.0
    for word in words:
        within = range(word.position, word.position + len(word.text))
        last = min((heard[at] for at in within if at in heard), default=last)
        begins.append(last)
    return tuple(begins)
