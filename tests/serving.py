"""A web server on this machine, as small as one on the internet would be fast: it compresses."""

import functools
import gzip
import http.server
import threading
from contextlib import contextmanager

PACKED = (".html", ".css", ".js", ".svg", ".json")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing, and sends texts compressed."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = self.translate_path(self.path)
        if not path.endswith(PACKED):
            return super().do_GET()
        try:
            with open(path, "rb") as file:
                content = gzip.compress(file.read(), mtime=0)
        except OSError:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def served(folder):
    """The address at which the files of a folder are served."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
