"""A mail server for tests, and what arrived at it as JSON.

refused@ is refused for good (550), deferred@ is put off (451) until it is let in, held@ is taken and answered only when let go.
"""

import email
import email.policy
import http.server
import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

messages = []
let_in = threading.Event()
let_go = threading.Event()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return f"550 no such user as {address}"
        if address.startswith("deferred@") and not let_in.is_set():
            return f"451 {address} is asked to wait"
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)

        def body(kind):
            part = message.get_body(preferencelist=(kind,))
            return part.get_content() if part else None

        messages.append(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "subject": message["subject"],
                "message_id": message["message-id"],
                "text": body("plain"),
                "html": body("html"),
                "encrypted": session.ssl is not None,
                "signed_in": bool(session.authenticated),
                "raw": envelope.content.decode("utf8", "replace"),
            }
        )
        if any(address.startswith("held@") for address in envelope.rcpt_tos):
            await server.loop.run_in_executor(None, let_go.wait)
        return "250 kept"


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = json.dumps(messages).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_POST(self):
        {"/let-in": let_in, "/let-go": let_go}[self.path].set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def protection(certificate, key):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": lambda server, session, envelope, mechanism, data: AuthResult(
            success=(data.login, data.password) == (b"etui", b"hands in"), handled=False
        ),
    }


smtp_port, api_port, *files = sys.argv[1:]
controller = Controller(
    Handler(), hostname="127.0.0.1", port=int(smtp_port), **(protection(*files) if files else {})
)
controller.start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(api_port)), Api).serve_forever()
