"""Anthropic's content blocks in a request, read. Pure."""

import base64
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from keystead.dialects.anthropic_messages import seals
from keystead.dialects.taking import Taking, wrong
from keystead.domain.chat import Citation, Loss, Media, Part, Sealed, Text, ToolCall, ToolResult

_THOUGHTS: Final = {"thinking": "signature", "redacted_thinking": "data"}
"""Blocks that hold thinking, and where their seal is."""


class ToolChange(msgspec.Struct, frozen=True, kw_only=True):
    """A tool is offered, or no longer, from the middle of a conversation on."""

    offered: bool
    name: str = ""
    """A tool that was declared before."""
    definition: Taking | None = None
    """A tool that is declared only here."""


class Blocks:
    """Reads content blocks; knows the names of the calls, and what was not understood so far."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self.changes: list[ToolChange] = []
        self._names: dict[str, str] = {}
        self._readers: dict[str, Callable[[Taking], Iterator[Part]]] = {
            "text": self._text,
            "image": self._image,
            "document": self._document,
            "search_result": self._search_result,
            "tool_use": self._tool_use,
            "tool_result": self._tool_result,
            "tool_reference": self._tool_reference,
            "tool_addition": self._tool_addition,
            "tool_removal": self._tool_removal,
        }

    def read(self, holder: Taking, name: str = "content") -> tuple[Part, ...]:
        """Read the content of a message, a tool's result or a document: a text or a list of blocks."""
        value = holder.take(name)
        if value is None or isinstance(value, str):
            return (Text(text=value),) if value else ()
        parts: list[Part] = []
        of_call: Sealed | None = None
        for block in Taking({name: value}, holder.place).objects(name):
            kind = block.needed_text("type")
            if kind in _THOUGHTS:
                text, signed = block.text("thinking"), block.text(_THOUGHTS[kind])
                of_call = seals.take(text, signed, parts, redacted=kind == "redacted_thinking") or of_call
                self.losses.extend(block.left())
                continue
            for part in self._block(block, kind):
                if isinstance(part, ToolCall):
                    parts.append(msgspec.structs.replace(part, sealed=of_call))
                    of_call = None
                else:
                    parts.append(part)
        return tuple(parts)

    def cache(self, holder: Taking) -> str:
        """Read a prompt-cache mark."""
        mark = holder.inner("cache_control")
        if mark is None:
            return ""
        mark.text("type")
        found = mark.text("ttl", "5m")
        self.losses += [Loss(field=loss.field, grave=False) for loss in mark.left()]
        return found

    def _block(self, block: Taking, kind: str) -> Iterator[Part]:
        reader = self._readers.get(kind)
        if reader is None:  # what tools of Anthropic's own did, and what is invented later
            self.losses.append(Loss(field=block.at("type"), grave=True))
            return
        yield from reader(block)
        self.losses.extend(block.left())

    def _text(self, block: Taking) -> Iterator[Part]:
        citations = tuple(_citation(each) for each in block.objects("citations"))
        yield Text(text=block.needed_text("text"), cache=self.cache(block), citations=citations)

    def _image(self, block: Taking) -> Iterator[Part]:
        self.losses += block.hints("transformations")
        cache, source = self.cache(block), _source(block)
        kind = source.needed_text("type")
        if kind not in {"base64", "url", "file"}:
            raise wrong(source.at("type"), "base64, url or file")
        yield _media("image", source, kind, name="", cache=cache)
        self.losses.extend(source.left())

    def _document(self, block: Taking) -> Iterator[Part]:
        if (context := block.text("context")) != "":
            yield Text(text=context)
        self._asked_to_cite(block)
        cache, name, source = self.cache(block), block.text("title"), _source(block)
        kind = source.needed_text("type")
        match kind:
            case "content":
                yield from self._content(source, name, cache)
            case "text":
                source.text("media_type")
                data = base64.b64encode(source.needed_text("data").encode()).decode()
                yield Media(kind="document", media_type="text/plain", data=data, name=name, cache=cache)
            case "base64" | "url" | "file":
                yield _media("document", source, kind, name=name, cache=cache)
            case _:
                raise wrong(source.at("type"), "base64, text, content, url or file")
        self.losses.extend(source.left())

    def _content(self, source: Taking, name: str, cache: str) -> Iterator[Part]:
        """Read a document that is made of blocks: its title and its blocks become parts of the message."""
        if name:
            yield Text(text=name)
        yield from _marked(self._within(source), cache)

    def _within(self, holder: Taking) -> tuple[Text | Media, ...]:
        """Read the content of a block that holds blocks itself."""
        parts = self.read(holder)
        if not all(isinstance(part, Text | Media) for part in parts):
            raise wrong(holder.at("content"), "texts, images and documents")
        return tuple(part for part in parts if isinstance(part, Text | Media))

    def _search_result(self, block: Taking) -> Iterator[Part]:
        self._asked_to_cite(block)
        cache = self.cache(block)
        yield Text(text=f"{block.text('title')}\n{block.text('source')}")
        yield from _marked(self._within(block), cache)

    def _asked_to_cite(self, block: Taking) -> None:
        """Note that citations are asked for: no other dialect can be told to cite what it is given."""
        citations = block.inner("citations")
        if citations is not None:
            if citations.flag("enabled"):
                self.losses.append(Loss(field=citations.at("enabled"), grave=True))
            self.losses.extend(citations.left())

    def _tool_use(self, block: Taking) -> Iterator[Part]:
        identifier, name, arguments = block.needed_text("id"), block.needed_text("name"), block.raw("input")
        self.losses += block.hints("caller")
        self._names[identifier] = name
        text = bytes(arguments).decode() if arguments is not None else "{}"
        yield ToolCall(id=identifier, name=name, arguments=text, cache=self.cache(block))

    def _tool_result(self, block: Taking) -> Iterator[Part]:
        identifier = block.needed_text("tool_use_id")
        yield ToolResult(
            call_id=identifier,
            name=self._names.get(identifier, ""),
            is_error=block.flag("is_error") or False,
            cache=self.cache(block),
            parts=self._within(block),
        )

    def _tool_reference(self, block: Taking) -> Iterator[Part]:
        """Read what a tool of the caller's that finds tools found; elsewhere all tools are offered from the start."""
        name, cache = block.needed_text("tool_name"), self.cache(block)
        self.losses.append(Loss(field=block.at("type"), grave=False))
        found = {"type": "tool_reference", "tool_name": name}
        yield Text(text=msgspec.json.encode(found).decode(), cache=cache)

    def _tool_addition(self, block: Taking) -> Iterator[Part]:
        return self._tool_change(block, offered=True)

    def _tool_removal(self, block: Taking) -> Iterator[Part]:
        return self._tool_change(block, offered=False)

    def _tool_change(self, block: Taking, *, offered: bool) -> Iterator[Part]:
        """Note a change; other dialects are offered what is offered at the end of the conversation."""
        self.cache(block)
        tool = block.inner("tool")
        if tool is None:
            raise wrong(block.at("tool"), "an object")
        kind = tool.needed_text("type")
        if kind == "tool_reference":
            self.changes.append(ToolChange(offered=offered, name=tool.needed_text("name")))
        elif kind == "tool_definition" and offered:
            self.changes.append(ToolChange(offered=True, definition=tool.inner("definition")))
        else:  # tools of MCP servers that Anthropic itself calls
            self.losses.append(Loss(field=tool.at("type"), grave=True))
        self.losses.extend(tool.left())
        return iter(())


def _source(block: Taking) -> Taking:
    source = block.inner("source")
    if source is None:
        raise wrong(block.at("source"), "an object")
    return source


def _media(what: Literal["image", "document"], source: Taking, kind: str, *, name: str, cache: str) -> Media:
    return Media(
        kind=what,
        media_type=source.text("media_type"),
        data=source.needed_text("data") if kind == "base64" else "",
        url=source.needed_url("url") if kind == "url" else "",
        file_id=source.needed_text("file_id") if kind == "file" else "",
        name=name,
        cache=cache,
    )


def _marked(parts: tuple[Text | Media, ...], cache: str) -> tuple[Text | Media, ...]:
    """Put a block's cache mark behind the last part that became of it."""
    if not parts or not cache:
        return parts
    return (*parts[:-1], msgspec.structs.replace(parts[-1], cache=cache))


def _citation(citation: Taking) -> Citation:
    """Read a citation of an earlier answer; where in its documents the passage stands means nothing elsewhere."""
    return Citation(
        url=citation.text("url") or citation.text("source"),
        title=citation.text("title") or citation.text("document_title"),
        quoted=citation.text("cited_text"),
    )
