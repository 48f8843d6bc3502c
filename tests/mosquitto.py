"""The MQTT broker Mosquitto for the tests: ``python -m tests.mosquitto`` installs it, as root."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

__all__ = ["Broker", "Missing", "executable"]

PACKAGE = "mosquitto"
UP_S = 20


class Missing(Exception):  # noqa: N818 - what is missing, not what went wrong
    """There is no Mosquitto here; the text says what to do."""


def executable():
    """Path of the broker, and that of its tool for passwords."""
    where = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = [shutil.which(name, path=where) for name in ("mosquitto", "mosquitto_passwd")]
    if None in found:
        raise Missing(f"The tests of MQTT need Mosquitto: apt-get install {PACKAGE}")
    return found


class Broker:
    """A broker on 127.0.0.1 with one user; to be stopped, killed, frozen and begun again."""

    username, password = "alatau", "open sesame"

    def __init__(self, folder, tls=None):
        """`tls` is a pair of files: certificate and key."""
        self._folder = folder
        self._mosquitto, passwd = executable()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secrets = folder / "passwords"
        command = [passwd, "-b", "-c", str(secrets), self.username, self.password]
        subprocess.run(command, check=True, capture_output=True)
        secrets.chmod(0o644)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {secrets}",
            "persistence false",
            f"user {'root' if os.geteuid() == 0 else 'mosquitto'}",
        ]
        if tls is not None:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._mosquitto, "-c", str(self._config)], stdout=log, stderr=log
            )
        deadline = time.monotonic() + UP_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self._process.poll() is not None:
                    raise Missing((self._folder / "mosquitto.log").read_text()) from None
                time.sleep(0.02)
            else:
                return
        raise Missing(f"Mosquitto did not listen within {UP_S} s")

    def kill(self):
        if self._process is not None:
            self._process.kill()  # a frozen one too: it must not wake up and acknowledge first
            self._process.wait()
            self._process = None

    def freeze(self):
        """Let it live, but answer nothing."""
        self._process.send_signal(signal.SIGSTOP)


def main():
    """Install; exit code 1, and why, if there is no broker to be had."""
    try:
        executable()
    except Missing:
        if os.geteuid() == 0 and shutil.which("apt-get") is not None:
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for command in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
                subprocess.run(["apt-get", "--quiet", *command], env=quiet, check=False)  # noqa: S607
    try:
        found, _ = executable()
    except Missing as missing:
        print(f"NO MOSQUITTO FOR THE TESTS: {missing}", file=sys.stderr)
        return 1
    print(f"Mosquitto is {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
