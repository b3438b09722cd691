"""From a LiteLLM proxy's `config.yaml` to a document of configuration. Pure.

What has a counterpart is translated; everything else is listed with its line, so that nobody finds out in production
what was lost. Keys are never copied: a reference stays a reference, and a literal key becomes one.
"""
