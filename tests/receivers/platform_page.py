"""The receiver of the platform's own page: Flask, and an HMAC of the raw body under the whole secret.

The two lines that verify are the page's. `/switch` and `/seen` let a test change the secret and read what was accepted.
"""
import hmac
import os
from hashlib import sha256

from flask import Flask, abort, jsonify, request
from serving import serve

SECRET = os.environ["SECRET"]
app = Flask(__name__)
seen, refused = [], 0


@app.post("/webhooks")
def webhooks():
    global refused
    signature = request.headers.get("X-MythicDot-Signature", "")
    expected = hmac.new(SECRET.encode(), request.get_data(), sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        refused += 1
        abort(401)
    seen.append(request.get_json()["id"])
    return "", 204


@app.post("/switch")
def switch():
    global SECRET
    SECRET = request.get_data(as_text=True)
    return "", 204


@app.get("/seen")
def report():
    return jsonify(seen=seen, refused=refused)


serve(app)
