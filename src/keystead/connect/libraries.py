"""SDKs and frameworks, and curl: one row each, with a program that asks the model to say hello."""

from typing import Final

from keystead.connect.client import SANDBOX, Client, Snippet

LIBRARIES: Final = (
    Client(
        name="openai-python",
        title="OpenAI's SDK for Python",
        default_model=SANDBOX,
        snippet=Snippet(
            language="python",
            install="pip install openai",
            text="""import os

from openai import OpenAI

client = OpenAI(base_url="{{url}}/v1", api_key=os.environ["KEYSTEAD_KEY"])
answer = client.chat.completions.create(
    model="{{model}}",
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.choices[0].message.content)
""",
        ),
    ),
    Client(
        name="openai-js",
        title="OpenAI's SDK for JavaScript",
        default_model=SANDBOX,
        snippet=Snippet(
            language="javascript",
            install="npm install openai",
            text="""import OpenAI from "openai";

const client = new OpenAI({ baseURL: "{{url}}/v1", apiKey: process.env.KEYSTEAD_KEY });
const answer = await client.chat.completions.create({
  model: "{{model}}",
  messages: [{ role: "user", content: "Say hello." }],
});
console.log(answer.choices[0].message.content);
""",
        ),
    ),
    Client(
        name="anthropic-python",
        title="Anthropic's SDK for Python",
        default_model=SANDBOX,
        unset=("ANTHROPIC_AUTH_TOKEN",),
        snippet=Snippet(
            language="python",
            install="pip install anthropic",
            text="""import os

from anthropic import Anthropic

client = Anthropic(base_url="{{url}}", api_key=os.environ["KEYSTEAD_KEY"])
answer = client.messages.create(
    model="{{model}}",
    max_tokens=500,
    messages=[{"role": "user", "content": "Say hello."}],
)
print(answer.content[0].text)
""",
        ),
    ),
    Client(
        name="anthropic-js",
        title="Anthropic's SDK for JavaScript",
        default_model=SANDBOX,
        unset=("ANTHROPIC_AUTH_TOKEN",),
        snippet=Snippet(
            language="javascript",
            install="npm install @anthropic-ai/sdk",
            text="""import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "{{url}}", apiKey: process.env.KEYSTEAD_KEY });
const answer = await client.messages.create({
  model: "{{model}}",
  max_tokens: 500,
  messages: [{ role: "user", content: "Say hello." }],
});
console.log(answer.content[0].text);
""",
        ),
    ),
    Client(
        name="google-genai",
        title="Google's SDK for Python",
        default_model=SANDBOX,
        unset=("GOOGLE_GENAI_USE_VERTEXAI",),
        snippet=Snippet(
            language="python",
            install="pip install google-genai",
            text="""import os

from google import genai

client = genai.Client(api_key=os.environ["KEYSTEAD_KEY"], http_options={"base_url": "{{url}}"})
answer = client.models.generate_content(model="{{model}}", contents="Say hello.")
print(answer.text)
""",
        ),
    ),
    Client(
        name="langchain",
        title="LangChain",
        default_model=SANDBOX,
        snippet=Snippet(
            language="python",
            install="pip install langchain-openai",
            text="""import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    model="{{model}}",
    base_url="{{url}}/v1",
    api_key=os.environ["KEYSTEAD_KEY"],
)
print(model.invoke("Say hello.").content)
""",
        ),
    ),
    Client(
        name="llamaindex",
        title="LlamaIndex",
        default_model=SANDBOX,
        snippet=Snippet(
            language="python",
            install="pip install llama-index-llms-openai-like",
            text="""import os

from llama_index.llms.openai_like import OpenAILike

model = OpenAILike(
    model="{{model}}",
    api_base="{{url}}/v1",
    api_key=os.environ["KEYSTEAD_KEY"],
    is_chat_model=True,
)
print(model.complete("Say hello."))
""",
        ),
    ),
    Client(
        name="vercel-ai",
        title="Vercel's AI SDK",
        default_model=SANDBOX,
        snippet=Snippet(
            language="javascript",
            install="npm install ai @ai-sdk/openai-compatible",
            text="""import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";

const keystead = createOpenAICompatible({
  name: "keystead",
  baseURL: "{{url}}/v1",
  apiKey: process.env.KEYSTEAD_KEY,
});
const { text } = await generateText({ model: keystead("{{model}}"), prompt: "Say hello." });
console.log(text);
""",
        ),
    ),
    Client(
        name="curl",
        title="curl",
        default_model=SANDBOX,
        snippet=Snippet(
            language="shell",
            text="curl -sS {{url}}/v1/chat/completions"
            ' -H "Authorization: Bearer {{key}}" -H "Content-Type: application/json"'
            ' -d \'{"model": "{{model}}", "messages": [{"role": "user", "content": "Say hello."}]}\'\n',
        ),
    ),
)
