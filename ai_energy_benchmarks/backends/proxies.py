"""Programs that listen on a port for another one: tunnels, port forwarders of containers, proxies and routers.

One table. What each kind means, and how it is followed:

- ``remote``: the other end is another machine. Not followed.
- ``container``: the other end is in a container's network namespace, which the process or its arguments name.
- ``target``: the addresses of the other end are in the arguments; each is followed in turn.
- ``balancer``: the other end is in a configuration that is not read. Not followed.
"""

from __future__ import annotations

import re
from typing import Literal

from attrs import frozen

from ai_energy_benchmarks.domain.address import Address, parse_address
from ai_energy_benchmarks.machine.programs import Program

Kind = Literal["remote", "container", "target", "balancer"]


@frozen
class Proxy:
    """A row of the table.

    Attributes:
        names: programs, or scripts and modules of an interpreter.
        source: where its behaviour or its arguments are described.
    """

    kind: Kind
    names: frozenset[str]
    source: str


def _row(kind: Kind, names: str, source: str) -> Proxy:
    return Proxy(kind, frozenset(names.split()), source)


TABLE: tuple[Proxy, ...] = (
    _row("remote", "ssh autossh", "ssh(1): -L address:port:host:hostport; autossh(1) keeps one running"),
    _row("remote", "sshd sshd-session", "ssh(1): -R, whose port the server's side listens on"),
    _row("remote", "plink", "PuTTY manual, 3.8.3.5: -L, as ssh has it"),
    _row("remote", "kubectl oc", "kubernetes.io/docs/reference/kubectl/generated/kubectl_port-forward"),
    _row("remote", "kubefwd telepresence", "kubefwd.com, telepresence.io: services of a cluster"),
    _row("remote", "cloudflared", "developers.cloudflare.com: cloudflared access tcp --hostname … --url localhost:…"),
    _row("remote", "session-manager-plugin", "docs.aws.amazon.com/systems-manager: AWS-StartPortForwardingSession"),
    _row("remote", "k9s tsh", "k9scli.io, goteleport.com: port forwarding from within the program itself"),
    _row("remote", "code cursor", "code.visualstudio.com/docs/remote/ssh: forwarded ports of a remote host"),
    _row("remote", "chisel frpc bore ngrok", "their manuals: TCP tunnels to another machine"),
    _row("remote", "gvproxy vpnkit com.docker.backend", "github.com/containers/gvisor-tap-vsock, moby/vpnkit"),
    _row("container", "docker-proxy", "github.com/moby/moby, cmd/docker-proxy: -container-ip, -container-port"),
    _row("container", "rootlessport containers-rootlessport", "github.com/containers/podman, cmd/rootlessport"),
    _row("container", "slirp4netns", "slirp4netns(1): PID or path of the namespace"),
    _row("container", "pasta pasta.avx2 passt passt.avx2", "pasta(1): --netns PATH, or PID or path"),
    _row("target", "socat", "socat(1): TCP-LISTEN:port,… TCP:host:port"),
    _row("target", "systemd-socket-proxyd", "systemd-socket-proxyd(8): host:port"),
    _row("target", "sglang_router.launch_router sglang-router", "docs.sglang.ai: --worker-urls"),
    _row("target", "vllm-router", "github.com/vllm-project/router: --worker-urls"),
    _row("target", "vllm_router.app", "github.com/vllm-project/production-stack: --static-backends"),
    _row("balancer", "nginx haproxy envoy caddy traefik apache2 httpd varnishd", "their manuals"),
    _row("balancer", "litellm", "docs.litellm.ai/docs/proxy: models of a configuration file"),
    _row("balancer", "dynamo.frontend", "docs.nvidia.com/dynamo: workers register with a discovery service"),
    _row("balancer", "rootlesskit rootlesskit-docker-proxy", "github.com/rootless-containers/rootlesskit"),
    _row("balancer", "kube-proxy ncat nc redir mitmproxy mitmdump", "their manuals"),
)  # fmt: skip

_TARGETS = (
    re.compile(r"^TCP[46]?(?:-CONNECT)?:(\[[^]]+\]|[^:,]+):(\d+)", re.IGNORECASE),  # socat
    re.compile(r"^()(https?://\S+)$"),
)


def recognised(process: Program) -> Proxy | None:
    """The row of a process; None if it is no known proxy."""
    return next((row for row in TABLE if row.names & process.names), None)


def targets(process: Program) -> tuple[Address, ...]:
    """The addresses to which the arguments send requests on."""
    words = [part for word in process.command[1:] for part in word.split(",")]
    found = [_address(word, "systemd-socket-proxyd" in process.names) for word in words]
    return tuple(dict.fromkeys(address for address in found if address is not None))


def _address(word: str, bare: bool) -> Address | None:
    for pattern in _TARGETS:
        if match := pattern.match(word):
            url = match[2] if not match[1] else f"http://{match[1]}:{match[2]}"
            return _parsed(url)
    return _parsed(f"http://{word}") if bare and re.fullmatch(r"[^/:]+:\d+|\[[^]]+\]:\d+", word) else None


def _parsed(url: str) -> Address | None:
    try:
        return parse_address(url)
    except ValueError:
        return None
