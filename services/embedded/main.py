"""`make run`: starts the whole system, says where it is, and ends it in order."""

import argparse
import asyncio
import signal
import sys
import time

from pydantic import ValidationError

from services.embedded.settings import Settings
from services.embedded.system import CannotStart, ChildDied, System

EPILOG = """settings (environment variables):
  HONGYAN_PORT           where the gateway listens (8080)
  HONGYAN_HOME           data, keys, mail and logs (.hongyan)
  HONGYAN_DATABASE_URL   an own MariaDB or MySQL, mysql://user:password@host:3306/name
  HONGYAN_REDIS_NODES    an own Redis Cluster, host:port,host:port
  HONGYAN_SMTP_URL       a mail server, smtp://user:password@host:587?starttls=true
  HONGYAN_OTLP_ENDPOINT  where traces go, http://127.0.0.1:4317
The README has all of them."""


def ready_text(system: System, seconds: float) -> str:
    """Says where things are and what to try."""
    return f"""
Hongyan 鸿雁 is ready after {seconds:.1f} s.

  gateway   {system.address}    (REST, gRPC and the session stream)
  mail      {system.mail_folder}    (codes land here as .eml files)
  logs      {system.log("chat").parent}

Try, in another terminal:
  source .venv/bin/activate
  hongyan --address {system.address} --profile ling register
  hongyan --address {system.address} --profile ling me

Ctrl-C ends everything."""


async def run(settings: Settings) -> None:
    """Runs the system until SIGINT or SIGTERM; a second signal ends it at once."""
    started = time.perf_counter()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    system = System(settings, say=lambda text: print(f"· {text}", flush=True))
    main = asyncio.create_task(_serve(system, started))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((main, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not main.done():
        main.cancel()  # while starting; once it serves it has seen the signal itself
        print("\nending …", flush=True)
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait((main, hurried), return_when=asyncio.FIRST_COMPLETED)
    if not main.done():
        await system.kill_all()
    stopped.cancel()
    hurried.cancel()
    try:
        await main
    except asyncio.CancelledError:
        print("ended.", flush=True)


async def _serve(system: System, started: float) -> None:
    async with system:
        print(ready_text(system, time.perf_counter() - started), flush=True)
        await system.watch()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make run",
        description="Runs Hongyan on this machine: Valkey, the four services and Envoy.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        asyncio.run(run(Settings()))
    except* (CannotStart, ChildDied) as group:
        error = group.exceptions[0]
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        sys.exit(f"\nhongyan: {error}")
    except* ValidationError as group:
        sys.exit(f"\nhongyan: a setting is wrong:\n{group.exceptions[0]}")


if __name__ == "__main__":
    main()
