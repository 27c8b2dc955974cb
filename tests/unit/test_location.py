"""Where the engine behind an endpoint runs: followed through proxies, or said to be elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_energy_benchmarks.backends.location import locate, of_tree
from ai_energy_benchmarks.backends.proxies import TABLE
from ai_energy_benchmarks.domain.address import parse_address
from ai_energy_benchmarks.domain.engine import Location
from tests.fake_proc import FakeProc

ENDPOINT = parse_address("http://localhost:8000/v1")
CLIENT = 900


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    """A machine on which this package runs in a shell."""
    made = FakeProc(tmp_path / "proc")
    made.add(800, 1, "bash")
    made.add(CLIENT, 800, "ai-energy-bench", session=800)
    return made


def found(proc: FakeProc, endpoint: str = "http://localhost:8000/v1") -> Location:
    return locate(parse_address(endpoint), proc.root)


def test_a_server_that_listens_itself_is_the_engine(proc: FakeProc) -> None:
    """Its descendants belong to it; the shell that started it does not."""
    proc.add(100, 1, "bash")
    proc.add(101, 100, "vllm", session=100)
    proc.add(102, 101, "VLLM::EngineCore", session=100)
    proc.listen(101, 8000)
    assert found(proc) == Location((101,), by_port=True)


def test_only_sockets_that_answer_on_localhost_are_meant(proc: FakeProc) -> None:
    """Another server listens on the same port of the machine's outer address."""
    proc.add(101, 1, "vllm")
    proc.add(102, 1, "nginx")
    proc.listen(101, 8000, "127.0.0.1")
    proc.listen(102, 8000, "10.0.0.1")
    assert found(proc).process_ids == (101,)


@pytest.mark.parametrize(
    "command",
    [
        ("ssh", "ssh", "-N", "-L", "8000:localhost:8000", "gpu-host"),
        ("kubectl", "kubectl", "port-forward", "svc/vllm", "8000:8000"),
        ("cloudflared", "cloudflared", "access", "tcp", "--hostname", "h.example", "--url", "localhost:8000"),
        ("sshd-session", "sshd-session: user"),
    ],
    ids=lambda command: command[0],
)
def test_a_tunnel_means_another_machine(proc: FakeProc, command: tuple[str, ...]) -> None:
    """The idle GPU of this machine was published as the server's; the user may still say that it is this one."""
    proc.add(500, 800, *command)
    proc.listen(500, 8000, "127.0.0.1")
    location = found(proc)
    assert location.process_ids == ()
    told = location.missed(assume_local=False, gpus_named=True)
    assert told is not None
    assert f"{command[0]} (process 500) listens on port 8000" in told
    assert "another machine" in told
    assert "fix: " in told
    assert location.missed(assume_local=True, gpus_named=False) is None


def test_dockers_proxy_is_followed_into_the_container(proc: FakeProc) -> None:
    """Two containers listen on 8000, each in a network of its own: the one with the address that is forwarded to."""
    for pid, address, network in ((301, "172.17.0.2", "one"), (401, "172.17.0.3", "two")):
        folder = proc.add(pid, 1, "python3", net_namespace=network)
        (folder / "net" / "fib_trie").write_text(f"Local:\n     |-- {address}\n        /32 host LOCAL\n")
        proc.listen(pid, 8000)
    arguments = ("-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "8000", "-container-ip", "172.17.0.3")
    proc.add(200, 1, "docker-proxy", "/usr/bin/docker-proxy", *arguments, "-container-port", "8000")
    proc.listen(200, 8000)
    assert found(proc) == Location((401,), by_port=True)


def test_dockers_proxy_is_followed_for_a_user_who_may_not_look_at_roots_files(proc: FakeProc) -> None:
    """Whose sockets they are is hidden then, and the whole container is the engine."""
    for pid in (301, 302):
        folder = proc.add(pid, 1, "python3", net_namespace="one")
        (folder / "net" / "fib_trie").write_text("Local:\n     |-- 172.17.0.2\n        /32 host LOCAL\n")
    proc.listen(302, 8000)
    for descriptor in (proc.root / "302" / "fd").iterdir():
        descriptor.unlink()
    arguments = ("-container-ip", "172.17.0.2", "-container-port", "8000")
    proc.add(200, 1, "docker-proxy", "docker-proxy", *arguments)
    proc.listen(200, 8000)
    assert found(proc).process_ids == (301, 302)


@pytest.mark.parametrize("forwarder", ["rootlessport", "slirp4netns", "pasta"])
def test_podmans_forwarders_are_followed_into_the_container(proc: FakeProc, forwarder: str) -> None:
    """By a child in the container's network, by the number of a process in it, or by the network's path."""
    proc.add(301, 1, "python3", net_namespace="one")
    if forwarder == "rootlessport":
        proc.add(201, 200, "rootlessport-child", net_namespace="one")
    proc.listen(301, 8000)
    path = str(proc.root / "namespace-net-one")
    arguments = {"slirp4netns": ("-c", "301", "tap0"), "pasta": ("-t", "8000-8000:8000-8000", "--netns", path)}
    proc.add(200, 1, forwarder, forwarder, *arguments.get(forwarder, ()))
    proc.listen(200, 8000)
    assert found(proc).process_ids == (301,)


@pytest.mark.parametrize("name", ["nginx", "haproxy", "envoy", "caddy", "traefik", "docker-proxy"])
def test_what_cannot_be_followed_is_withheld(proc: FakeProc, name: str) -> None:
    """Unless the user names the GPUs, or says that all of the engine is here."""
    proc.add(200, 1, name)
    proc.listen(200, 8000)
    location = found(proc)
    assert location.process_ids == ()
    assert "cannot be found from here" in (location.elsewhere or "")
    assert "own port in backend.endpoint" in (location.elsewhere or "")
    assert location.missed(assume_local=False, gpus_named=False) is not None
    assert location.missed(assume_local=False, gpus_named=True) is None
    assert location.missed(assume_local=True, gpus_named=False) is None


def test_socat_is_followed_to_the_address_in_its_arguments(proc: FakeProc) -> None:
    """To a server here, or to another machine."""
    proc.add(101, 1, "vllm")
    proc.listen(101, 9000)
    proc.add(200, 1, "socat", "socat", "TCP-LISTEN:8000,fork,reuseaddr", "TCP:localhost:9000")
    proc.listen(200, 8000)
    proc.add(201, 1, "socat", "socat", "TCP-LISTEN:8001,fork", "TCP4:10.0.0.7:9000")
    proc.listen(201, 8001)
    assert found(proc).process_ids == (101,)
    assert "10.0.0.7:9000" in (found(proc, "http://localhost:8001").elsewhere or "")


def test_a_router_is_followed_to_its_workers(proc: FakeProc) -> None:
    """SGLang's router names them in its arguments."""
    for pid, port in ((101, 30001), (102, 30002)):
        proc.add(pid, 1, "sglang::schedul")
        proc.listen(pid, port)
    urls = ("--worker-urls", "http://127.0.0.1:30001", "http://127.0.0.1:30002")
    proc.add(200, 1, "python3", "python3", "-m", "sglang_router.launch_router", *urls)
    proc.listen(200, 8000)
    assert found(proc).process_ids == (101, 102)


def test_proxies_that_point_at_each_other_end(proc: FakeProc) -> None:
    """As what cannot be followed."""
    proc.add(200, 1, "socat", "socat", "TCP-LISTEN:8000", "TCP:localhost:8000")
    proc.listen(200, 8000)
    assert "cannot be found" in (found(proc).elsewhere or "")


@pytest.mark.parametrize(
    ("parent", "names"),
    [
        ("text-generation-launcher", ("text-generation-router", "text-generation-server")),
        ("raylet", ("ray::ProxyAct", "x")),
    ],
)
def test_a_listener_counts_with_the_launcher_of_its_workers(
    proc: FakeProc, parent: str, names: tuple[str, str]
) -> None:
    """They are siblings: the router used 0 J of the 8 J that the shard used."""
    proc.add(100, 1, parent, cgroup="/engine")
    proc.add(101, 100, names[0], session=100, cgroup="/engine")
    proc.add(102, 100, names[1], session=100, cgroup="/engine")
    proc.listen(101, 8000)
    assert found(proc).process_ids == (100,)


def test_a_parent_of_anything_else_does_not_count(proc: FakeProc) -> None:
    """A shell, a program of another session or control group, or one that has started this package too."""
    proc.add(100, 1, "jupyter")
    for pid, other in ((101, {"session": 101}), (102, {"session": 100, "cgroup": "/pod"})):
        proc.add(pid, 100, "vllm", **other)  # type: ignore[arg-type]
        proc.listen(pid, 8000 + pid)
        assert found(proc, f"http://localhost:{8000 + pid}").process_ids == (pid,)


def test_a_service_manager_that_holds_the_socket_is_not_the_engine(proc: FakeProc) -> None:
    """With socket activation systemd holds it too, and everything on the machine descends from systemd."""
    proc.listen(1, 8000)
    assert "only a service manager" in (found(proc).unknown or "")
    proc.add(101, 1, "vllm")
    proc.listen(101, 8000)
    assert found(proc).process_ids == (101,)


def test_a_process_that_is_not_shown_is_unknown(proc: FakeProc) -> None:
    """Another user's or another container's: something listens, but it is not known what."""
    proc.add(101, 1, "vllm")
    proc.listen(101, 8000)
    for descriptor in (proc.root / "101" / "fd").iterdir():
        descriptor.unlink()
    assert "belongs to another user" in (found(proc).unknown or "")
    assert "no process of this machine" in (found(proc, "http://localhost:8001").unknown or "")


def test_another_machine_is_this_one_where_the_user_says_so(proc: FakeProc) -> None:
    """Its processes are then found as those of localhost are."""
    proc.add(101, 1, "vllm")
    proc.listen(101, 8000, "10.0.0.5")
    location = found(proc, "http://gpu-host:8000")
    assert location.process_ids == (101,)
    assert "another machine" in (location.missed(assume_local=False, gpus_named=True) or "")
    assert location.missed(assume_local=True, gpus_named=False) is None


SEVERAL = {
    "nodes": ("vllm", "vllm", "serve", "m", "--nnodes", "2", "--node-rank", "0"),
    "sglang": ("python3", "python3", "-m", "sglang.launch_server", "--tp", "16", "--nnodes=2"),
    "torchrun": ("torchrun", "torchrun", "--nnodes=2:4", "serve.py"),
    "data parallel": ("vllm", "vllm", "serve", "m", "--data-parallel-size", "4", "--data-parallel-size-local", "2"),
}


@pytest.mark.parametrize("command", SEVERAL.values(), ids=SEVERAL)
def test_an_engine_over_several_nodes_is_only_partly_seen(proc: FakeProc, command: tuple[str, ...]) -> None:
    """Nothing that the user says makes the other node's GPUs visible."""
    proc.add(101, 1, *command)
    proc.listen(101, 8000)
    location = found(proc)
    assert location.missed(assume_local=True, gpus_named=True) is not None
    assert location.missed(assume_local=True, gpus_named=True) == of_tree(101, proc.root).elsewhere
    assert "only a part of the engine can be seen" in (location.elsewhere or "")
    assert f"{command[0]} (process 101)" in (location.elsewhere or "")


def test_an_engine_on_one_node_is_seen_whole(proc: FakeProc) -> None:
    """One node, as many copies here as there are, and no more GPUs than the machine has."""
    words = ("--nnodes", "1", "-tp", "4", "--data-parallel-size", "2", "--data-parallel-size-local", "2")
    proc.add(101, 1, "vllm", "vllm", "serve", "m", *words)
    assert of_tree(101, proc.root, gpus=8).elsewhere is None
    assert "needs 8 GPUs" in (of_tree(101, proc.root, gpus=4).elsewhere or "")


def test_processes_of_mpi_on_other_machines_are_not_seen(proc: FakeProc) -> None:
    """By what mpirun tells each of them, or by its own list of hosts."""
    proc.add(100, 1, "mpirun", "mpirun", "-n", "16", "-H", "one:8,two:8", "trtllm-serve", "m")
    proc.add(101, 100, "trtllm-serve", session=100)
    folder = proc.add(102, 1, "trtllm-serve")
    (folder / "environ").write_bytes(b"OMPI_COMM_WORLD_SIZE=16\0OMPI_COMM_WORLD_LOCAL_SIZE=8\0")
    proc.add(103, 1, "mpirun", "mpirun", "-n", "8", "-H", "localhost:8", "trtllm-serve", "m")
    assert "hosts one:8,two:8" in (of_tree(101, proc.root).elsewhere or "")
    assert "16 processes of which 8 run here" in (of_tree(102, proc.root).elsewhere or "")
    assert of_tree(103, proc.root).elsewhere is None


def test_the_workers_of_a_ray_cluster_are_not_the_engines(proc: FakeProc) -> None:
    """They are children of a raylet; only one that the engine has started itself is this machine's for sure."""
    words = ("vllm", "serve", "m", "--distributed-executor-backend", "ray")
    proc.add(101, 1, "vllm", *words)
    proc.add(50, 1, "raylet")
    proc.add(51, 50, "ray::RayWorkerWrapper")
    location = of_tree(101, proc.root)
    assert "Ray cluster" in (location.elsewhere or "")
    assert location.missed(assume_local=True, gpus_named=True) is None
    proc.add(201, 1, "vllm", *words)
    proc.add(202, 201, "raylet", session=201)
    proc.add(203, 202, "ray::RayWorkerWrapper", session=201)
    assert of_tree(201, proc.root).elsewhere is None


def test_an_engine_in_process_says_by_its_arguments_where_its_workers_are(proc: FakeProc) -> None:
    """Its command line is that of this package; the torchrun that has started it is in its environment."""
    ray = ("--distributed-executor-backend=ray", "--tensor-parallel-size=8")
    assert "Ray cluster" in (of_tree(CLIENT, proc.root, arguments=ray).elsewhere or "")
    assert "needs 8 GPUs" in (of_tree(CLIENT, proc.root, 1, arguments=ray[1:]).elsewhere or "")
    assert of_tree(CLIENT, proc.root).elsewhere is None
    (proc.root / str(CLIENT) / "environ").write_bytes(b"WORLD_SIZE=16\0LOCAL_WORLD_SIZE=8\0")
    assert "16 processes of which 8 run here" in (of_tree(CLIENT, proc.root).elsewhere or "")


def test_ray_serve_is_a_cluster(proc: FakeProc) -> None:
    """Its proxy is followed to the raylet with all local workers, but other nodes are not seen."""
    proc.add(50, 1, "raylet")
    proc.add(51, 50, "ray::ProxyActor")
    proc.listen(51, 8000)
    location = found(proc)
    assert location.process_ids == (50,)
    assert "actor of a Ray cluster" in (location.elsewhere or "")


def test_every_row_of_the_table_has_a_source() -> None:
    """And no program is in two of them."""
    names = [name for row in TABLE for name in row.names]
    assert all(row.source for row in TABLE)
    assert len(names) == len(set(names))
