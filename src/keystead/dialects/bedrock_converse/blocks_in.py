"""Converse's content blocks in a request, read. Pure. A block is an object with one member, which says its kind."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.bedrock_converse import media
from keystead.dialects.bedrock_converse.answer_in import redacted_data
from keystead.dialects.taking import Taking, wrong
from keystead.dialects.translating import UnreadableError
from keystead.domain.chat import Citation, Loss, Media, Part, Refusal, Sealed, Text, Thinking, ToolCall, ToolResult

_MEDIA: Final = ("image", "document", "video", "audio")


class Blocks:
    """Reads content blocks; knows the names of the calls, and what was not understood so far."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self._names: dict[str, str] = {}
        self._readers: dict[str, Callable[[Taking], Iterator[Part]]] = {
            "toolUse": self._tool_use,
            "toolResult": self._tool_result,
            "guardContent": self._guarded,
            "citationsContent": self._cited,
            "searchResult": self._search_result,
        }

    def read(self, holder: Taking, name: str = "content") -> tuple[Part, ...]:
        """Read a list of blocks."""
        parts: list[Part] = []
        of_call: Sealed | None = None
        for block in holder.objects(name):
            if (point := block.inner("cachePoint")) is not None:
                self._mark(parts, point)
            elif (thought := block.inner("reasoningContent")) is not None:
                of_call = self._thought(thought, parts) or of_call
            else:
                for part in self._block(block):
                    if isinstance(part, ToolCall):
                        parts.append(msgspec.structs.replace(part, sealed=of_call))
                        of_call = None
                    else:
                        parts.append(part)
            self.losses.extend(block.left())
        return tuple(parts)

    def cache(self, point: Taking) -> str:
        """Read a cache point."""
        point.text("type")
        found = point.text("ttl", "5m")
        self.losses.extend(point.left())
        return found

    def _mark(self, parts: list[Part], point: Taking) -> None:
        cache = self.cache(point)
        if parts and not isinstance(parts[-1], Thinking | Refusal):
            parts[-1] = msgspec.structs.replace(parts[-1], cache=cache)
        else:
            self.losses.append(Loss(field=point.place, grave=False))

    def _block(self, block: Taking) -> Iterator[Part]:
        if block.has("text"):
            yield Text(text=block.needed_text("text"))
        for name in _MEDIA:
            if (inner := block.inner(name)) is not None:
                if (context := inner.text("context")) != "":
                    yield Text(text=context)
                self._asked_to_cite(inner)
                yield media.read(name, inner)
                self.losses.extend(inner.left())
        for name, reader in self._readers.items():
            if (inner := block.inner(name)) is not None:
                yield from reader(inner)
                self.losses.extend(inner.left())

    def _thought(self, found: Taking, parts: list[Part]) -> Sealed | None:
        redacted = found.text("redactedContent")
        try:
            sealed = redacted_data(redacted) if redacted else ""
        except UnreadableError as error:
            raise wrong(found.at("redactedContent"), "base64 of what the model gave") from error
        said = found.inner("reasoningText") or Taking({}, found.at("reasoningText"))
        text, signature = said.text("text"), said.text("signature")
        self.losses += [*said.left(), *found.left()]
        return seals.take(text, sealed or signature, parts, redacted=bool(redacted))

    def _tool_use(self, block: Taking) -> Iterator[Part]:
        identifier, name = block.needed_text("toolUseId"), block.needed_text("name")
        self._names[identifier] = name
        arguments = block.take("input")
        yield ToolCall(
            id=identifier, name=name, arguments=msgspec.json.encode({} if arguments is None else arguments).decode()
        )

    def _tool_result(self, block: Taking) -> Iterator[Part]:
        identifier = block.needed_text("toolUseId")
        parts: list[Text | Media] = []
        for entry in block.objects("content"):
            if (value := entry.take("json")) is not None:
                parts.append(Text(text=msgspec.json.encode(value).decode()))
            for part in self._block(entry):
                if not isinstance(part, Text | Media):
                    raise wrong(entry.place, "a text, JSON, an image, a document or a video")
                parts.append(part)
            self.losses.extend(entry.left())
        block.text("type")
        yield ToolResult(
            call_id=identifier,
            name=self._names.get(identifier, ""),
            is_error=block.text("status") == "error",
            parts=tuple(parts),
        )

    def _guarded(self, block: Taking) -> Iterator[Part]:
        """Read what a guardrail is to look at; whether there is a guardrail is said elsewhere."""
        if (said := block.inner("text")) is not None:
            yield Text(text=said.needed_text("text"))
            self.losses += [*said.hints("qualifiers"), *said.left()]
        if (image := block.inner("image")) is not None:
            yield media.read("image", image)
            self.losses.extend(image.left())

    def _cited(self, block: Taking) -> Iterator[Part]:
        texts = [each.text("text") for each in block.objects("content")]
        yield Text(text="".join(texts), citations=tuple(_citation(each) for each in block.objects("citations")))

    def _search_result(self, block: Taking) -> Iterator[Part]:
        self._asked_to_cite(block)
        yield Text(text=f"{block.text('title')}\n{block.text('source')}")
        for each in block.objects("content"):
            yield Text(text=each.text("text"))
            self.losses.extend(each.left())

    def _asked_to_cite(self, block: Taking) -> None:
        """Note that citations are asked for: no other dialect can be told to cite what it is given."""
        citations = block.inner("citations")
        if citations is not None:
            if citations.flag("enabled"):
                self.losses.append(Loss(field=citations.at("enabled"), grave=True))
            self.losses.extend(citations.left())


def _citation(citation: Taking) -> Citation:
    """Read a citation of an earlier answer; where in its documents the passage stands means nothing elsewhere."""
    location = citation.inner("location")
    web = location.inner("web") if location is not None else None
    return Citation(
        url=(web.text("url") if web is not None else "") or citation.text("source"),
        title=citation.text("title"),
        quoted="".join(each.text("text") for each in citation.objects("sourceContent")),
    )
