#!/usr/bin/env python3
"""A slow link on loopback: what goes through arrives late, and no faster than the rate of its direction.

slow_link.py LISTEN_PORT TARGET_PORT ONE_WAY_MS MBIT_PER_S
"""

import asyncio
import sys
import time

READ_BYTES = 16384
QUEUED_READS = 256
# A timer rings late now and then; what was lost so is caught up, and no more than that.
CATCH_UP_S = 0.05


class Direction:
    """All connections share one rate: each piece is given the moment when its last bit has gone."""

    def __init__(self, bytes_per_s):
        self.bytes_per_s = bytes_per_s
        self.free_at = 0.0

    def sent_at(self, count):
        self.free_at = max(self.free_at, time.monotonic() - CATCH_UP_S) + count / self.bytes_per_s
        return self.free_at


async def carry(reader, writer, direction, delay_s):
    """Two halves with a queue between them: the delay holds nothing up, the rate does."""
    queue = asyncio.Queue(QUEUED_READS)

    async def deliver():
        while True:
            due, piece = await queue.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    delivering = asyncio.create_task(deliver())
    try:
        while True:
            piece = await reader.read(READ_BYTES)
            sent_at = direction.sent_at(len(piece))
            await queue.put((max(sent_at, time.monotonic()) + delay_s, piece))
            if not piece:
                break
            await asyncio.sleep(max(0.0, sent_at - time.monotonic()))
        await delivering
    except OSError:
        delivering.cancel()


async def main(listen_port, target_port, one_way_ms, mbit_per_s):
    up, down = Direction(mbit_per_s * 125_000), Direction(mbit_per_s * 125_000)
    delay_s = one_way_ms / 1000

    async def accept(reader, writer):
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target_port)
        await asyncio.gather(
            carry(reader, there_writer, up, delay_s),
            carry(there_reader, writer, down, delay_s),
        )
        there_writer.close()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", listen_port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
