"""How values are written for people: instants, spans, numbers, money, and text from elsewhere. Pure."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup, escape

from keystead.domain.inert import inert as domain_inert
from keystead.metering.percentiles import Percentile

_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}

SPAN: Final = "us"
"""The unit of a chart of durations: microseconds."""


def inert(value: Any) -> Any:
    """Return text in which nothing acts (see `domain.inert`), all else as it is. Markup is escaped by the template."""
    return value if not isinstance(value, str) or isinstance(value, Markup) else domain_inert(value)


def moment(at: datetime | int | None) -> Markup:
    """Return an instant in UTC as an element that the page turns into the reader's own zone."""
    if at is None:
        return Markup("<span class=none>never</span>")
    when = _utc(at)
    return Markup('<time datetime="{}">{} UTC</time>').format(_iso(when), when.strftime("%Y-%m-%d %H:%M"))


def day(at: datetime | int | None) -> Markup:
    """Return the day of an instant as an element; the instant itself stands in its title."""
    if at is None:
        return Markup("<span class=none>never</span>")
    when = _utc(at)
    return Markup('<time datetime="{}" title="{} UTC" data-day>{}</time>').format(
        _iso(when), when.strftime("%Y-%m-%d %H:%M"), when.strftime("%Y-%m-%d")
    )


def _utc(at: datetime | int) -> datetime:
    return datetime.fromtimestamp(at / 1_000_000, UTC) if isinstance(at, int) else at.astimezone(UTC)


def _iso(when: datetime) -> str:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def ago(at: datetime | int | None, now_us: int) -> str:
    """Return how long ago an instant was, in one unit: `3 h ago`; what is ahead, as `in 3 h`."""
    if at is None:
        return "never"
    us = at if isinstance(at, int) else int(at.timestamp() * 1_000_000)
    seconds = abs(now_us - us) // 1_000_000
    for length, unit in _SPANS:
        if seconds >= length:
            text = f"{seconds // length} {unit}"
            return f"{text} ago" if us <= now_us else f"in {text}"
    return "now"


_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
"""Most call themselves by older names as well: the first that is there is the one."""
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser(calls_itself: str) -> str:
    """Return a browser as people call it, `Firefox on Windows`; one that is not known as it calls itself."""
    name = next((name for sign, name in _BROWSERS if sign in calls_itself), None)
    system = next((name for sign, name in _SYSTEMS if sign in calls_itself), None)
    if name is None:
        return calls_itself or "unknown"
    return name if system is None else f"{name} on {system}"


def age(at: datetime, now_us: int) -> str:
    """Return how old something is, in one unit: `3 h`."""
    return ago(at, now_us).removesuffix(" ago")


def span(us: int | None) -> str:
    """Return a duration in microseconds: `840 ms`, `2.41 s`, `3 min 20 s`."""
    if us is None:
        return "–"
    if us < 1_000_000:
        return f"{us / 1000:.0f} ms" if us >= 10_000 else f"{us / 1000:.1f} ms"
    if us < 60_000_000:
        return f"{us / 1_000_000:.2f} s"
    minutes, seconds = divmod(us // 1_000_000, 60)
    return f"{minutes} min {seconds} s"


def percentile(of: Percentile) -> str:
    """Return a percentile, which is interpolated, in two digits: `1.2 s`; beyond the last bucket `> 102 s`."""
    if of.to_us is None:
        return f"> {of.from_us / 1_000_000:.0f} s"
    if of.at_us < 995_000:
        return f"{float(f'{of.at_us / 1_000:.2g}'):g} ms"
    seconds = of.at_us / 1_000_000
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{float(f'{seconds:.2g}'):g} s"


def percentile_exact(of: Percentile | None) -> Markup:
    """Return a percentile as an element that tells between which bounds the true one lies."""
    if of is None:
        return Markup('<span class="none">not measured</span>')
    bounds = f"at least {span(of.from_us)}" if of.to_us is None else f"between {span(of.from_us)} and {span(of.to_us)}"
    few = Markup(' <span class="none">of few</span>') if of.few else ""
    return Markup('<data value="{}" title="{}">{}</data>{}').format(of.at_us, bounds, percentile(of), few)


def whole(number: int | None) -> str:
    """Return a number with thousands apart."""
    return "–" if number is None else f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return how many there are of something: `1 day`, `1,200 days`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short(number: int | None) -> str:
    """Return a number in three digits: `1.24 M`."""
    if number is None:
        return "–"
    for size, unit in ((1_000_000_000, " G"), (1_000_000, " M"), (10_000, " k")):
        if number >= size:
            scaled = number / (1_000 if unit == " k" else size)
            return f"{scaled:.3g}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    return f"{number:,}"


def money(amount: str | Decimal | None, currency: str | None = None, places: int = 2) -> str:
    """Return an amount rounded for reading, with its currency; the exact one stands in the element's title.

    What is smaller than the last place is said to be so, and never shown as nothing.
    """
    if amount is None:
        return "unknown"
    value = Decimal(amount)
    least = Decimal(1).scaleb(-places)
    sign = _SIGNS.get(currency or "")
    unit = "credits" if currency == "XCR" else (currency or "")
    if 0 < abs(value) < least:
        text = f"< {sign or ''}{least}"
    else:
        text = f"{'-' if value < 0 else ''}{sign or ''}{abs(value):,.{places}f}"
    return text if sign or not unit else f"{text} {unit}"


def per_million(price: str | None, currency: str = "USD") -> str:
    """Return the price of one unit as the price of a million, exact, with at least two places: `$2.50`."""
    if price is None:
        return "–"
    value = (Decimal(price) * 1_000_000).normalize()
    text = f"{value:.2f}" if value == round(value, 2) else f"{value:f}"
    sign = _SIGNS.get(currency)
    return f"{sign}{text}" if sign else f"{text} {currency}"


def exact(amount: str | None, currency: str | None = None, places: int = 2) -> Markup:
    """Return an amount for reading as an element that holds the exact one."""
    if amount is None:
        return Markup('<span class="none">unknown</span>')
    return Markup('<data value="{}" title="{} {}">{}</data>').format(
        f"{Decimal(amount):f}", f"{Decimal(amount):f}", escape(currency or ""), money(amount, currency, places)
    )


def change(now: Decimal | int, before: Decimal | int) -> str:
    """Return how much more or less that is than before: `+12 %`; empty where there was nothing before."""
    if not before:
        return ""
    percent = (Decimal(now) - Decimal(before)) / Decimal(before) * 100
    text = f"{percent:+.0f} %"
    return "0 %" if text in {"+0 %", "-0 %"} else text


def written(value: Decimal, unit: str) -> str:
    """Return a value of a chart in its unit: money, a duration, or a count."""
    if unit == SPAN:
        return span(int(value))
    return money(value, unit) if unit else f"{value.normalize():,f}"


def tick(value: Decimal, unit: str) -> str:
    """Return a value beside an axis, where there is little room: in three digits where a count is long.

    An amount has all its places: beside a sum of a few cents, each tick would be rounded to the same.
    """
    if unit == SPAN:
        scaled, name = (value / 1_000_000, "s") if value >= 1_000_000 else (value / 1_000, "ms")
        return f"{scaled.normalize():f} {name}" if value else "0"
    if unit:
        return money(value, unit, max(2, -int(value.normalize().as_tuple().exponent)))
    return short(int(value)) if value >= 10_000 else written(value, unit)
