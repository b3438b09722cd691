"""Agents, editors and chat programs, one row each."""

from typing import Final

from keystead.connect.client import SANDBOX, Client, File, Launch

_OPENAI_MODELS: Final = ("gpt-*", "o1*", "o3*", "o4*", "codex-*", "openai/*", "azure/*")

PROGRAMS: Final = (
    Client(
        name="claude-code",
        title="Claude Code",
        program="claude",
        install="npm install -g @anthropic-ai/claude-code",
        variables=(
            ("ANTHROPIC_BASE_URL", "{{url}}"),
            ("ANTHROPIC_AUTH_TOKEN", "{{key}}"),
            # Else it calls api.anthropic.com beside the gateway.
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("ANTHROPIC_MODEL", "{{model}}"),
            # Subagents ask for these by name.
            ("ANTHROPIC_DEFAULT_OPUS_MODEL", "{{model}}"),
            ("ANTHROPIC_DEFAULT_SONNET_MODEL", "{{model}}"),
            ("ANTHROPIC_DEFAULT_HAIKU_MODEL", "{{model}}"),
        ),
        unset=("ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"),
        files=(
            File(
                folder="~/.claude",
                name="settings.json",
                folder_variable="CLAUDE_CONFIG_DIR",
                format="json",
                needed=False,
                text="""{
  "env": {
    "ANTHROPIC_BASE_URL": "{{url}}",
    "ANTHROPIC_MODEL": "{{model}}",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "{{model}}",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "{{model}}",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "{{model}}",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"
  }
}
""",
            ),
        ),
        launch=Launch(),
        notes=("With another maker's model, set CLAUDE_CODE_MAX_CONTEXT_TOKENS to what it holds.",),
    ),
    Client(
        name="codex",
        title="Codex",
        program="codex",
        install="npm install -g @openai/codex",
        own_models=_OPENAI_MODELS,
        files=(
            File(
                folder="~/.codex",
                name="config.toml",
                folder_variable="CODEX_HOME",
                format="toml",
                text="""model_provider = "keystead"
model = "{{model}}"
{{foreign}}web_search = "disabled"

[model_providers.keystead]
name = "Keystead"
base_url = "{{url}}/v1"
env_key = "KEYSTEAD_KEY"
wire_api = "responses"
""",
            ),
        ),
        launch=Launch(
            arguments=(
                ("-c", 'model_provider="keystead"'),
                ("-c", 'model_providers.keystead.name="Keystead"'),
                ("-c", 'model_providers.keystead.base_url="{{url}}/v1"'),
                ("-c", 'model_providers.keystead.env_key="KEYSTEAD_KEY"'),
                ("-c", 'model_providers.keystead.wire_api="responses"'),
                ("-c", 'model="{{model}}"'),
                ("{{foreign}}-c", 'web_search="disabled"'),
            )
        ),
    ),
    Client(
        name="gemini-cli",
        title="Gemini CLI",
        program="gemini",
        install="npm install -g @google/gemini-cli",
        variables=(
            ("GOOGLE_GEMINI_BASE_URL", "{{url}}"),
            ("GEMINI_API_KEY", "{{key}}"),
            ("GEMINI_MODEL", "{{model}}"),
        ),
        unset=("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"),
        files=(
            File(
                folder="~/.gemini",
                name="settings.json",
                format="json",
                text='{\n  "security": {\n    "auth": {\n      "selectedType": "gemini-api-key"\n    }\n  }\n}\n',
            ),
        ),
        # Which kind of key is used it takes from its settings alone, and from files of its system only if they are root's.
        launch=Launch(needs_files=True),
        notes=("Without a model it first asks one of Google's to choose.",),
    ),
    Client(
        name="opencode",
        title="OpenCode",
        program="opencode",
        install="npm install -g opencode-ai",
        default_model=SANDBOX,
        files=(
            File(
                folder="~/.config/opencode",
                name="opencode.json",
                format="json",
                # Anthropic's package: OpenAI's look-alike one sends `max_tokens`, which OpenAI's newer models refuse.
                text="""{
  "$schema": "https://opencode.ai/config.json",
  "provider": {
    "keystead": {
      "npm": "@ai-sdk/anthropic",
      "name": "Keystead",
      "options": {
        "baseURL": "{{url}}/v1",
        "apiKey": "{env:KEYSTEAD_KEY}"
      },
      "models": {
        "{{model}}": {
          "name": "{{model}}"
        }
      }
    }
  },
  "model": "keystead/{{model}}"
}
""",
            ),
        ),
        launch=Launch(settings_variable="OPENCODE_CONFIG_CONTENT"),
    ),
    Client(
        name="open-webui",
        title="Open WebUI",
        program="open-webui serve",
        install="pip install open-webui",
        variables=(
            ("OPENAI_API_BASE_URL", "{{url}}/v1"),
            ("OPENAI_API_KEY", "{{key}}"),
            ("DEFAULT_MODELS", "{{model}}"),
        ),
        notes=(
            "It reads them at its first start; later: Admin Panel, Settings, Connections.",
            "In a container, pass both with -e, and name an address of the gateway that the container reaches.",
        ),
    ),
    Client(
        name="cursor",
        title="Cursor",
        default_model=SANDBOX,
        steps=(
            "Settings, Models, API Keys: as OpenAI API Key the virtual key.",
            "Override OpenAI Base URL: {{url}}/v1",
            "Add the model {{model}} and choose it.",
        ),
        notes=("Cursor's own servers make the requests: the address must be HTTPS and reachable from the internet.",),
    ),
    Client(
        name="cline",
        title="Cline",
        default_model=SANDBOX,
        steps=(
            "Settings, API Provider: OpenAI Compatible.",
            "Base URL: {{url}}/v1",
            "API Key: the virtual key.",
            "Model ID: {{model}}",
        ),
    ),
    Client(
        name="continue",
        title="Continue",
        default_model=SANDBOX,
        files=(
            File(
                folder="~/.continue",
                name="config.yaml",
                format="yaml",
                text="""name: Keystead
version: 1.0.0
schema: v1
models:
  - name: "{{model}}"
    provider: openai
    model: "{{model}}"
    apiBase: "{{url}}/v1"
    apiKey: ${{ secrets.KEYSTEAD_KEY }}
    roles: [chat, edit, apply]
""",
            ),
        ),
        steps=("Put KEYSTEAD_KEY=… into ~/.continue/.env, and `chmod 600` it.",),
    ),
    Client(
        name="aider",
        title="aider",
        program="aider",
        install="pip install aider-install && aider-install",
        default_model=SANDBOX,
        variables=(
            ("OPENAI_API_BASE", "{{url}}/v1"),
            ("OPENAI_API_KEY", "{{key}}"),
            ("AIDER_MODEL", "openai/{{model}}"),
        ),
    ),
    Client(
        name="zed",
        title="Zed",
        program="zed",
        default_model=SANDBOX,
        variables=(("KEYSTEAD_API_KEY", "{{key}}"),),
        files=(
            File(
                folder="~/.config/zed",
                name="settings.json",
                format="json",
                text="""{
  "language_models": {
    "openai_compatible": {
      "Keystead": {
        "api_url": "{{url}}/v1",
        "available_models": [
          {
            "name": "{{model}}",
            "max_tokens": 128000
          }
        ]
      }
    }
  }
}
""",
            ),
        ),
        notes=(
            "`max_tokens` is how much context the model holds. A Zed that no terminal started asks for the key itself.",
        ),
    ),
)
