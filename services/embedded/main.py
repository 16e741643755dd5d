"""`make run`: starts the whole system, says where it is, and ends it in order."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time

from pydantic import ValidationError

from services.embedded.children import signal_at_death_of
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


def say(text: str) -> None:
    """Prints at once; a terminal that is gone is no reason to stop in the middle."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def ready_text(system: System, settings: Settings, seconds: float) -> str:
    """Says where things are and what to try."""
    mail = f"{system.mail_folder}    (codes land here as .eml files)"
    if settings.smtp_url.get_secret_value():
        mail = f"sent by HONGYAN_SMTP_URL, from {settings.mail_from}"
    return f"""
Hongyan 鸿雁 is ready after {seconds:.1f} s.

  gateway   {system.address}    (REST, gRPC and the session stream)
  mail      {mail}
  logs      {system.log("chat").parent}

Try, in another terminal:
  source .venv/bin/activate
  hongyan --address {system.address} --profile ling register
  hongyan --address {system.address} --profile ling me
or:
  curl {system.address}/v1/verification-codes \\
    -d '{{"email": "mei@example.org", "purpose": "CODE_PURPOSE_REGISTER"}}'

Ctrl-C ends everything; the next run finds it all again."""


async def run(settings: Settings) -> None:
    """Runs the system until SIGINT, SIGTERM or SIGHUP; a second one ends it at once.

    Raises CannotStart or ChildDied when it could not start or a process has died.
    """
    started = time.perf_counter()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    system = System(settings, say=lambda text: say(f"· {text}"))

    async def serve() -> None:
        async with system:
            say(ready_text(system, settings, time.perf_counter() - started))
            await system.watch()

    main = asyncio.create_task(serve())
    stopped, hurried = asyncio.create_task(stop.wait()), asyncio.create_task(hurry.wait())
    await asyncio.wait((main, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not main.done():
        say("\nending … (once more to end at once)")
        main.cancel()
        await asyncio.wait((main, hurried), return_when=asyncio.FIRST_COMPLETED)
        if not main.done():
            await system.kill_all()
    stopped.cancel()
    hurried.cancel()
    try:
        await main
    except asyncio.CancelledError:
        say("ended.")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make run",
        description="Runs Hongyan on this machine: Valkey, the four services and Envoy.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--end-with-parent",
        action="store_true",
        help="end when the caller, such as make, is killed",
    )
    if parser.parse_args().end_with_parent:
        signal_at_death_of(os.getppid(), signal.SIGTERM)
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = (f"HONGYAN_{e['loc'][0]}".upper() + f": {e['msg']}" for e in error.errors())
        sys.exit("\nhongyan: a setting is wrong:\n" + "\n".join(f"  {line}" for line in wrong))
    try:
        asyncio.run(run(settings))
    except (CannotStart, ChildDied) as error:
        sys.exit(f"\nhongyan: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
