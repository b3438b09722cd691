"""T4: a destination has one spelling, and a redirect leads nowhere.

Open WebUI CVE-2026-45400 checked one reading of a URL and connected to another; CVE-2026-45401 followed redirects.
"""

import pytest

from tests.attacks.conftest import OPENAI_KEY, Stage
from tests.fakes.wire import Answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "sk-proj-attack-corpus-4860b1c9d7f3b9d5e2a"

# `{good}` is the provider's host and port, which are allowed; `{evil}` is where the internal service listens.
CORPUS = (
    # Two readings of the authority
    r"http://{good}\@{evil}",
    "http://{good}@{evil}",
    "http://{evil}@{good}",
    "http://user:pass@{good}",
    "http://{good}#@{evil}",
    "http://{good}?@{evil}",
    "http://{good}/@{evil}",
    "http://{good};@{evil}",
    r"http:\\{evil}",
    "http:/{evil}",
    "http:{evil}",
    "//{evil}",
    "http:///{evil}",
    "http://{evil}:80",
    "http://{good} {evil}",
    "http://{good}\t@{evil}",
    "http://{good}\r\nHost: {evil}",
    "http://{good}\x00.{evil}",
    "http://{good}%00{evil}",
    "http://{good}%2f{evil}",
    "http://{good}%40{evil}",
    " http://{evil}",
    "http://{evil} ",
    "http://[{evil}]",
    # Paths, queries, fragments
    "http://{good}/v1/../admin",
    "http://{good}/%2e%2e/",
    "http://{good}/?x=",
    "http://{good}/#x",
    # Other schemes
    "file:///etc/passwd",
    "ftp://{good}",
    "gopher://{evil}/_x",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "HTTP://{evil}",
    "ws://{good}",
    # Numbers that some parsers take for 127.0.0.1 or 169.254.169.254
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.1",
    "https://0177.0.0.1",
    "https://127.1",
    "https://127.0.1",
    "https://0",
    "https://017700000001",
    "https://2852039166",
    "https://0xa9fea9fe",
    "https://169.254.43518",
    "https://127.0.0.1.",
    "https://localhost.",
    "https://256.256.256.256",
    "https://1.2.3",
    # Private, loopback, metadata
    "https://127.0.0.1",
    "https://10.0.0.1",
    "https://192.168.0.1",
    "https://172.16.0.1",
    "https://169.254.169.254",
    "https://100.100.100.200",
    "https://168.63.129.16",
    "https://0.0.0.0",
    "https://255.255.255.255",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::127.0.0.1]",
    "https://[64:ff9b::7f00:1]",
    "https://[2002:7f00:1::]",
    "https://[fd00:ec2::254]",
    "https://[fe80::1%25eth0]",
    "https://[fe80::1]",
    # Other alphabets
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "https://\u24d5ocalhost",
    "https://loc\u00adalhost",
    "https://\u0430pi.openai.com",
    "https://api\u3002openai\u3002com",
    "https://xn--.example",
    # Plain http to where it is not allowed
    "http://api.openai.com",
    "http://{evil}",
    "http://localhost",
    # Sizes
    "https://" + "a" * 300,
    "https://" + "a." * 130 + "example",
    "https://example:99999",
    "https://example:0",
    "https://example:-1",
    "https://example:443x",
    "",
)


def spelt(stage: Stage, template: str) -> str:
    good, evil = (fake.origin.removeprefix("http://") for fake in (stage.fake, stage.internal))
    return template.replace("{good}", good).replace("{evil}", evil)


@pytest.mark.parametrize("template", CORPUS)
async def test_a_destination_that_could_be_read_in_two_ways_is_refused(stage: Stage, template: str) -> None:
    accepted = stage.fake.connections
    for path, body in (
        ("/credentials", {"name": "corpus", "provider": "openai", "key": KEY, "force": True}),
        ("/credentials/my-openai/destination", {}),
    ):
        reply = await stage.gateway.call(
            "POST", f"/admin/v1{path}", {**body, "origin": spelt(stage, template)}, key=stage.gateway.admin_token
        )
        assert reply.status in {400, 403}, reply.body
        assert reply.json()["code"] in {"invalid_origin", "insecure_origin", "egress_denied", "invalid_request"}
        assert KEY.encode() not in reply.body
    assert stage.fake.connections == accepted
    assert stage.internal.connections == 0


@pytest.mark.parametrize("host", ["localhost", "ip6-localhost", "localhost.localdomain", "LOCALHOST"])
async def test_a_name_that_leads_inside_is_stopped_when_it_is_connected_to(each_stage: Stage, host: str) -> None:
    gateway, name = each_stage.gateway, f"inside-{host.swapcase()}"
    origin = f"https://{host}:{each_stage.internal.port}"
    added = await gateway.add_credential(name, "openai", KEY, origin=origin, allow_duplicate=True)
    assert added["probe"]["outcome"] == "unreachable"
    reply = await gateway.chat(f"{name}/gpt-5")
    assert reply.status == 502
    assert reply.json()["error"]["code"] in {"egress_denied", "dns_failed"}
    assert host.encode() not in reply.body
    assert await each_stage.recorded(reply) == ("failed_unsent", reply.json()["error"]["code"])
    assert each_stage.internal.connections == 0
    await gateway.admin("POST", f"/credentials/{name}/revoke", {})


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_redirect_is_not_followed_and_its_target_not_told(
    each_stage: Stage, status: int, *, stream: bool
) -> None:
    target = f"{each_stage.internal.origin}/latest/meta-data/"
    headers = (("location", target), ("refresh", f"0; url={target}"), ("link", f"<{target}>; rel=preload"))
    each_stage.fake.next(Answer(status=status, headers=headers))
    before = len(each_stage.fake.calls)
    reply = await each_stage.gateway.chat("my-openai/gpt-5", stream=stream)
    assert (reply.status, reply.json()["error"]["code"]) == (502, "upstream_redirect")
    assert await each_stage.recorded(reply) == ("failed_billed", "upstream_redirect")
    assert b"latest" not in reply.body
    assert not {"location", "refresh", "link"} & {name.lower() for name in reply.headers}
    assert len(each_stage.fake.calls) == before + 1
    assert each_stage.fake.calls[-1].auth == f"Bearer {OPENAI_KEY}"


async def test_a_probe_does_not_follow_a_redirect(each_stage: Stage) -> None:
    each_stage.fake.next(Answer(status=302, headers=(("location", f"{each_stage.internal.origin}/latest"),)))
    probed = await each_stage.gateway.admin("POST", "/credentials/my-openai/probe", {})
    assert probed["probe"]["outcome"] in {"unknown", "unreachable"}
