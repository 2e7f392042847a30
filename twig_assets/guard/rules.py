"""What a guarded server is never asked: by its paths, and by the form of a request that changes something.

Dagster executes a GraphQL mutation that stands in an address, and records materializations and check results that do;
a form or a picture on any page can send those, since a browser asks nobody before it does.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from twig_assets.guard.origin import READING, Refusal

LARGEST_BODY = 32 << 20


@dataclass(frozen=True)
class Rules:
    """The rules for one server.

    Attributes:
        name: What people call it.
        graphql: The paths that execute GraphQL.
        closed: Beginnings of paths that nobody here needs and that are not answered.
        files: Beginnings of paths that take files, of any type and size.
        methods: Those that it knows.
    """

    name: str
    graphql: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    methods: tuple[str, ...] = (*READING, "POST")

    def refusal(self, method: str, path: str, query: bytes, headers: Headers) -> Refusal | None:
        """Refuse a request for its form.

        Args:
            method: Of the request.
            path: Decoded, from the root.
            query: What follows the question mark.
            headers: Of the request.
        """
        if method not in self.methods:
            return Refusal(405, f"{self.name} is not asked with {method[:10]} here.")
        if self.closes(path):
            return Refusal(403, f"{self.name} does not take this here; SECURITY.md in twig-assets says why.")
        if path.rstrip("/") in self.graphql and b"query" in parse_qs(query, keep_blank_values=True):
            return Refusal(405, "GraphQL is taken from the body of a POST, never from an address.")
        return None if method in READING else self._refused_body(method, path, headers)

    def closes(self, path: str) -> bool:
        """Whether a path is not answered at all."""
        return _below(path, self.closed)

    def takes_files(self, path: str) -> bool:
        """Whether a path takes files, which are passed on as they come."""
        return _below(path, self.files)

    def _refused_body(self, method: str, path: str, headers: Headers) -> Refusal | None:
        length = headers.get("content-length")
        if self.takes_files(path):
            return None
        if length is None and "transfer-encoding" not in headers:
            length = "0"
        if length == "0" and method != "DELETE":
            return Refusal(400, "A request that changes something needs a body.")
        if length is not None and length.isdecimal() and int(length) > LARGEST_BODY:
            return Refusal(413, f"More than {LARGEST_BODY >> 20} MiB are not taken.")
        types = headers.getlist("content-type")
        if (length == "0" and not types) or [_essence(kind) for kind in types] == ["application/json"]:
            return None
        return Refusal(415, "A request that changes something has to be of the type application/json.")


def _below(path: str, beginnings: tuple[str, ...]) -> bool:
    return any(path == start or path.startswith(f"{start}/") for start in beginnings)


def _essence(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()


# What happened to an asset is told by its runs alone; the three paths let anybody say that a check has passed.
DAGSTER = Rules(
    "Dagster",
    graphql=("/graphql",),
    closed=("/report_asset_materialization", "/report_asset_check", "/report_asset_observation"),
)
# The assistant runs commands on this machine, the gateway spends money at other places, jobs run code.
MLFLOW = Rules(
    "MLflow",
    graphql=("/graphql",),
    closed=(
        "/ajax-api/3.0/mlflow/assistant",
        "/ajax-api/2.0/mlflow/gateway-proxy",
        "/ajax-api/3.0/jobs",
        "/gateway",
    ),
    files=(
        "/ajax-api/2.0/mlflow-artifacts/artifacts",
        "/ajax-api/2.0/mlflow/upload-artifact",
        "/api/2.0/mlflow-artifacts/artifacts",
        "/v1/traces",
    ),
    methods=(*READING, "POST", "PUT", "PATCH", "DELETE"),
)
