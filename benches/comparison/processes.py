"""Starting and ending processes, and what the kernel says each has cost."""

import os
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 20
STOP_SECONDS = 5


class Process:
    """A program and its children, on given cores, for the length of a `with`."""

    def __init__(self, argv, cores, log, first_port=0):
        self.argv = ["taskset", "--cpu-list", ",".join(map(str, cores)), *argv]
        self.log = log
        self.first_port = first_port
        self.child = None

    def __enter__(self):
        self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        family = self.family()
        self.child.terminate()
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in family:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            self.child.wait()

    def wait_for(self, ports):
        """Returns when every port takes connections, and the process lives: nobody else took them."""
        deadline = time.monotonic() + START_SECONDS
        for port in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 0.5).close()
                    break
                except OSError:
                    self._expect(time.monotonic() < deadline, f"nothing listens on port {port}")
                    self._expect(self.child.poll() is None, "it has ended")
                    time.sleep(0.02)
        self._expect(self.child.poll() is None, "it has ended")

    def _expect(self, condition, otherwise):
        if not condition:
            raise SystemExit(f"{' '.join(self.argv)}: {otherwise}\n{Path(self.log.name).read_text()}")

    def family(self):
        """The process and all its descendants."""
        parent_of = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            # The name, in brackets, may hold anything; the parent is the second field behind it.
            fields = _read(stat).rpartition(")")[2].split()
            if fields:
                parent_of[int(stat.parent.name)] = int(fields[1])
        found = [self.child.pid]
        for pid in found:
            found += (child for child, parent in parent_of.items() if parent == pid)
        return found

    def cpu_seconds(self):
        """On the processor until now, in user space and in the kernel; of threads that live."""
        tasks = (task for pid in self.family() for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int((_read(task) or "0").split()[0]) for task in tasks) / 1e9

    def resident_kib(self):
        """Memory of its own, and its share of what several processes map."""
        lines = (line for pid in self.family() for line in _read(f"/proc/{pid}/smaps_rollup").splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))

    def descriptors(self):
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.family())


def _read(path):
    """What a file of /proc says; nothing when its process has just ended."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
