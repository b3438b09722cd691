"""Recognisers: what is found in a request, and what becomes of it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keystead.domain.errors import InvalidRequestError
from keystead.policy.patterns import BUILT_IN, check_pattern
from keystead.policy.recognize import MOST_LOOKALIKES, MOST_REDACTIONS, Findings, Recognizer, Recognizers
from keystead.policy.texts import json_texts

CARD = "4111 1111 1111 1111"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nbq+/9x==\n-----END RSA PRIVATE KEY-----"


def recognizer(name: str, action: str = "redact", **changes: Any) -> Recognizer:
    kind = "pattern" if "pattern" in changes else changes.pop("kind", name)
    return Recognizer(organization_id="org_1", name=name, kind=kind, action=action, **changes)  # type: ignore[arg-type]


ALL = Recognizers([recognizer(kind) for kind in BUILT_IN])


def body_of(text: str) -> bytes:
    return json.dumps({"model": "gpt-5", "messages": [{"role": "user", "content": text}]}).encode()


def content_of(body: bytes | None) -> str:
    assert body is not None
    found: str = json.loads(body)["messages"][0]["content"]
    return found


FOUND = [
    ("secret", "sk-proj-4fK9aBcDeFgHiJkLmNoPqRsT"),
    ("secret", "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx-yz_0123"),
    ("secret", "AIzaSyA-1234567890abcdefghijklmnopqrstu"),
    ("secret", "gsk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"),
    ("secret", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz01234567"),
    ("secret", "ks_01kb2c3d4e5f6g7h8j9kamnpqr_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF_abc123"),
    ("secret", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"),
    ("secret", "xoxb-1234567890-abcdefghijklmnop"),
    ("secret", "sk_live_AbCdEfGhIjKlMnOpQrSt"),
    ("secret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"),
    ("secret", KEY),
    ("payment_card", CARD),
    ("payment_card", "4111-1111-1111-1111"),
    ("payment_card", "5555555555554444"),
    ("payment_card", "3782 822463 10005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB29NWBK60161331926819"),
    ("national_id", "123-45-6789"),
    ("national_id", "12345678Z"),
    ("national_id", "AB 12 34 56 C"),
    ("national_id", "111.444.777-35"),
    ("national_id", "11010519491231002X"),
    ("national_id", "2 55 08 14 168 025 38"),
    ("email", "jane.doe+test@mail.example.co.uk"),
]


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_what_is_found_is_taken_out_and_what_stands_around_it_stays(kind: str, text: str) -> None:
    only = Recognizers([recognizer("x", kind=kind)])
    for before, after in (("", ""), ("It is ", ", really."), ("line\n", "\nline"), ('"', '"'), ("ü(", ")ü")):
        found = only.scan(body_of(before + text + after))
        assert found.names == ("x",), (before, after)
        assert content_of(found.redacted) == f"{before}[redacted:x]{after}"


@pytest.mark.parametrize(("kind", "text"), FOUND)
def test_it_is_also_found_in_json_within_json(kind: str, text: str) -> None:
    only = Recognizers([recognizer("x", kind=kind)])
    arguments = json.dumps({"said": f"first\n{text}\nlast"})
    assert only.scan(body_of(arguments)).names == ("x",)


HEALTH = [
    ("patient NPI: 1234567893.", "patient NPI: [redacted:health_id]."),
    ("NPI number 1234567893", "NPI number [redacted:health_id]"),
    ("NHS no. 943 476 5919", "NHS no. [redacted:health_id]"),
    ("mrn #A-00123456", "mrn #[redacted:health_id]"),
    ("Medical record number 8812345", "Medical record number [redacted:health_id]"),
    ('{"mrn":"8812345"}', '{"mrn":"[redacted:health_id]"}'),
]


@pytest.mark.parametrize(("text", "left"), HEALTH)
def test_a_health_identifier_is_known_by_the_word_beside_it(text: str, left: str) -> None:
    assert content_of(ALL.scan(body_of(text)).redacted) == left


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn and scikit-learn",
        "sk-proj-short",
        "AKIAIOSFODNN7EXAMPL",
        "the AKIAIOSFODNN7EXAMPLES",
        "ghp_tooShort",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "eyJhbGciOiJIUzI1NiJ9.payload.signature",
        "4111 1111 1111 1112",
        "order 4111111111111112345",
        "1767225600000000",
        "x4111111111111111",
        "DE89 3704 0044 0532 0130 01",
        "GB29NWBK6016133192681",
        "XX89370400440532013000",
        "000-12-3456",
        "123-45-678",
        "12345678A",
        "QQ 12 34 56 C",
        "1234567893",
        "NPI 1234567890",
        "943 476 5919",
        "MRN soon",
        "user at example.com",
        "@handle and a@b",
        "2026-01-01T12:00:00.123456Z",
        "192.168.100.200",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert ALL.scan(body_of(text)) == Findings()


def test_a_card_is_found_with_what_follows_it_in_groups() -> None:
    found = ALL.scan(body_of(f"{CARD} 123 and AT61 1904 3002 3457 3201 MORE"))
    assert content_of(found.redacted) == "[redacted:payment_card] 123 and [redacted:iban] MORE"


def test_two_beside_each_other_are_both_found() -> None:
    found = ALL.scan(body_of("ES91 2100 0418 4502 0005 1332 ES91 2100 0418 4502 0005 1332"))
    assert content_of(found.redacted) == "[redacted:iban] [redacted:iban]"


def test_a_private_key_without_an_end_is_taken_out_as_far_as_it_goes() -> None:
    cut = KEY[:55]
    assert content_of(ALL.scan(body_of(f"{cut}. Thanks!")).redacted) == "[redacted:secret]. Thanks!"


def test_a_number_that_is_found_becomes_a_string() -> None:
    body = b'{"card": 4111111111111111, "many":[1,2,3.5e10], "n":-4111111111111111 }'
    found = ALL.scan(body).redacted
    assert found == b'{"card": "[redacted:payment_card]", "many":[1,2,3.5e10], "n":"-[redacted:payment_card]" }'


def test_what_is_not_changed_keeps_its_bytes() -> None:
    body = '{ "a":1.0,"b" :"\\u00fc\\/", "a":"ü", "c":"%s","d":1e309,"e":99999999999999999999 }'
    found = ALL.scan((body % CARD).encode()).redacted
    assert found == (body % "[redacted:payment_card]").encode()


FORM = b"multipart/form-data; boundary=frontier"
RECORDING = b"RIFF\x00\x00\xff\xfb" + CARD.encode() + b"\xff a@b.com "


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a form of parts, each with what follows `form-data; ` and its content."""
    written = (f"--frontier\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + text for head, text in parts)
    return b"\r\n".join((*written, b"--frontier--\r\n"))


@pytest.mark.parametrize(
    ("part", "left"),
    [
        (('name="prompt"', f"Draw {CARD}.".encode()), ('name="prompt"', b"Draw [redacted:payment_card].")),
        (('name="prompt"', f"\xff {CARD}".encode("latin-1")), ('name="prompt"', b"\xff [redacted:payment_card]")),
        (
            ('name="file"; filename="a.csv"', f"card\n{CARD}\n".encode()),
            ('name="file"; filename="a.csv"', b"card\n[redacted:payment_card]\n"),
        ),
        (
            ('name="file"; filename="a.mp3"', f'{{"said":"line\\n{CARD}"}}'.encode()),
            ('name="file"; filename="a.mp3"', b'{"said":"line\\n[redacted:payment_card]"}'),
        ),
        (
            (f'name="file"; filename="\\"{CARD}\\".wav"', RECORDING),
            ('name="file"; filename="\\"[redacted:payment_card]\\".wav"', RECORDING),
        ),
        (
            ('name="file"; filename=a@b.com', RECORDING),
            ('name="file"; filename="[redacted:email]"', RECORDING),
        ),
        (
            ('name="file"; filename="k.wav"; filename*=UTF-8\'\'k%C3%A4rte%204111%201111%201111%201111.wav', b""),
            ('name="file"; filename="k.wav"; filename*=UTF-8\'\'k%C3%A4rte%20%5Bredacted%3Apayment_card%5D.wav', b""),
        ),
    ],
    ids=["field", "field that is no UTF-8", "text", "text by another name", "filename", "bare filename", "filename*"],
)
def test_the_texts_of_a_form_are_read_and_the_rest_keeps_its_bytes(
    part: tuple[str, bytes], left: tuple[str, bytes]
) -> None:
    around = ('name="model"', b"gpt-4o-transcribe"), ('name="image[]"; filename="b.png"', RECORDING)
    found = ALL.scan(form(around[0], part, around[1]), form_type=FORM)
    assert found.redacted == form(around[0], left, around[1])


def test_what_is_no_text_in_a_form_is_left_alone() -> None:
    utf_16 = f"{CARD} a@b.com".encode("utf-16")
    body = form(('name="file"; filename="a.wav"', RECORDING), ('name="file"; filename="a.txt"', utf_16))
    assert ALL.scan(body, form_type=FORM) == Findings()


def test_every_field_of_a_name_is_read() -> None:
    body = form(*[('name="prompt"', text) for text in (b"one", CARD.encode(), b"three")])
    assert ALL.scan(body, form_type=FORM).names == ("payment_card",)


def test_a_form_blocks_and_raises_like_any_other_request() -> None:
    body = form(('name="prompt"', f"{CARD} a@b.com".encode()), ('name="file"; filename="a.wav"', RECORDING))
    rows = [recognizer("cards", "raise", kind="payment_card", data_class="restricted")]
    assert Recognizers(rows).scan(body, form_type=FORM).data_classes == ("restricted",)
    rows.append(recognizer("mail", "block", kind="email"))
    assert Recognizers(rows).scan(body, form_type=FORM).blocked_by == "mail"


def test_nothing_is_found_across_the_parts_of_a_form() -> None:
    spanning = Recognizers([recognizer("all", pattern="a[^b]+b")])
    assert spanning.scan(form(('name="x"', b"a"), ('name="y"', b"b")), form_type=FORM) == Findings()


@given(st.lists(st.tuples(st.sampled_from(['name="x"', 'name="y"; filename="f"']), st.binary(max_size=40)), max_size=5))
def test_a_redacted_form_has_the_same_parts(parts: list[tuple[str, bytes]]) -> None:
    written = [(head, content + CARD.encode()) for head, content in parts if b"--frontier" not in content]
    found = ALL.scan(form(('name="model"', b"m"), *written), form_type=FORM).redacted
    if found is not None:
        assert found.count(b"--frontier") == len(written) + 2
        assert [part.partition(b"\r\n\r\n")[0] for part in found.split(b"--frontier")[2:-1]] == [
            f"\r\nContent-Disposition: form-data; {head}".encode() for head, _ in written
        ]


def test_blocking_comes_first_and_then_raising() -> None:
    rows = [
        recognizer("mail", "redact", kind="email"),
        recognizer("cards", "raise", kind="payment_card", data_class="restricted"),
        recognizer("people", "raise", kind="national_id", data_class="confidential"),
        recognizer("keys", "block", kind="secret"),
    ]
    several = Recognizers(rows)
    assert several.scan(body_of(f"{CARD} a@b.com {FOUND[0][1]}")) == Findings(blocked_by="keys", names=("keys",))
    found = several.scan(body_of(f"{CARD} a@b.com"))
    assert (found.blocked_by, found.data_classes, found.names) == (None, ("restricted",), ("cards", "mail"))
    assert content_of(found.redacted) == f"{CARD} [redacted:mail]"


def test_an_own_pattern_is_found_within_one_line_of_one_string() -> None:
    own = Recognizers([recognizer("project", pattern="^Project .*[0-9]$")])
    assert content_of(own.scan(body_of("so\nProject Möwe 12\nends 3")).redacted) == "so\n[redacted:project]\nends 3"
    assert own.scan(b'["Project ", "12"]') == Findings()
    spanning = Recognizers([recognizer("all", pattern=r"a[^b]+b")])
    assert spanning.scan(b'["a","x b"]') == Findings()
    assert spanning.scan(b'["a b","a","b"]').redacted == b'["[redacted:all]","a","b"]'


def test_findings_that_overlap_are_taken_out_once() -> None:
    own = Recognizers([recognizer("one", pattern="abcd"), recognizer("two", pattern="cdef")])
    assert own.scan(b'["xabcdefx"]').redacted == b'["x[redacted:one]x"]'
    nested = Recognizers([recognizer("out", pattern="a.*z"), recognizer("in", pattern="mm")])
    assert nested.scan(b'["a mm z mm"]').redacted == b'["[redacted:out] [redacted:in]"]'


def test_more_than_can_be_taken_out_is_blocked() -> None:
    mail = Recognizers([recognizer("mail", kind="email")])
    assert mail.scan(body_of("a@b.com " * MOST_REDACTIONS)).blocked_by is None
    assert mail.scan(body_of("a@b.com " * (MOST_REDACTIONS + 1))).blocked_by == "mail"


def test_of_very_many_lookalikes_one_is_taken_to_be_real() -> None:
    cards = Recognizers([recognizer("card", "block", kind="payment_card")])
    lookalike = "4111111111111112 "
    assert cards.scan(body_of(lookalike * (MOST_LOOKALIKES // 2))).blocked_by is None
    assert cards.scan(body_of(lookalike * (MOST_LOOKALIKES + 1))).blocked_by == "card"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 300_000,
        b'["' + b'","' * 300_000 + b'"]',
        b'["' + b"4444 " * 100_000 + b'"]',
        b'["' + b"-----BEGIN PRIVATE KEY-----" * 20_000 + b'"]',
        b'["' + b"a@" * 300_000 + b'"]',
        b"[" * 600_000,
        b"[" + b"123456," * 100_000 + b"1]",
    ],
    ids=["unterminated", "many strings", "digits", "keys without end", "half addresses", "brackets", "numbers"],
)
def test_no_body_takes_long(body: bytes) -> None:
    started = time.perf_counter()
    ALL.scan(body)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "It must have 1 to 500 printable characters."),
        ("a" * 501, "It must have 1 to 500 printable characters."),
        ("a\nb", "It must have 1 to 500 printable characters."),
        ("\ud800", "It must have 1 to 500 printable characters."),
        ("(", "RE2 says: missing )"),
        ("(?<=a)b", "RE2 says: invalid perl operator"),
        ("(a)\\1", "RE2 says: invalid escape sequence"),
        ("a{1001}", "RE2 says: invalid repetition size"),
        (r"\pL{0,100}x", "It is too large"),
        ("a*", "It fits where nothing is"),
        (r"\b", "It fits where nothing is"),
        ("^", "It fits where nothing is"),
        (r"\Aa", "have no meaning here"),
        (r"a\z", "have no meaning here"),
    ],
)
def test_a_pattern_that_cannot_be_one_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        check_pattern(pattern)
    assert (refused.value.code, refused.value.param) == ("pattern_invalid", "pattern")
    assert why in refused.value.message


@pytest.mark.parametrize("pattern", [r"ACME-[0-9]{6}", r"(?i)project\s+möwe", r"\\Az", "a|b", "x" * 150])
def test_a_pattern_of_ones_own_is_taken(pattern: str) -> None:
    check_pattern(pattern)


def _json(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )


_PIECES = st.sampled_from([text for _, text in FOUND] + ["a@b.com", '"', "\\", "\n", " ", "{", "}", "\u2028", "ü"])
_TEXTS = st.text(max_size=20) | st.lists(_PIECES | st.text(max_size=3), max_size=6).map("".join)
_NUMBERS = st.sampled_from([4111111111111111, -5555555555554444, 1.5, 10**30])
_OWN = Recognizers([recognizer("own", pattern=r"[\"\\a]+|\x{fc}"), *(recognizer(kind) for kind in BUILT_IN)])


@given(_json(_TEXTS | _NUMBERS | st.booleans() | st.none()), st.booleans())
def test_a_redacted_body_is_json_of_the_same_shape(value: Any, ascii_only: bool) -> None:
    body = json.dumps([value], ensure_ascii=ascii_only).encode(errors="surrogatepass")
    for recognizers in (ALL, _OWN):
        found = recognizers.scan(body)
        assert (found.redacted is None) is (found == Findings())
        if found.redacted is not None:
            assert _shape(found.redacted) == _shape(body)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_scanned(body: bytes) -> None:
    for prefix in (b"", b"{", b'["'):
        found = ALL.scan(prefix + body)
        assert found.blocked_by is None


@given(_json(st.text(max_size=30) | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()))
def test_texts_are_read_as_a_json_reader_reads_them(value: Any) -> None:
    body = json.dumps([value]).encode()
    read = {text.decode() for text in json_texts(body).texts}
    expected = {text.encode(errors="replace").decode() for text in _strings(value)}
    assert expected <= read


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for inner in value for text in _strings(inner)]
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (key, *_strings(inner))]
    return []


def _shape(body: bytes) -> Any:
    def shape(value: Any) -> Any:
        return [shape(inner) for inner in value] if isinstance(value, list) else "leaf"

    # Members in their order: two names may have become the same.
    return shape(json.loads(body, object_pairs_hook=lambda pairs: [inner for _, inner in pairs]))
