"""The conversation of `callers`, held with boto3: Converse, with the virtual key as its bearer token."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.acceptance.callers import PIXEL, SCHEMA, SYSTEM, Heard, Wish


class AwsError(Exception):
    """A refusal, with its status where the other SDKs have it."""

    def __init__(self, error: ClientError) -> None:
        super().__init__(str(error))
        self.status_code = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")


class Converse:
    """boto3."""

    error = AwsError

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, model: str, prompt: str, wish: Wish, *, stream: bool) -> Heard:
        content: list[Any] = [{"text": prompt}]
        if wish.image:
            content.append({"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}})
        return await self._send(model, [{"role": "user", "content": content}], wish, stream=stream)

    async def tell(self, model: str, prompt: str, heard: Heard, results: list[str]) -> Heard:
        calls = [block["toolUse"] for block in heard.raw["content"] if "toolUse" in block]
        given = [
            {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": result}]}}
            for call, result in zip(calls, results, strict=True)
        ]
        messages = [
            {"role": "user", "content": [{"text": prompt}]},
            heard.raw,
            {"role": "user", "content": given},
        ]
        return await self._send(model, messages, Wish(tools=True), stream=False)

    async def _send(self, model: str, messages: list[Any], wish: Wish, *, stream: bool) -> Heard:
        asked: dict[str, Any] = {"modelId": model, "system": [{"text": SYSTEM}], "messages": messages}
        asked["inferenceConfig"] = {"maxTokens": 5000}
        if wish.tools:
            asked["toolConfig"] = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}
        if wish.schema:
            structure = {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "answer"}}
            asked["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
        if wish.effort:
            asked["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        return await asyncio.to_thread(self._streamed if stream else self._whole, asked)

    def _whole(self, asked: dict[str, Any]) -> Heard:
        try:
            answer = self._client.converse(**asked)
        except ClientError as error:
            raise AwsError(error) from error
        return _heard(answer["output"]["message"], answer["stopReason"], answer["usage"])

    def _streamed(self, asked: dict[str, Any]) -> Heard:
        try:
            return _put_together(list(self._client.converse_stream(**asked)["stream"]))
        except ClientError as error:
            raise AwsError(error) from error


def _put_together(events: list[dict[str, Any]]) -> Heard:
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    reason = ""
    usage: dict[str, Any] = {}
    for event in events:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": use}}}:
                blocks[index] = {"toolUse": use}
                inputs[index] = ""
            case {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}:
                if "toolUse" in delta:
                    inputs[index] += delta["toolUse"]["input"]
                elif "text" in delta:
                    blocks.setdefault(index, {"text": ""})["text"] += delta["text"]
                else:
                    block = blocks.setdefault(index, {"reasoningContent": {"reasoningText": {"text": ""}}})
                    said = block["reasoningContent"]["reasoningText"]
                    for name, text in delta["reasoningContent"].items():
                        said[name] = said.get(name, "") + text
            case {"messageStop": {"stopReason": reason}}:
                pass
            case {"metadata": {"usage": usage}}:
                pass
    for index, text in inputs.items():
        blocks[index]["toolUse"]["input"] = json.loads(text)
    message = {"role": "assistant", "content": [blocks[index] for index in sorted(blocks)]}
    return _heard(message, reason, usage)


def _heard(message: dict[str, Any], reason: str, usage: dict[str, Any]) -> Heard:
    thoughts = [
        block["reasoningContent"]["reasoningText"] for block in message["content"] if "reasoningContent" in block
    ]
    calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
    return Heard(
        text="".join(block.get("text", "") for block in message["content"]),
        thought="".join(thought["text"] for thought in thoughts),
        calls=tuple((call["name"], call["input"]) for call in calls),
        finish={"tool_use": "tools", "end_turn": "stop"}.get(reason, reason),
        input_total=usage["inputTokens"] + usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"],
        output_total=usage["outputTokens"],
        raw=message,
    )


@contextmanager
def converse(url: str, key: str) -> Iterator[Converse]:
    """Give boto3, pointed at a gateway, to be conversed with."""
    with invoker(url, key) as client:
        yield Converse(client)


@contextmanager
def invoker(url: str, key: str) -> Iterator[Any]:
    """Give boto3 itself, pointed at a gateway.

    With AWS_BEARER_TOKEN_BEDROCK it shows a bearer token over TLS alone, which a gateway's tests do not have; so the
    header is added here.
    """
    config = Config(retries={"total_max_attempts": 1}, signature_version=UNSIGNED)
    client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=url, config=config)
    client.meta.events.register(
        "request-created.bedrock-runtime",
        lambda request, **_: request.headers.add_header("Authorization", f"Bearer {key}"),
    )
    try:
        yield client
    finally:
        client.close()
