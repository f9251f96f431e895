"""The proxies, each told to do the same: so many listeners on 127.0.0.1, each forwarding to the same backends."""

import shutil
from dataclasses import dataclass
from pathlib import Path

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
BACKLOG = 4096
# A connection takes two descriptors, and some hosts end at 20,000; 9,000 idle ones and 1,000 listeners have to fit.
CONNECTIONS = 9_100
DESCRIPTORS = 2 * CONNECTIONS + 1_100
PIPES = 300


@dataclass(frozen=True)
class Forward:
    """One listener: its port, and `address:port` of each backend."""

    port: int
    backends: tuple


def portcullis(program):
    def command(folder, workers, forwards):
        text = [f"portcullis: 1\nruntime: {{ user: root, workers: {workers}, access_log: none }}\nupstreams:"]
        for backends in sorted({forward.backends for forward in forwards}):
            text.append(f"  {_name(forwards, backends)}: {{ backends: [{', '.join(map(repr, backends))}] }}")
        text.append("listeners:")
        for forward in forwards:
            text.append(
                f"  at-{forward.port}: {{ expose: {{ loopback: {{ families: [v4] }} }}, port: {forward.port},"
                f" fanout: {'per_core' if workers > 1 else 'none'}, timeouts: {{ idle: 1h }}, forward: {_name(forwards, forward.backends)} }}"
            )
        return [str(program), "run", _write(folder / "portcullis.yaml", text)]

    return command


def haproxy(splice):
    def command(folder, workers, forwards):
        text = [f"global\n  nbthread {workers}\n  maxconn {CONNECTIONS}\n  maxpipes {PIPES}\ndefaults\n  mode tcp\n  maxconn {CONNECTIONS}"]
        text.append("  timeout connect 5s\n  timeout client 1h\n  timeout server 1h")
        if splice:
            text.append("  option splice-auto")
        for forward in forwards:
            text.append(f"listen at-{forward.port}\n  bind 127.0.0.1:{forward.port} backlog {BACKLOG}")
            text += (f"  server s{n} {backend}" for n, backend in enumerate(forward.backends))
        return ["haproxy", "-db", "-f", _write(folder / "haproxy.cfg", text)]

    return command


def nginx(folder, workers, forwards):
    text = nginx_head(folder, workers)
    text.append("stream {\n  proxy_timeout 1h;")
    for backends in sorted({forward.backends for forward in forwards}):
        servers = " ".join(f"server {backend};" for backend in backends)
        text.append(f"  upstream {_name(forwards, backends)} {{ {servers} }}")
    for forward in forwards:
        text.append(
            f"  server {{ listen 127.0.0.1:{forward.port} reuseport backlog={BACKLOG}; proxy_pass {_name(forwards, forward.backends)}; }}"
        )
    return ["nginx", "-c", _write(folder / "nginx.conf", [*text, "}"])]


def nginx_head(folder, workers):
    """The part of a configuration of nginx that does not say what it serves."""
    load = f"load_module {STREAM_MODULE};\n" if STREAM_MODULE.exists() else ""
    return [
        f"{load}daemon off;\nworker_processes {workers};\nworker_rlimit_nofile {DESCRIPTORS};",
        f"pid {folder}/nginx.pid;\nerror_log {folder}/nginx.log error;\nevents {{ worker_connections {DESCRIPTORS}; }}",
    ]


def known(program):
    """Every proxy that is here, by name; ours first."""
    peers = {
        "haproxy": (haproxy(False), "haproxy"),
        "haproxy+splice": (haproxy(True), "haproxy"),
        "nginx": (nginx, "nginx"),
    }
    here = {name: command for name, (command, tool) in peers.items() if shutil.which(tool)}
    return {"portcullis": portcullis(program), **here}


def _name(forwards, backends):
    """A name for a group of backends, the same in every file."""
    return f"group{sorted({forward.backends for forward in forwards}).index(backends)}"


def _write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)
