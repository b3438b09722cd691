"""Keystead: the self-hosted BYOK AI gateway. Bring your own keys. Keep them yours."""

from importlib.metadata import version

__version__ = version("keystead")
