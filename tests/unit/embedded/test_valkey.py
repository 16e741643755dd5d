"""The embedded Redis is a real cluster of one node, on loopback, that can be killed."""

import asyncio

import psutil
from redis.asyncio.cluster import RedisCluster

from services.embedded.children import Child
from services.embedded.ports import free_pair
from services.embedded.valkey import cluster_ready, make_valkey


async def until_ready(port: int) -> None:
    async with asyncio.timeout(15):
        while not await cluster_ready(port):
            await asyncio.sleep(0.02)


async def test_it_is_a_cluster_that_comes_back_after_a_kill_without_its_data(tmp_path):
    port = free_pair()
    child: Child = make_valkey(port, tmp_path / "valkey", tmp_path / "log")
    await child.start()
    try:
        await until_ready(port)
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(child.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        async with RedisCluster(host="127.0.0.1", port=port, decode_responses=True) as client:
            await client.set("{user:1}", "here")
            assert await client.get("{user:1}") == "here"
        await child.kill()
        assert not await cluster_ready(port)
        await child.start()
        await until_ready(port)
        async with RedisCluster(host="127.0.0.1", port=port, decode_responses=True) as client:
            assert await client.get("{user:1}") is None
    finally:
        await child.kill()
