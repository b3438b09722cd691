"""Who and what the demonstration's organization is made of. Pure data; nobody in it exists.

Its credentials point at hosts below `.invalid`, which no resolver knows (RFC 6761), and their keys say that they are
none: nothing of it can leave, whatever it is used for.
"""

from typing import Final, Literal, NamedTuple

from keystead.domain.means import Period
from keystead.domain.routes import Strategy
from keystead.domain.traffic import Dialect, Endpoint

NAME: Final = "Northwind Demo"
TIME_ZONE: Final = "Europe/Berlin"
OWNER: Final = "Ada Lindqvist"

Rhythm = Literal["office", "customers", "night", "steady"]
Story = Literal["rotated", "draining", "staged", "rolled_back", "revoked", "expired", "plain"]


class TeamPlan(NamedTuple):
    """A team; its parent stands before it."""

    name: str
    parent: str | None
    cost_center: str
    data_class: str = ""


class MemberPlan(NamedTuple):
    """A person; a role with `within` is held in that team."""

    name: str
    team: str
    role: str = ""
    within: str = ""


class CredentialPlan(NamedTuple):
    """A provider's key and what became of its versions."""

    name: str
    provider: str
    key: str
    story: Story
    region: str = ""
    models: tuple[str, ...] | None = None
    zero_retention: bool = False


class Option(NamedTuple):
    """A model that a key asks for, and where it goes."""

    model: str
    credential: str
    dialect: Dialect
    endpoint: Endpoint
    weight: int
    input_tokens: int
    output_tokens: int
    cached: float = 0.0
    """The part of the input that the provider's cache usually has."""
    served: str = ""
    """The provider's own name for it, where that differs."""
    fallback: str = ""
    """Another credential with the same model, for when the first one fails."""
    asked: str = ""
    """The route's name, where callers use one."""


class KeyPlan(NamedTuple):
    """A virtual key and what it is used for."""

    name: str
    owner: str
    team: str
    weight: float
    rhythm: Rhythm
    work: str
    streams: float
    client: str
    is_person: bool = False


TEAMS: Final = (
    TeamPlan("Engineering", None, "4100"),
    TeamPlan("Platform", "Engineering", "4110"),
    TeamPlan("Search", "Engineering", "4120"),
    TeamPlan("Mobile", "Engineering", "4130"),
    TeamPlan("Machine learning", "Engineering", "4140"),
    TeamPlan("Customers", None, "5200"),
    TeamPlan("Support", "Customers", "5210", "confidential"),
    TeamPlan("Success", "Customers", "5220"),
    TeamPlan("Marketing", None, "5100"),
    TeamPlan("Finance", None, "6100", "confidential"),
    TeamPlan("Legal", None, "6200", "confidential"),
    TeamPlan("Research", None, "4200"),
)

MEMBERS: Final = (
    MemberPlan("Benedikt Auer", "Platform", "administrator"),
    MemberPlan("Chiara Romano", "Platform", "key_custodian"),
    MemberPlan("Dev Patel", "Platform", "developer"),
    MemberPlan("Elif Aydin", "Platform", "developer"),
    MemberPlan("Farid Haddad", "Search", "administrator", "Search"),
    MemberPlan("Grace Okafor", "Search", "developer"),
    MemberPlan("Hugo Moreau", "Search", "developer"),
    MemberPlan("Ines Carvalho", "Mobile", "administrator", "Mobile"),
    MemberPlan("Jonas Keller", "Mobile", "developer"),
    MemberPlan("Katarzyna Nowak", "Mobile", "developer"),
    MemberPlan("Liam O'Connor", "Machine learning", "developer"),
    MemberPlan("Mei Tanaka", "Machine learning", "developer"),
    MemberPlan("Noor Rahimi", "Machine learning", "developer"),
    MemberPlan("Olga Petrova", "Customers", "administrator", "Customers"),
    MemberPlan("Paul Schmitt", "Support", "developer"),
    MemberPlan("Quynh Tran", "Support", "developer"),
    MemberPlan("Rosa Delgado", "Success", "developer"),
    MemberPlan("Samuel Berg", "Marketing", "developer"),
    MemberPlan("Tilde Holm", "Marketing", "developer"),
    MemberPlan("Ugo Ferri", "Finance", "finance"),
    MemberPlan("Vera Lang", "Finance", "finance", "Finance"),
    MemberPlan("Wanda Krüger", "Legal", "auditor"),
    MemberPlan("Xavier Dubois", "Research", "developer"),
    MemberPlan("Yara Haddad", "Research", "developer"),
)

ACCOUNTS: Final = (
    ("support-assistant", "Support"),
    ("ticket-triage", "Support"),
    ("site-search", "Search"),
    ("catalogue-embeddings", "Search"),
    ("mobile-app", "Mobile"),
    ("nightly-reports", "Finance"),
    ("contract-review", "Legal"),
    ("campaign-writer", "Marketing"),
    ("ci-review", "Platform"),
    ("evaluations", "Machine learning"),
)

CREDENTIALS: Final = (
    CredentialPlan("openai-production", "openai", "sk-proj-", "rotated"),
    CredentialPlan("openai-research", "openai", "sk-proj-", "draining", models=("gpt-*", "text-embedding-*", "ft:*")),
    CredentialPlan("openai-eu", "openai", "sk-svcacct-", "plain", "eu", zero_retention=True),
    CredentialPlan("anthropic-engineering", "anthropic", "sk-ant-api03-", "rotated"),
    CredentialPlan("anthropic-support", "anthropic", "sk-ant-api03-", "plain", zero_retention=True),
    CredentialPlan("anthropic-spare", "anthropic", "sk-ant-api03-", "staged"),
    CredentialPlan("gemini-research", "google", "AIza", "rolled_back"),
    CredentialPlan("mistral-legal", "mistral", "", "plain", zero_retention=True),
    CredentialPlan("groq-experiments", "groq", "gsk_", "plain"),
    CredentialPlan("deepseek-evaluation", "deepseek", "sk-", "revoked"),
    CredentialPlan("xai-trial", "xai", "xai-", "expired"),
    CredentialPlan("openrouter-shared", "openrouter", "sk-or-v1-", "plain"),
)
PLATFORM: Final = CredentialPlan("northwind-platform-openai", "openai", "sk-proj-", "revoked")
"""The operator's key in the consented fallbacks of the past. It is revoked at the end, so that nobody is offered it."""
MARGIN_PPM: Final = 120_000

_OPENAI, _ANTHROPIC, _GEMINI = Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI
_CHAT, _RESPONSES, _MESSAGES = Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.MESSAGES
_PROD, _ENG = "openai-production", "anthropic-engineering"

WORK: Final[dict[str, tuple[Option, ...]]] = {
    "answers": (
        Option("gpt-5-mini", _PROD, _OPENAI, _RESPONSES, 6, 2600, 420, 0.6, fallback="openai-eu", asked="fast"),
        Option("claude-haiku-4-5", "anthropic-support", _ANTHROPIC, _MESSAGES, 3, 3100, 380, 0.7, fallback=_ENG),
        Option("gpt-4o-mini", _PROD, _OPENAI, _CHAT, 2, 1400, 260, 0.3, "gpt-4o-mini-2024-07-18", "openai-research"),
    ),
    "code": (
        Option("claude-sonnet-4-5", _ENG, _ANTHROPIC, _MESSAGES, 7, 38_000, 900, 0.88, fallback="anthropic-support"),
        Option("claude-opus-4-5", _ENG, _ANTHROPIC, _MESSAGES, 2, 46_000, 1300, 0.86),
        Option("gpt-5", _PROD, _OPENAI, _RESPONSES, 2, 21_000, 1500, 0.7, fallback="openai-research", asked="coder"),
        Option("qwen3-coder-480b-preview", "openrouter-shared", _OPENAI, _CHAT, 1, 12_000, 800),
    ),
    "embeddings": (Option("text-embedding-3-small", _PROD, _OPENAI, Endpoint.EMBEDDINGS, 1, 900, 0),),
    "search": (
        Option("gpt-4o-mini", _PROD, _OPENAI, _CHAT, 5, 1100, 90, 0.4, "gpt-4o-mini-2024-07-18", "openai-research"),
        Option("llama-3.3-70b-versatile", "groq-experiments", _OPENAI, _CHAT, 1, 900, 120),
    ),
    "batch": (
        Option("gpt-4o-mini", "openai-eu", _OPENAI, _CHAT, 5, 5200, 340, 0.1, "gpt-4o-mini-2024-07-18"),
        Option("mistral-large-2512", "mistral-legal", _OPENAI, _CHAT, 1, 6100, 520),
    ),
    "contracts": (
        Option("mistral-large-2512", "mistral-legal", _OPENAI, _CHAT, 3, 14_000, 900),
        Option("claude-sonnet-4-5", "anthropic-support", _ANTHROPIC, _MESSAGES, 1, 18_000, 1100, 0.3),
    ),
    "research": (
        Option("gemini-2.5-pro", "gemini-research", _GEMINI, Endpoint.GENERATE, 4, 9000, 1600, 0.2),
        Option("gpt-5", "openai-research", _OPENAI, _RESPONSES, 3, 6000, 2100, 0.3, fallback=_PROD),
        Option("ft:gpt-4o-mini:northwind::a81", "openai-research", _OPENAI, _CHAT, 1, 1800, 300),
        Option("deepseek-v3.2-northwind-tuned", "openrouter-shared", _OPENAI, _CHAT, 1, 4000, 900),
    ),
    "writing": (
        Option("gpt-5", _PROD, _OPENAI, _RESPONSES, 3, 1700, 900, 0.2, fallback="openai-research"),
        Option("gemini-2.5-flash", "gemini-research", _GEMINI, Endpoint.GENERATE, 2, 1500, 700),
    ),
}

_SDK, _CLAUDE, _JS, _CURL = "OpenAI/Python 2.8.0", "claude-cli/2.0.14 (external, cli)", "openai/js 6.9.0", "curl/8.5.0"

KEYS: Final = (
    KeyPlan("support-assistant", "support-assistant", "Support", 22, "customers", "answers", 0.95, _SDK),
    KeyPlan("ticket-triage", "ticket-triage", "Support", 9, "customers", "answers", 0.0, _SDK),
    KeyPlan("site-search", "site-search", "Search", 24, "customers", "search", 0.1, _JS),
    KeyPlan("catalogue-embeddings", "catalogue-embeddings", "Search", 14, "night", "embeddings", 0.0, _SDK),
    KeyPlan("mobile-app-ios", "mobile-app", "Mobile", 8, "customers", "answers", 0.9, "Northwind-iOS/7.2"),
    KeyPlan("mobile-app-android", "mobile-app", "Mobile", 11, "customers", "answers", 0.9, "okhttp/4.12.0"),
    KeyPlan("nightly-reports", "nightly-reports", "Finance", 4, "night", "batch", 0.0, _SDK),
    KeyPlan("contract-review", "contract-review", "Legal", 2, "office", "contracts", 0.2, _SDK),
    KeyPlan("campaign-writer", "campaign-writer", "Marketing", 3, "office", "writing", 0.5, _JS),
    KeyPlan("ci-review", "ci-review", "Platform", 7, "office", "code", 0.1, _SDK),
    KeyPlan("evaluations", "evaluations", "Machine learning", 6, "steady", "research", 0.0, _SDK),
    *(
        KeyPlan(
            f"{member.name.split()[0].lower()}-laptop", member.name, member.team, 1.6, "office", work, 0.9, client, True
        )
        for member, work, client in (
            (MEMBERS[2], "code", _CLAUDE),
            (MEMBERS[3], "code", _CLAUDE),
            (MEMBERS[5], "code", _CLAUDE),
            (MEMBERS[6], "code", _CLAUDE),
            (MEMBERS[8], "code", _CLAUDE),
            (MEMBERS[9], "code", _CLAUDE),
            (MEMBERS[10], "research", _CURL),
            (MEMBERS[11], "research", _SDK),
            (MEMBERS[17], "writing", _JS),
            (MEMBERS[22], "research", _SDK),
            (MEMBERS[23], "research", _SDK),
        )
    ),
)

_PROJECTS: Final = {
    "Support": "helpdesk",
    "Search": "storefront",
    "Mobile": "storefront",
    "Finance": "back-office",
    "Legal": "back-office",
    "Platform": "developer-tools",
}


def tags_of(key: KeyPlan) -> dict[str, str]:
    """Return the tags that a key is made with; a person's is for no one project."""
    if key.is_person:
        return {"environment": "development"}
    project = _PROJECTS.get(key.team)
    return {"environment": "production"} | ({"project": project} if project else {})


ROUTES: Final[tuple[tuple[str, Strategy, tuple[tuple[str, str], ...]], ...]] = (
    (
        "fast",
        "ordered",
        (("gpt-5-mini", _PROD), ("gpt-5-mini", "openai-eu"), ("claude-haiku-4-5", "anthropic-support")),
    ),
    ("coder", "ordered", (("gpt-5", _PROD), ("gpt-5", "openai-research"))),
    ("cheap", "cheapest", (("gpt-4o-mini", _PROD), ("llama-3.3-70b-versatile", "groq-experiments"))),
)

GRANTS: Final = (
    ("Engineering", (_PROD, "openai-research", _ENG, "groq-experiments", "openrouter-shared"), None, ""),
    ("Customers", (_PROD, "openai-eu", "anthropic-support", "openai-research", _ENG), None, "Answers to customers."),
    ("Marketing", (_PROD, "openai-research", "gemini-research"), ("gpt-*", "gemini-*"), ""),
    ("Finance", ("openai-eu", "mistral-legal"), None, "Only keys without retention."),
    ("Legal", ("mistral-legal", "anthropic-support"), None, "Only keys without retention."),
    ("Research", ("openai-research", "gemini-research", _PROD, "openrouter-shared", "deepseek-evaluation"), None, ""),
)

BUDGETS: Final[tuple[tuple[str, str, Period, int], ...]] = (
    ("Whole company", "", "month", 71),
    ("Engineering", "Engineering", "month", 88),
    ("Customers", "Customers", "month", 64),
    ("Research", "Research", "month", 108),
    ("Marketing by day", "Marketing", "day", 40),
)
"""Name, team (empty: all), period, and how full it is to be, in per cent of what the period has seen."""
