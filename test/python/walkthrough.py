"""A walk through the Enigma worker protocol: every message, and every way to be refused, against a running core.

    walkthrough.py --endpoint tcp://127.0.0.1:5552 [--dialect document|enigma-p2p] [--principal-pinned]

It needs Debian's packages python3-zmq, python3-pycryptodome and python3-msgpack, and a core with an empty database.
It plays all the parts that talk to a core: the p2p node that relays, the principal that hands out the keys of
contracts' states, and the users. To learn the protocol, read in this order: peer.py (the connection), this file
(envelope and registration), database.py, keys.py, tasks.py; the bytes under them all are in enigma.py.

Each check prints `ok <name>`. The first reply that is not the expected one is shown, and the exit code is 1.
"""

import argparse
import base64
import json

import peer
from database import database
from enigma import KeyPair, Refused, decrypt, ecdh, length_prefixed, recover, sign
from keys import PRINCIPAL, state_keys, user_keys
from peer import Core, check
from tasks import tasks

# --- Before all: does this script's own arithmetic hold? Known values of the original project's tests -----------------


def arithmetic():
    print("\n0. The arithmetic of this script")
    one = KeyPair(0xCDBD854F10463BF67BE34240F4BCBC93E9FCD5852C9DAD8D325D28822C632BCD)
    two = KeyPair(0xB547D28D41D6F2777FD464041383FC38ADE0A79EC4411321FBC6813AF77F58A2)
    check("an address", one.address.hex(), "565bb98965acd6dd393e0327646b9e998b1b43e0")
    shared = "8bb8d427009261f33f41518260d02b96e55a84caeba8563b8d13c826f237cb0f"
    check(
        "a shared key, from either side",
        [ecdh(one.secret, two.public).hex(), ecdh(two.secret, one.public).hex()],
        [shared, shared],
    )
    signature = bytes.fromhex(
        "6774d0d2c223be51aea201a26068aaf3d802f15d95d02ed288b65d3fb2a14b8b"
        "0310a289b883d6af310b3689e858ea4b026721f49e51a2f11f9e881e26bf7c5d1c"
    )
    check("a signature", recover(b"EnigmaMPC", signature).hex(), one.address.hex())
    check("a signature of one's own", recover(b"message", sign(two.secret, b"message")).hex(), two.address.hex())
    key = bytes.fromhex("2987699a6d3a5ebd07f4caf422fad2809dcce942cd9db266ed8e2be02cf95ee9")
    blob = bytes.fromhex("02dc75395859faa78a598e11945c7165db9a16d16ada1b026c9434b134ae000102030405060708090a0b")
    check("a ciphertext", decrypt(key, blob).decode(), "This Is Enigma")
    check(
        "a list to be signed",
        length_prefixed([b"Enigma User Message", bytes(64)])[:35].hex(),
        "0000000000000013456e69676d612055736572204d6573736167650000000000000040",
    )


# --- 1. The envelope: whatever is sent, exactly one reply comes back --------------------------------------------------


def envelope(core: Core):
    print("\n1. The envelope")
    ok = {"addresses": []}
    reply = core.exchange(b' {"type":"GetAllAddrs","extra":[1],"id":"\\u00e9\\"\\u20ac","input":null}\n')[0]
    check(
        "an id is echoed, members that are not known are ignored",
        reply,
        {"id": 'é"€', "type": "GetAllAddrs", "result": ok},
    )
    reply = core.exchange(b'{"id":7,"type":"GetAllAddrs"}')[0]
    check("an id that is a number is echoed as one", reply, {"id": 7, "type": "GetAllAddrs", "result": ok})
    replies = core.exchange(b'{"id":"a","type":"GetAllAddrs"}', b'{"id":"b","type":"GetAllAddrs"}')
    check("two frames in one message bring two frames, in order", [reply["id"] for reply in replies], ["a", "b"])

    # A frame that cannot be read is answered with an error too: a REQ socket that gets no reply is stuck for ever.
    # Where the id can still be made out, the error carries it.
    for name, frame, message_id in [
        ("an empty frame", b"", ""),
        ("text that is not JSON", b"hello", ""),
        ("a JSON array", b"[1]", ""),
        ("a JSON null", b"null", ""),
        ("JSON that breaks off", b'{"id":"cut","type":"GetAllAd', "cut"),
        ("more text after the JSON", b'{"id":"more","type":"GetAllAddrs"}{', "more"),
        ("bytes that are not UTF-8", b'{"id":"bad","type":"GetAllAddrs","x":"\xff\xfe"}', "bad"),
        ("deep nesting", b'{"id":"deep","type":"GetAllAddrs","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "deep"),
    ]:
        reply = core.exchange(frame)[0]
        # The type of such a request may be known or not.
        request_type = "GetAllAddrs" if "GetAllAddrs" in (reply.get("type"), reply.get("requestType")) else None
        core.check_error(f"{name} is an error", reply, request_type, message_id=message_id)
    for name, request, message_id, request_type in [
        ("no id", {"type": "GetAllAddrs"}, "", "GetAllAddrs"),
        ("an id of null", {"type": "GetAllAddrs", "id": None}, "", "GetAllAddrs"),
        ("no type", {"id": "x"}, "x", None),
        ("a type of null", {"id": "x", "type": None}, "x", None),
        ("an unknown type", {"id": "x", "type": "GetNothing"}, "x", "GetNothing"),
        ("a type in another letter case", {"id": "x", "type": "gettip"}, "x", "gettip"),
        ("a type that JavaScript objects have as a member", {"id": "x", "type": "constructor"}, "x", "constructor"),
    ]:
        reply = core.exchange(json.dumps(request).encode())[0]
        core.check_error(
            f"{name} is an error",
            reply,
            request_type,
            about=(request_type or "") if message_id else "",
            message_id=message_id,
        )


# --- 2. Registration: who is this worker? -----------------------------------------------------------------------------


def registration(core: Core) -> bytes:
    print("\n2. Registration")
    reply = core.ask("GetRegistrationParams")
    result = reply["result"]
    check("the registration has three members", sorted(result), ["report", "signature", "signingKey"])
    worker = bytes.fromhex(result["signingKey"])
    check("signingKey is an address: 20 bytes, lower-case hex, no 0x", result["signingKey"], worker[-20:].hex())

    # The report proves to whoever can check it that this key lives in a genuine enclave. A worker in simulation sends
    # the quote itself, in base64, and no signature.
    quote = base64.b64decode(bytes.fromhex(result["report"]).decode("ascii"), validate=True)
    check("in simulation the report is a quote of 1116 bytes", len(quote), 1116)
    check("a simulated report carries no signature", result["signature"], "")
    check("the quote is of version 2, unlinkable", quote[:4].hex(), "02000000")
    check("its report_data is the signing address and 44 zeros", quote[368:432].hex(), worker.hex() + "00" * 44)
    check("its signature is announced with 680 bytes", int.from_bytes(quote[432:436], "little"), 680)
    check(
        "the registration is made once", core.ask("GetRegistrationParams"), core.reply("GetRegistrationParams", result)
    )
    return worker


def main():
    parser = argparse.ArgumentParser(description="Walks through the Enigma worker protocol against a running core.")
    parser.add_argument("--endpoint", required=True, help="where the core answers, such as tcp://127.0.0.1:5552")
    parser.add_argument("--dialect", choices=["document", "enigma-p2p"], default="document")
    parser.add_argument(
        "--principal-pinned",
        action="store_true",
        help=f"the core was started with --principal {PRINCIPAL.address.hex()}",
    )
    options = parser.parse_args()

    arithmetic()
    core = Core(options.endpoint, options.dialect)
    try:
        envelope(core)
        worker = registration(core)
        database(core)
        state_keys(core, worker, options.principal_pinned)
        user_keys(core, worker)
        tasks(core, worker)
    except (Refused, KeyError, TypeError, ValueError) as error:
        # A reply of another shape than the protocol's; the trace tells where.
        print(f"FAILED after {peer.checks_passed} checks", flush=True)
        raise error
    print(f"\n{peer.checks_passed} checks passed")


if __name__ == "__main__":
    main()
