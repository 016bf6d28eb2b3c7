"""The requesting end of the connection, and the checks of what comes back."""

import json
import secrets
import sys

import zmq

REPLY_TIMEOUT_MS = 120_000

checks_passed = 0


def fail(name: str, expected, got):
    print(f"FAILED {name}\n  expected {expected}\n  got      {got}", flush=True)
    sys.exit(1)


def check(name: str, got, expected=True):
    """Compares as JSON, so that 1, 1.0 and true are three different values; the order of members does not matter."""
    global checks_passed
    as_text = [json.dumps(value, sort_keys=True, ensure_ascii=False) for value in (expected, got)]
    if as_text[0] != as_text[1]:
        fail(name, *as_text)
    checks_passed += 1
    print("ok", name, flush=True)


# --- The connection: ZeroMQ, one JSON object per frame, one reply for each request, matched by `id` -------------------


class Core:
    def __init__(self, endpoint: str, dialect: str):
        self.p2p = dialect == "enigma-p2p"
        self.last_id = 0
        self.socket = zmq.Context.instance().socket(zmq.REQ)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, REPLY_TIMEOUT_MS)
        self.socket.connect(endpoint)

    def exchange(self, *frames: bytes) -> list:
        """Sends one message and returns the frames of the reply, decoded."""
        self.socket.send_multipart(frames)
        try:
            return [json.loads(frame.decode("utf-8")) for frame in self.socket.recv_multipart()]
        except zmq.Again:
            fail("the core answers", "a reply", f"none within {REPLY_TIMEOUT_MS} ms to {frames[0][:200]!r}")

    def ask(self, message_type: str, **members) -> dict:
        """Sends a request and returns the whole reply, which must carry the request's id."""
        self.last_id += 1
        request = {"id": f"walk-{self.last_id}", "type": message_type, **members}
        reply = self.exchange(json.dumps(request).encode())[0]
        if reply.get("id") != request["id"]:
            fail(f"the reply to {message_type} carries its id", request["id"], reply)
        return reply

    # Peers read two dialects of the same protocol: the published document's, and that of the archived enigma-p2p node.

    def reply(self, message_type: str, result: dict) -> dict:
        """The reply to the last request."""
        return {"id": f"walk-{self.last_id}", "type": message_type, "result": result}

    def write_reply(self, message_type: str, result: dict, **members) -> dict:
        """As `reply`, for a write to the database: enigma-p2p looks for the status beside `result`, not inside."""
        mirrored = result if self.p2p else {}
        return {**self.reply(message_type, result), **mirrored, **members}

    def error(self, message_id, request_type, message: str) -> dict:
        """An error reply; `request_type` is None where the request did not tell it."""
        if not self.p2p:
            return {"id": message_id, "type": request_type or "Error", "msg": message}
        return {
            "id": message_id,
            "type": "Error",
            "msg": message,
            "error": message,
            "requestType": request_type or "Error",
        }

    def check_error(self, name: str, reply: dict, request_type, text: str = "", about: str = "", message_id=None):
        """Checks that a reply is an error: with exactly this text, or with one of the core's own that names `about`."""
        message = reply.get("msg")
        if not isinstance(message, str) or not message or (text and message != text) or about not in message:
            fail(name, text or f"an error about {about!r}", reply)
        message_id = f"walk-{self.last_id}" if message_id is None else message_id
        check(name, reply, self.error(message_id, request_type, message))

    def refuses(self, name: str, message_type: str, text: str = "", about: str = "", **members):
        self.check_error(name, self.ask(message_type, **members), message_type, text, about)


def enclave_error(kind: str) -> str:
    return f"Error inside the Enclave = ({kind})"


def missing(command: str, address: str) -> str:
    return f"Error while trying to {command}, Because: The following Key doesn't exist: {address}"


def new_address() -> str:
    """A contract's address: 32 bytes. On the wire, what is not a list of numbers is lower-case hex without 0x."""
    return secrets.token_hex(32)


def octets(data: bytes) -> list:
    """Code and deltas travel as lists of numbers."""
    return list(data)
