"""A receiver that verifies with the `standardwebhooks` package, as its documentation shows."""
import os

from flask import Flask, abort, jsonify, request
from serving import serve
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

secret = os.environ["SECRET"]
app = Flask(__name__)
seen, refused = [], 0


@app.post("/webhooks")
def webhooks():
    global refused
    try:
        event = Webhook(secret).verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        refused += 1
        abort(401)
    seen.append(event["id"])
    return "", 204


@app.post("/switch")
def switch():
    global secret
    secret = request.get_data(as_text=True)
    return "", 204


@app.get("/seen")
def report():
    return jsonify(seen=seen, refused=refused)


serve(app)
