"""Templates to pages. Whatever a template says is escaped, and what acts in text is made visible first."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from keystead import __version__
from keystead.web.console import attempt_chain, charts, diagrams, static, words


@cache
def environment() -> Environment:
    """Return the templates' environment. They are this package's own files; nobody else's text is ever one."""
    made = Environment(
        loader=PackageLoader("keystead.web.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=words.inert,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(
        static=static.address, version=__version__, charts=charts, diagrams=diagrams, chains=attempt_chain
    )
    made.filters.update(
        moment=words.moment,
        day=words.day,
        age=words.age,
        ago=words.ago,
        span=words.span,
        percentile=words.percentile_exact,
        whole=words.whole,
        counted=words.counted,
        short=words.short,
        money=words.money,
        per_million=words.per_million,
        exact=words.exact,
        change=words.change,
        tick=words.tick,
        browser=words.browser,
    )
    return made


def render(template: str, values: Mapping[str, Any]) -> bytes:
    """Return a page."""
    return environment().get_template(template).render(values).encode("utf-8", "replace")


def html(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return a page as a response."""
    return Response(render(template, values), status_code=status, media_type="text/html")
