"""Runs of the program from start to end: processor time, and memory at most; and the time to the last bound socket."""

import os
import subprocess
import time

RUNS = 5
SMALL, LARGE, GRANTS = 1_000, 10_000, 1_000
MINUTE = 60


def measure(program, folder):
    """Lines of `what, figure, limit, unit`; the fastest of some runs, for noise only adds."""
    small = _write(folder / "small.yaml", _service(SMALL))
    old = _write(folder / "old.yaml", _service(LARGE, granted=True))
    one = _write(folder / "one.yaml", _service(LARGE, granted=True, moved=1))
    every = _write(folder / "every.yaml", _service(LARGE, granted=True, moved=LARGE))
    guardrail = _write(folder / "guardrail.yaml", _guardrail())
    governed = ["--guardrails", guardrail, "--now", "2026-11-01"]
    many = f"{LARGE:,} listeners, {GRANTS:,} grants"
    runs = [
        (f"check, {SMALL:,} listeners", ["check", small], 0.1),
        (f"check, {many}", ["check", *governed, old], 0.5),
        (f"diff, {many}, one changed", ["diff", *governed, old, one], 0.5),
        (f"diff, {many}, all changed", ["diff", *governed, old, every], 0.5),
    ]
    lines = [(f"start, {SMALL:,} listeners", min(_start(program, small, SMALL) for _ in range(RUNS)), 0.1, "s")]
    for what, words, limit in runs:
        seconds, mib = map(min, zip(*(_run([program, *words]) for _ in range(RUNS))))
        lines += [(what, seconds, limit, "s"), (what, mib, 200, "MiB")]
    return lines


def _run(command):
    """Seconds of the processor and the most MiB; that there is a change to report is as good an end as none."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _start(program, file, listeners):
    """Seconds until every listener is announced."""
    begun = time.monotonic()
    with subprocess.Popen([program, "run", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        ready = 0
        for line in child.stdout:
            ready += line.startswith("READY ")
            if line.startswith("SERVING "):
                break
        took = time.monotonic() - begun
        child.terminate()
        child.communicate(timeout=MINUTE)
    if ready != listeners:
        raise SystemExit(f"{ready} of {listeners} listeners came up")
    return took


def _service(listeners, granted=False, moved=0):
    """So many listeners, the first of which a guardrail has to grant; the first `moved` of them on another address."""
    text = ["portcullis: 1\nservice: many\nruntime: { user: root }\nupstreams: { app: { backends: [127.0.0.1:9001] } }\nlisteners:"]
    for n in range(listeners):
        low, second, clients = n % 250 + 1, n < moved, "[10.0.0.0/8]"
        if not granted:
            where, clients = "loopback: { families: [v4] }", "[127.0.0.0/8]"
        elif n < GRANTS:
            where = f"shared: {{ address: 100.{64 + second}.0.{low} }}"
            clients = "[100.64.0.0/10]"
        else:
            where = f"private: {{ address: 10.{20 + second}.0.{low} }}"
        text.append(f"  l{n}:\n    purpose: listener {n}\n    expose: {{ {where} }}\n    port: {10_000 + n}\n    clients: {{ allow: {clients} }}\n    forward: app")
    return text


def _guardrail():
    text = ["portcullis_guardrails: 1\nname: many\npolicy_owner: bench@example.com\nmay_expose: [loopback, private]\nexceptions:\n  grants:"]
    for n in range(GRANTS):
        text.append(
            f"    - {{ id: G-{n}, service: many, listener: l{n}, owner: bench@example.com, expires: 2027-01-01,"
            f" box: {{ classes: [shared], families: [v4], protocol: tcp, ports: [{10_000 + n}], clients: [100.64.0.0/10], upstreams: [app] }} }}"
        )
    return text


def _write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return str(path)
