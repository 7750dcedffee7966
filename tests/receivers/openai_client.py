"""A receiver that verifies with the `openai` package: `client.webhooks.unwrap(body, headers)`."""
import os

from flask import Flask, abort, jsonify, request
from openai import InvalidWebhookSignatureError, OpenAI
from serving import serve

client = OpenAI(api_key="unused", webhook_secret=os.environ["SECRET"])
app = Flask(__name__)
seen, refused = [], 0


@app.post("/webhooks")
def webhooks():
    global refused
    try:
        event = client.webhooks.unwrap(request.get_data(), request.headers)
    except (InvalidWebhookSignatureError, ValueError):
        refused += 1
        abort(401)
    seen.append(event.id)
    return "", 204


@app.post("/switch")
def switch():
    client.webhook_secret = request.get_data(as_text=True)
    return "", 204


@app.get("/seen")
def report():
    return jsonify(seen=seen, refused=refused)


serve(app)
