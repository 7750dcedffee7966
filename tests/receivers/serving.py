"""Serves a Flask app on a free loopback port and prints the port, for the test that started it."""
import logging

from werkzeug.serving import make_server


def serve(app):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
