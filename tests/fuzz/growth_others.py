"""Time by length, of what reads more than chats: the checks of other targets, with inputs that repeat."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from tests.fuzz import documents, edges, files, objects, sessions


def others() -> Iterator[tuple[str, Callable[[int], Callable[[], object]]]]:
    """Yield what is watched: a name, and from a length to something to be done with an input of that length."""
    for name, (check, make) in _OTHERS.items():
        yield name, partial(_checking, check, make)


def _checking(check: Callable[[bytes], None], make: Callable[[int], bytes], count: int) -> Callable[[], object]:
    return partial(check, make(count))


_LINE: Final = b'{"method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}\n'
_ABOUT: Final = b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n"
_PART: Final = b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\nx\r\n'

_OTHERS: Final[dict[str, tuple[Callable[[bytes], None], Callable[[int], bytes]]]] = {
    "batch lines": (objects.check_lines, lambda count: _LINE * count),
    "empty batch lines": (objects.check_lines, lambda count: b"\n" * count * 40),
    "batch results": (objects.check_results, lambda count: b'{"response":{"status_code":200,"body":{}}}\n' * count),
    "references": (objects.check_references, lambda count: b'{"input":[' + b'{"file_id":"file-1"},' * count + b"0]}"),
    "names of models": (objects.check_names, lambda count: b'{"model":"m","a":[' + b'{"model":"b"},' * count + b"0]}"),
    "words that may be ids": (objects.check_words, lambda count: b'{"a":[' + b'"file-123456",' * count + b"0]}"),
    "brackets": (objects.check_words, lambda count: b'{"a":[' + b'[[["[\\"",{}]]],' * count * 10 + b"0]}"),
    "words of forms": (objects.check_form_words, lambda count: b"a-" * count * 40),
    "embeddings": (objects.check_vectors_of_openai, lambda count: b'{"data":[' + b'{"embedding":[1]},' * count + b"]}"),
    "realtime": (sessions.check_provider_message, lambda count: b'{"type":"response.done"' + b" " * count * 40 + b"}"),
    "forms": (edges.check_form, lambda count: b"multipart/form-data; boundary=b\n" + _PART * count + b"--b--\r\n"),
    "files that come at once": (
        files.check_at_once,
        lambda count: _ABOUT + b"--b\r\n\r\n" + b"\r\n--" * count * 10 + b"\r\n--b--\r\n",
    ),
    "heads of files that come at once": (files.check_at_once, lambda count: b"--b\r\n" + b"A: b\r\n" * count * 10),
    "headers of forms": (edges.check_form, lambda count: b"multipart/form-data; a=" + b'\\"' * count * 40),
    "public keys": (documents.check_public_keys, lambda count: b"-----BEGIN PUBLIC KEY-----\n" * count),
    "settings": (documents.check_settings, lambda count: b'a = "b"\n[c]\n' + b"# d\n" * count),
    "recognisers": (documents.check_recognizers, lambda count: b'{"a":"' + b"4111 1111 1111 1112 " * count + b'"}'),
    "escapes": (documents.check_recognizers, lambda count: b'{"a":"' + b"\\u0034" * count * 10 + b'"}'),
    "cookies": (documents.check_form, lambda count: b"\n" + b"a=b; " * count),
    "quoted cookies": (documents.check_form, lambda count: b'\na="' + b"\\" * count * 10),
    "origins": (documents.check_origin, lambda count: b"https://" + b"a." * count * 10),
    "pass-through lists": (documents.check_list, lambda count: b"openai:\n" + b"- GET /v1/{id}\n" * count),
    "queries": (documents.check_query, lambda count: b"a=b&" * count * 10),
}
