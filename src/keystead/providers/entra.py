"""Microsoft Entra ID's clouds, and what a credential's settings say about them. Pure."""

from typing import Final

from keystead.providers.row import Given

ENTRA: Final = {
    "public": ("https://login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"),
    "usgov": ("https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
    "china": ("https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn/.default"),
}
"""Each cloud's authority and scope, by the setting `cloud`."""

_ID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

ENTRA_SETTINGS: Final = {
    "api_version": Given(pattern=r"[A-Za-z0-9.-]{1,40}", help="the API version of the older paths, such as 2024-10-21"),
    "tenant_id": Given(
        beside=("client_id",),
        bound=True,
        pattern=rf"{_ID}|[A-Za-z0-9.-]{{1,100}}\.[A-Za-z]{{2,24}}",
        help="the directory, an id or domain",
    ),
    "client_id": Given(beside=("tenant_id",), bound=True, pattern=_ID, help="the application's id"),
    "cloud": Given(beside=("client_id",), bound=True, pattern="|".join(ENTRA), help=f"one of {', '.join(ENTRA)}"),
    "identity": Given(
        beside=("client_id",),
        bound=True,
        pattern="workload",
        help="`workload`: the gateway's own identity instead of a client secret",
    ),
}
