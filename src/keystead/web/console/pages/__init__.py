"""The table of pages. What is not here does not exist."""

from typing import Final

from keystead.web.console.pages import account, audit, keys, overview, requests, spend, vault

PAGES: Final = (
    *overview.PAGES,
    *vault.PAGES,
    *keys.PAGES,
    *requests.PAGES,
    *spend.PAGES,
    *audit.PAGES,
    *account.PAGES,
)
