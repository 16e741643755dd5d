"""The services. Before any of them loads gRPC: how gRPC is to wait for its sockets."""

import os

# gRPC's newer event engine hands each frame from thread to thread; with its older poller a message
# at a low rate costs a twentieth less. A gRPC that has forgotten a name says so, and goes on.
os.environ.setdefault(
    "GRPC_EXPERIMENTS",
    ",".join(
        f"-event_engine_{part}"
        for part in ("client", "listener", "callback_cq", "for_all_other_endpoints")
    ),
)
