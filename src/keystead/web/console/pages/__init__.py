"""The table of pages. What is not here does not exist."""

from typing import Final

from keystead.web.console.pages import (
    account,
    audit,
    connect,
    consents,
    explain,
    grant_forms,
    keys,
    members,
    overview,
    people,
    permissions,
    playground,
    programs,
    requests,
    spend,
    vault,
)

PAGES: Final = (
    *overview.PAGES,
    *vault.PAGES,
    *people.PAGES,
    *members.PAGES,
    *programs.PAGES,
    *permissions.PAGES,
    *grant_forms.PAGES,
    *explain.PAGES,
    *consents.PAGES,
    *keys.PAGES,
    *requests.PAGES,
    *spend.PAGES,
    *playground.PAGES,
    *connect.PAGES,
    *audit.PAGES,
    *account.PAGES,
)
