"""Chapters 4 and 5: the keys of contracts' states, and the keys of users."""

import secrets

import msgpack

from enigma import KeyPair, N, ecdh, encrypt, keccak256, length_prefixed, recover, sign
from peer import Core, check, enclave_error, fail, new_address, octets

# The principal of this walk. A core started with `--principal <address of this key>` takes state keys of no other.
PRINCIPAL = KeyPair(int.from_bytes(keccak256(b"the principal of the walkthrough"), "big") % N)


# --- 4. State keys (PTT: principal to worker) -------------------------------------------------------------------------
# A contract's state is encrypted with a key that the principal made for it. The core asks with a fresh key of its own
# and an id; the principal answers with its own key and, encrypted for both, the list of contracts and keys.


def ptt_request(core: Core):
    reply = core.ask("GetPTTRequest")
    packed = bytes.fromhex(reply["result"]["request"])
    return reply, msgpack.unpackb(packed), bytes.fromhex(reply["result"]["workerSig"])


def ptt_response(request: dict, plaintext, key: bytes = b"", **changes) -> bytes:
    """The principal's answer. MessagePack here writes bytes as arrays of numbers."""
    pair = KeyPair()
    key = key or ecdh(pair.secret, bytes(request["pubkey"]))
    encrypted = encrypt(key, msgpack.packb(plaintext))
    message = {
        "data": {"EncryptedResponse": octets(encrypted)},
        "id": request["id"],
        "prefix": octets(b"Enigma Message"),
        "pubkey": octets(pair.public),
    }
    return msgpack.packb({**message, **changes})


def respond(core: Core, response: bytes, signer: KeyPair = PRINCIPAL) -> dict:
    return core.ask("PTTResponse", input={"response": response.hex(), "sig": sign(signer.secret, response).hex()})


def give_state_keys(core: Core, keys: dict) -> list:
    """Hands the core the state keys of contracts; returns those that it could not bring up to date with them."""
    _, request, _ = ptt_request(core)
    pairs = [[octets(bytes.fromhex(address)), octets(key)] for address, key in keys.items()]
    reply = respond(core, ptt_response(request, pairs))
    if "result" not in reply:
        fail("the core takes state keys", "a result", reply)
    return reply["result"]["errors"]


def state_keys(core: Core, worker: bytes, pinned: bool):
    print("\n4. State keys")
    reply, request, signature = ptt_request(core)
    check(
        "GetPTTRequest brings a request and a signature",
        reply,
        core.reply("GetPTTRequest", {"request": reply["result"]["request"], "workerSig": signature.hex()}),
    )
    check("the request has four members", sorted(request), ["data", "id", "prefix", "pubkey"])
    check("it says what it is", [request["data"], bytes(request["prefix"]).decode()], ["Request", "Enigma Message"])
    check("its id has 12 bytes, its public key 64", [len(request["id"]), len(request["pubkey"])], [12, 64])
    check(
        "the worker has signed the key and the id",
        recover(length_prefixed([bytes(request["pubkey"]), bytes(request["id"])]), signature).hex(),
        worker.hex(),
    )
    _, other, _ = ptt_request(core)
    check("every request has its own key and id", request["id"] != other["id"] and request["pubkey"] != other["pubkey"])

    contract, key = new_address(), secrets.token_bytes(32)
    pairs = [[octets(bytes.fromhex(contract)), octets(key)]]

    def refuses(name, response, kind):
        core.check_error(name, respond(core, response), "PTTResponse", enclave_error(kind))

    refuses("a response that is no MessagePack", b"\xc1garbage", "MessagingError")
    refuses("a response to nobody", ptt_response({**request, "id": octets(b"nobody asked")}, pairs), "KeysError")
    refuses("an id that is too short", ptt_response({**request, "id": octets(b"short")}, pairs), "MessagingError")
    refuses("a public key that is too short", ptt_response(request, pairs, pubkey=[1] * 63), "MessagingError")
    refuses("a public key that is no point of the curve", ptt_response(request, pairs, pubkey=[1] * 64), "KeysError")
    refuses("another key's encryption", ptt_response(request, pairs, key=secrets.token_bytes(32)), "EncryptionError")
    refuses("a request as the response", ptt_response(request, pairs, data="Request"), "EncryptionError")
    refuses("a list of something else", ptt_response(request, [[1, 2]]), "EncryptionError")
    refuses("a state key that is too short", ptt_response(request, pairs + [[[1] * 32, [1] * 31]]), "EncryptionError")
    core.refuses("a response that is no hex", "PTTResponse", input={"response": "xyz", "sig": "00" * 65})
    if pinned:
        core.check_error(
            "a response that somebody else signed",
            respond(core, ptt_response(request, pairs), KeyPair()),
            "PTTResponse",
        )
        core.refuses(
            "a response that nobody signed", "PTTResponse", input={"response": ptt_response(request, pairs).hex()}
        )

    # A refused response installs nothing, and leaves the request open for a better one.
    response = ptt_response(request, pairs)
    check("a good response is accepted", respond(core, response), core.reply("PTTResponse", {"errors": []}))
    refuses("an id is good for one response", response, "KeysError")
    check(
        "the data may come without a wrapping",
        respond(
            core,
            ptt_response(
                other,
                pairs,
                data=octets(encrypt(ecdh(PRINCIPAL.secret, bytes(other["pubkey"])), msgpack.packb(pairs))),
                pubkey=octets(PRINCIPAL.public),
            ),
        ),
        core.reply("PTTResponse", {"errors": []}),
    )
    check("a key for a contract without data stores nothing", core.ask("GetAllAddrs")["result"], {"addresses": []})

    # Deltas that do not open with the key, or do not follow each other, are reported: this contract cannot be computed.
    core.ask("UpdateDeltas", deltas=[{"address": contract, "key": 0, "data": octets(secrets.token_bytes(60))}])
    check(
        "a contract whose deltas do not open is reported",
        give_state_keys(core, {contract: key}),
        [{"address": contract, "status": -1}],
    )
    check("but only to whom it concerns", give_state_keys(core, {new_address(): key}), [])
    core.ask("RemoveContract", address=contract)


# --- 5. The user's key: a user and a worker agree on a key for one task -----------------------------------------------


def user_keys(core: Core, worker: bytes):
    print("\n5. The user's key")
    user = KeyPair()

    def exchange(public: str):
        reply = core.ask("NewTaskEncryptionKey", userPubKey=public)
        result = reply.get("result", {})
        key, signature = (bytes.fromhex(result.get(name, "")) for name in ("workerEncryptionKey", "workerSig"))
        check(
            "the worker answers with a key of 64 bytes and a signature of 65",
            reply,
            core.reply(
                "NewTaskEncryptionKey", {"workerEncryptionKey": key[-64:].hex(), "workerSig": signature[-65:].hex()}
            ),
        )
        return key, signature

    key, signature = exchange(user.public.hex())
    # The user checks that the key is the registered worker's. The user's own key is not part of what is signed.
    check(
        "the registered worker has signed it",
        recover(length_prefixed([b"Enigma User Message", key]), signature).hex(),
        worker.hex(),
    )
    check("each exchange has a new key", exchange(user.public.hex())[0] != key)
    exchange("0x04" + user.public.hex().upper())
    compressed = bytes([2 + user.public[63] % 2]) + user.public[:32]
    exchange(compressed.hex())
    not_on_curve = user.public[:63] + bytes([user.public[63] ^ 1])
    for name, public in [("that is no point of the curve", not_on_curve.hex()), ("of zeros", "00" * 64)]:
        core.refuses(f"a key {name}", "NewTaskEncryptionKey", enclave_error("KeysError"), userPubKey=public)
    for name, public in [
        ("that is too short", user.public.hex()[2:]),
        ("with half a byte", user.public.hex()[1:]),
        ("that is no hex", "zz" * 64),
        ("that is empty", ""),
        ("that is a number", 1),
    ]:
        core.refuses(f"a key {name}", "NewTaskEncryptionKey", userPubKey=public)
