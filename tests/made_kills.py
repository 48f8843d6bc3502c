"""A log whose user dies at its n-th word to it, before or after the word is done."""


class Killed(BaseException):
    """The end of a process: nothing that catches errors catches it."""


class Steps:
    """Counts what is done, and kills at one of the steps.

    `whole` counts them all without killing.
    """

    def __init__(self, kill_at=None, *, after=False):
        self.done = 0
        self.dead = False
        self._kill_at = kill_at
        self._after = after

    async def take(self, doing):
        if self.dead:
            doing.close()
            raise Killed
        self.done += 1
        is_last = self.done == self._kill_at
        if is_last and not self._after:
            self.dead = True
            doing.close()
            raise Killed
        result = await doing
        if is_last:
            self.dead = True
            raise Killed
        return result


class DeadlyLog:
    """What is said to the log counts as steps."""

    def __init__(self, log, steps):
        self._log, self._steps = log, steps

    def partitions(self, topic):
        return self._log.partitions(topic)

    async def append(self, outputs):
        await self._steps.take(self._log.append(outputs))

    async def read(self, *where):
        return await self._steps.take(self._log.read(*where))

    async def begin(self, *where):
        return await self._steps.take(self._log.begin(*where))

    async def end(self, *where):
        return await self._steps.take(self._log.end(*where))

    async def offset_for_time(self, *where):
        return await self._steps.take(self._log.offset_for_time(*where))

    async def committed(self, *where):
        return await self._steps.take(self._log.committed(*where))

    async def wait(self, seconds):
        await self._log.wait(seconds)

    async def join(self, group, topic):
        return DeadlyMember(await self._steps.take(self._log.join(group, topic)), self._steps)


class DeadlyMember:
    def __init__(self, member, steps):
        self._member, self._steps = member, steps

    def turns(self):
        return self._member.turns()

    def seek(self, partition, offset):
        self._member.seek(partition, offset)

    def behind(self, partition):
        return self._member.behind(partition)

    async def read(self, limit, seconds):
        return await self._steps.take(self._member.read(limit, seconds))

    async def commit(self, positions):
        return await self._steps.take(self._member.commit(positions))

    async def leave(self):
        await self._steps.take(self._member.leave())
