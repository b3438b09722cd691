"""Which meter watches the answer to an attempt. Pure."""

from keystead.dialects.embeddings.bedrock import COUNT_HEADER
from keystead.gateway.ask import Ask
from keystead.gateway.plan import Step
from keystead.metering.meter import Meter, meter_for
from keystead.providers.headers import first
from keystead.providers.transport import UpstreamResponse


def metered(
    ask: Ask, step: Step, response: UpstreamResponse, *, translated: bool, containers: dict[str, int | None]
) -> Meter:
    """Return the meter for an answer; `containers` takes those that were opened for it."""
    return meter_for(
        step.provider.name,
        *step.wire,
        stream=ask.stream,
        content_type=response.content_type,
        request_model=step.model,
        spoken_characters=ask.spoken_characters,
        containers=containers,
        stated=None if translated else first(response.headers, COUNT_HEADER),
    )
