#!/usr/bin/env python3
"""Makes the small store of one format that `tests/front_door/formats.rs` opens, and writes down what is in it.

    tests/stores/make.py BINARY DIRECTORY

BINARY is a `mythichooks` of the release that writes the format, DIRECTORY e.g. `tests/stores/format-2`. It gets
`data.tar.gz`, the data directory of a server that was stopped, `backup`, which that server made before, and
`contents.json`, what its API said last. Needs Python 3 alone. Run it once, when a format is released: a fixture that
is made anew proves nothing.
"""

import http.server
import json
import pathlib
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request

LISTS = ["endpoints", "events", "deliveries", "event-types", "tokens", "audit-log"]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers what the path says: `/200`, `/503`; `/flaky` fails the first request of each event."""

    protocol_version = "HTTP/1.1"
    seen = set()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        code = 200
        if self.path == "/flaky":
            event = self.headers["webhook-id"]
            code = 200 if event in self.seen else 500
            self.seen.add(event)
        elif self.path != "/long":
            code = int(self.path[1:])
        body = b"a long answer. " * 250 if self.path == "/long" else b"an answer"
        self.send_response(code)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Api:
    def __init__(self, base, token):
        self.base, self.token = base, token

    def __call__(self, method, path, body=None, headers=()):
        text = self.raw(method, path, body, headers)
        return json.loads(text) if text else None

    def raw(self, method, path, body=None, headers=()):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        request.add_header("authorization", "Bearer " + self.token)
        if data:
            request.add_header("content-type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def all(self, name):
        return self("GET", f"/v1/{name}?limit=500")["data"]


def wait_for(what, condition):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"did not happen: {what}")
        time.sleep(0.05)


def fill(api, receiver):
    """Something of everything that is stored."""
    url = f"http://127.0.0.1:{receiver}"

    def endpoint(path, types, **more):
        return api("POST", "/v1/endpoints", {"url": url + path, "event_types": types, **more})

    def event(kind, more=(), headers=(), **fields):
        body = {"type": kind, "data": {"object": {"kind": kind, "price": 1, **dict(more)}}, **fields}
        # A number whose digits a parser would not keep.
        text = json.dumps(body).replace('"price": 1', '"price":  1.1000000000000000055e0')
        return api("POST", "/v1/events", text.encode(), headers)["id"]

    api("POST", "/v1/event-types", {"name": "invoice.paid", "description": "An invoice was paid.",
        "example": {"id": "in_1"}, "schema": {"type": "object"}, "enforce_schema": True})
    good = endpoint("/200", ["batch.*", "invoice.paid"], description="takes all", metadata={"team": "a"},
        headers={"X-Own": "yes"}, max_in_flight=2)
    endpoint("/flaky", ["fine_tuning.job.created"], retry_schedule=["200ms", "1h"])
    failing = endpoint("/503", ["fine_tuning.job.failed"], retry_schedule=["100ms", "100ms"])
    endpoint("/500", ["fine_tuning.job.succeeded"], retry_schedule=["1h", "2h"], ordered=True)
    paused = endpoint("/200", ["usage.threshold.reached"], rate_limit=10)
    api("PATCH", f"/v1/endpoints/{paused['id']}", {"status": "paused"})
    endpoint("/long", ["batch.completed"], account="acme")
    deleted = endpoint("/200", ["batch.failed"])
    api("POST", f"/v1/endpoints/{good['id']}/rotate-secret", {"overlap": "24h"})
    api("POST", "/v1/tokens", {"name": "billing", "role": "ingest"})
    api("POST", "/v1/tokens", {"name": "support", "role": "read", "account": "acme", "expires_in": "90d"})

    sample = event("batch.failed", more={"wide": ""}.items())
    sample = api("GET", f"/v1/deliveries?event_id={sample}")["data"][0]["id"]
    length = len(api("GET", f"/v1/deliveries/{sample}")["payload"])

    def wide(kind):
        """A body so near to 6,000 bytes that it lies in its event's row and leaves no room for the list of endpoints."""
        return {"wide": "w" * (5_995 - length - 2 * (len(kind) - len("batch.failed")))}.items()

    for kind in ["batch.completed", "batch.failed", "fine_tuning.job.created", "fine_tuning.job.succeeded",
                 "fine_tuning.job.failed", "usage.threshold.reached", "invoice.paid"]:
        event(kind, more=wide(kind) if kind in ["batch.failed", "usage.threshold.reached"] else ())
    event("batch.completed", id="evt_of_a_producer", created=1706140800)
    event("batch.completed", headers=[("Idempotency-Key", "key-1")])
    event("batch.completed", account="acme")
    event("batch.completed", more={"large": "0123456789" * 1_500}.items())
    event("usage.threshold.reached", more={"large": "abcdefghij" * 800}.items())
    api("POST", "/v1/events/batch", {"events": [{"type": "batch.failed", "data": {"object": {"n": n}}} for n in range(3)]})

    def settled():
        wanted = {"/500": "pending", "/503": "failed", "/flaky": "delivered"}
        of = {one["id"]: one["url"].removeprefix(url) for one in api.all("endpoints")}
        for delivery in api.all("deliveries"):
            if delivery["endpoint_id"] == paused["id"]:
                continue
            if delivery["status"] != wanted.get(of.get(delivery["endpoint_id"]), "delivered"):
                return False
            if delivery["attempts_made"] == 0:
                return False
        return True

    wait_for("all came to rest", settled)
    made = len(api.all("deliveries"))
    api("DELETE", f"/v1/endpoints/{deleted['id']}")
    failed = api("GET", f"/v1/deliveries?status=failed&endpoint_id={failing['id']}")["data"][0]
    api("POST", f"/v1/deliveries/{failed['id']}/retry")
    wait_for("the manual retry", lambda: api("GET", f"/v1/deliveries/{failed['id']}")["attempts_made"] == 4)
    api("POST", f"/v1/endpoints/{good['id']}/test", {"type": "batch.failed"})
    api("POST", f"/v1/endpoints/{good['id']}/replay", {"since": "2020-01-01T00:00:00Z", "select": "missed",
        "event_types": ["batch.completed"]})
    held = api("GET", f"/v1/deliveries?status=pending&endpoint_id={paused['id']}")["data"]
    api("POST", f"/v1/deliveries/{held[0]['id']}/cancel")
    wait_for("the test", lambda: len(api.all("deliveries")) > made and settled_but_pending(api))
    # The minute's counts are written with the first batch of a later second.
    time.sleep(1.1)
    api("POST", "/v1/tokens", {"name": "the last change", "role": "read"})


def settled_but_pending(api):
    return all(one["attempts_made"] > 0 or one["status"] != "delivered" for one in api.all("deliveries"))


def contents(api):
    """All that the API tells, in full."""
    said = {name: api.all(name) for name in LISTS}
    secrets = {one["id"]: api("GET", f"/v1/endpoints/{one['id']}/secret")["secret"] for one in said["endpoints"]}
    # Those looks are in it too.
    said["audit-log"] = api.all("audit-log")
    for name in ["endpoints", "events", "deliveries"]:
        said[name] = [api("GET", f"/v1/{name}/{one['id']}") for one in said[name]]
    for endpoint in said["endpoints"]:
        endpoint["secret"] = secrets[endpoint["id"]]
    for delivery in said["deliveries"]:
        # Made anew at each look: of the time, and of the release.
        for name in ["webhook-timestamp", "webhook-signature", "user-agent"]:
            delivery["request_headers"] = {key: value for key, value in delivery["request_headers"].items()
                if key.lower() != name}
    said["totals"] = api("GET", "/v1/stats")["totals"]
    said["made_at_ms"] = int(time.time() * 1000)
    return said


def main(binary, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        data, listen = scratch / "data", scratch / "listen"
        server = subprocess.Popen([binary, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--listen-file",
            listen, "--allow-http", "--allow-network", "127.0.0.0/8", "--log-level", "warn"])
        try:
            wait_for("the server listens", lambda: listen.exists() and listen.read_text().strip())
            api = Api("http://" + listen.read_text().strip(), (data / "admin-token").read_text().strip())
            fill(api, receiver.server_port)
            said = contents(api)
            (directory / "backup").write_bytes(api.raw("GET", "/v1/backup"))
            # The backup is in it, and in itself.
            said["audit-log"] = api.all("audit-log")
            said["admin_token"] = api.token
        finally:
            server.send_signal(signal.SIGTERM)
            if server.wait() != 0:
                sys.exit("the server did not stop well")
        subprocess.run([binary, "verify", "--data-dir", data], check=True)
        said["manifest"] = (data / "store" / "manifest").read_text()
        (directory / "contents.json").write_text(json.dumps(said, indent=1) + "\n")
        with tarfile.open(directory / "data.tar.gz", "w:gz") as archive:
            archive.add(data, "data", filter=lambda entry: None if entry.name == "data/lock" else entry)
    for path in sorted(directory.iterdir()):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
