"""Makes proto/gen from the contract: `make proto`; with --check says whether it is up to date."""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import grpc_tools
from google.protobuf import (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
)

PROTO = Path(__file__).resolve().parent
GEN = PROTO / "gen"
# protovalidate ships its rules compiled only; protoc takes them as a descriptor set.
RULES = "buf/validate/validate.proto"
# The gateway shows errors as JSON only if it knows the types of their details.
ERRORS = "google/rpc/error_details.proto"
SERVICE = re.compile(r"^service ", re.MULTILINE)


def write_rules(path: Path) -> None:
    """Writes the descriptor set of buf.validate, taken from the protovalidate package."""
    from protovalidate._gen.buf.validate import validate_pb  # noqa: PLC0415

    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, timestamp_pb2, field_mask_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    path.write_bytes(files.SerializeToString())


def protoc(rules: Path, *arguments: str) -> None:
    """Runs protoc with the contract, Google's API protos and the rules on its path."""
    bin_folder = Path(sys.executable).parent
    google_api = metadata.distribution("googleapis-common-protos").locate_file("")
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"--descriptor_set_in={rules}",
        f"-I{PROTO}",
        f"-I{google_api}",
        f"-I{well_known}",
        *arguments,
    ]
    path = f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(command, check=True, env=os.environ | {"PATH": path})


def contract_files() -> list[str]:
    """Lists the contract's files, as imports name them."""
    return sorted(str(file.relative_to(PROTO)) for file in PROTO.glob("hongyan/**/*.proto"))


def generate(out: Path) -> None:
    """Writes everything that is generated into an empty folder."""
    contract = contract_files()
    services = [file for file in contract if SERVICE.search((PROTO / file).read_text())]
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "rules.binpb"
        write_rules(rules)
        protoc(rules, f"--python_out={out}", f"--mypy_out=quiet:{out}", *contract, RULES)
        protoc(rules, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}", *services)
        protoc(rules, f"--grpclib_python_out={out}", *services)
        protoc(
            rules,
            "--include_imports",
            f"--descriptor_set_out={out}/hongyan.binpb",
            *contract,
            ERRORS,
        )


def write_lint_set(path: Path) -> None:
    """Writes what buf lints: the contract with its comments, and all that it imports."""
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "rules.binpb"
        write_rules(rules)
        protoc(
            rules,
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={path}",
            *contract_files(),
        )


def same(left: Path, right: Path) -> list[str]:
    """Lists the files in which two folders differ."""
    files = {
        str(file.relative_to(root))
        for root in (left, right)
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    _, different, missing = filecmp.cmpfiles(left, right, sorted(files), shallow=False)
    return different + missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--lint-set", type=Path, help="write only the descriptor set for buf lint")
    arguments = parser.parse_args()
    if arguments.lint_set:
        write_lint_set(arguments.lint_set)
        return
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        if arguments.check:
            if stale := same(fresh, GEN):
                sys.exit(f"proto/gen is not what the contract gives; run make proto: {stale}")
            return
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)


if __name__ == "__main__":
    main()
