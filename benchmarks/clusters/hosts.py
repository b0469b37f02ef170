"""Two hosts on one machine, and a link between them that can be cut: network namespaces of Linux."""

from __future__ import annotations

import subprocess

ADDRESS = "10.77.0.1"
_PLACES = {"one": ADDRESS, "two": "10.77.0.2"}


class Hosts:
    """Hosts "one", at `ADDRESS`, and "two", each plugged into a switch.

    A cut takes packets away without a word, as a broken switch does: neither host is told.
    """

    def __init__(self) -> None:
        try:
            for name in ("switch", *_PLACES):
                _ip(f"netns add {_space(name)}")
                _ip(f"-n {_space(name)} link set lo up")
            _ip(f"-n {_space('switch')} link add hub type bridge")
            _ip(f"-n {_space('switch')} link set hub up")
            for name, address in _PLACES.items():
                _ip(f"link add {name} netns {_space('switch')} type veth peer name net netns {_space(name)}")
                _ip(f"-n {_space('switch')} link set {name} master hub up")
                _ip(f"-n {_space(name)} addr add {address}/24 dev net")
                _ip(f"-n {_space(name)} link set net up")
            self.restore()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def on(name: str) -> list[str]:
        """Return the words before a command that is to run on a host."""
        return ["ip", "netns", "exec", _space(name)]

    def cut(self) -> None:
        """Let no packet through from now on."""
        self._isolate("on")

    def restore(self) -> None:
        """Let packets through again."""
        self._isolate("off")

    def _isolate(self, how: str) -> None:
        for name in _PLACES:
            _ip(f"-n {_space('switch')} link set {name} type bridge_slave isolated {how}")

    def close(self) -> None:
        """Take the hosts away."""
        for name in ("switch", *_PLACES):
            subprocess.run(["ip", "netns", "del", _space(name)], capture_output=True)


def hosts_can_be_made() -> bool:
    """Tell whether this machine lets us make hosts: Linux, as root."""
    try:
        Hosts().close()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _space(name: str) -> str:
    return f"goodfit-{name}"


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], capture_output=True, check=True)
