"""The clients and backends, and what one slice of each load costs a proxy, as figures by name.

A port is counted from the first one of its proxy.
"""

import json
import re
import socket
import subprocess
import time
from contextlib import ExitStack

from .processes import Process
from .proxies import nginx_head

HTTP = 9001
BULK = 9002
BULK_STREAMS_BESIDE = 8
SETTLE_SECONDS = 1
REQUEST = b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n"


class Backends:
    """A web server that says `ok` on every address of 127.0.0.0/8, and the receiving end of bulk."""

    def __init__(self, folder, cores, log):
        config = nginx_head(folder, 1) + [
            "http { access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;",
            f"  server {{ listen {HTTP} reuseport backlog=4096; location / {{ return 200 'ok'; }} }} }}",
        ]
        path = folder / "backend.conf"
        path.write_text("\n".join(config) + "\n")
        self.processes = [
            (Process(["nginx", "-c", str(path)], cores, log), HTTP),
            (Process(["iperf3", "--server", "--port", str(BULK)], cores, log), BULK),
        ]
        self.stack = ExitStack()

    def __enter__(self):
        for process, port in self.processes:
            self.stack.enter_context(process).wait_for([port])

    def __exit__(self, *why):
        return self.stack.__exit__(*why)


class Clients:
    """The sending side, on cores of its own where the machine has them."""

    def __init__(self, cores, seconds):
        self.pin = ["taskset", "--cpu-list", ",".join(map(str, cores))]
        self.seconds = seconds

    def bulk(self, proxy, port):
        """One stream, as fast as it goes."""
        before = proxy.cpu_seconds()
        command = ["iperf3", "--client", "127.0.0.1", "--port", str(proxy.first_port + port), "--time", str(self.seconds), "--json"]
        received = json.loads(self._run(command))["end"]["sum_received"]["bytes"]
        return {"cpu ms/GB": (proxy.cpu_seconds() - before) * 1e3 / (received / 1e9), "Gbit/s": received * 8e-9 / self.seconds}

    def requests(self, proxy, port, connections=64, close=False):
        """As many requests as are answered: on connections that stay, or one on each."""
        before = proxy.cpu_seconds()
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{self.seconds}s", "--latency"]
        if close:
            command += ["--header", "Connection: close"]
        said = self._run([*command, f"http://127.0.0.1:{proxy.first_port + port}/"])
        spent = proxy.cpu_seconds() - before
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
        done = int(re.search(r"(\d+) requests in", said).group(1))
        return {
            "cpu us": spent * 1e6 / done,
            "per s": done / self.seconds,
            "p99 ms": _milliseconds(re.search(r"99%\s+([\d.]+)(us|ms|s)", said)),
            "errors": sum(map(int, errors.groups())) if errors else 0,
        }

    def requests_beside_bulk(self, proxy, port, bulk_port):
        """What requests have to wait while bulk crosses the same worker."""
        command = ["iperf3", "--client", "127.0.0.1", "--port", str(proxy.first_port + bulk_port), "--parallel", str(BULK_STREAMS_BESIDE)]
        with subprocess.Popen(
            [*self.pin, *command, "--time", str(self.seconds + 2 * SETTLE_SECONDS)], stdout=subprocess.DEVNULL
        ) as beside:
            time.sleep(SETTLE_SECONDS)
            figures = self.requests(proxy, port, connections=16)
            beside.wait()
        return figures

    def idle(self, proxy, port, connections):
        """Connections that have had one answer and then keep still."""
        memory, descriptors = proxy.resident_kib(), proxy.descriptors()
        with ExitStack() as held:
            for _ in range(connections):
                connection = held.enter_context(socket.create_connection(("127.0.0.1", proxy.first_port + port), 10))
                connection.sendall(REQUEST)
                if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise RuntimeError("an idle connection was not answered")
            time.sleep(SETTLE_SECONDS)
            spent = proxy.cpu_seconds()
            time.sleep(self.seconds)
            spent = proxy.cpu_seconds() - spent
            return {
                "KiB": (proxy.resident_kib() - memory) / connections,
                "descriptors": (proxy.descriptors() - descriptors) / connections,
                "cpu ms/s": spent * 1e3 / self.seconds,
                "base MiB": memory / 1024,
            }

    def _run(self, command):
        return subprocess.run([*self.pin, *command], check=True, capture_output=True, text=True).stdout


def _milliseconds(found):
    return float(found.group(1)) * {"us": 1e-3, "ms": 1, "s": 1e3}[found.group(2)]
