"""Logs that fail when they are told to."""


class Stopped(Exception):  # noqa: N818 - the end of a process, not an error of the log
    pass


class FailingLog:
    """A log that stops its user at the next append or commit, as a crash would."""

    def __init__(self, log):
        self._log = log
        self.commit_fails = False
        self.append_only = None

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def append(self, outputs):
        if self.append_only is not None and outputs:
            written, self.append_only = self.append_only, None
            await self._log.append(outputs[:written])
            raise Stopped
        await self._log.append(outputs)

    async def join(self, group, topic):
        return FailingMember(self, await self._log.join(group, topic))


class FailingMember:
    def __init__(self, log, member):
        self._log = log
        self._member = member

    def __getattr__(self, name):
        return getattr(self._member, name)

    async def commit(self, positions):
        if self._log.commit_fails:
            self._log.commit_fails = False
            raise Stopped
        return await self._member.commit(positions)
