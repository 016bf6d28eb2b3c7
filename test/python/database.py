"""Chapter 3: the database."""

import secrets
import time

from peer import Core, check, missing, new_address, octets

# A p2p node keeps the core up to date with these messages. What the core stores here it cannot check: without a state
# key a delta is just bytes. Deltas are numbered from 0; the newest one is the contract's tip.


def database(core: Core):
    print("\n3. The database")
    a, b, c = (new_address() for _ in range(3))
    code, zero, one, two = (secrets.token_bytes(size) for size in (100, 60, 30, 40))
    unknown = new_address()

    def delta(address, key, data):
        return {"address": address, "key": key, "data": octets(data)}

    def read(name, message_type, result, **members):
        reply = core.ask(message_type, **members)
        check(name, reply, core.reply(message_type, result))

    def write(name, message_type, result, members_of_reply, **members):
        reply = core.ask(message_type, **members)
        check(name, reply, core.write_reply(message_type, result, **members_of_reply))

    read("at first there are no contracts", "GetAllAddrs", {"addresses": []})
    read("and no tips", "GetAllTips", {"tips": []})

    # Writing. The reply repeats the address as it was sent.
    passed = {"status": 0}
    write(
        "UpdateNewContract stores code", "UpdateNewContract", passed, {"address": a}, address=a, bytecode=octets(code)
    )
    read("GetContract reads it", "GetContract", {"address": a, "bytecode": octets(code)}, input=a)
    write(
        "UpdateNewContractOnDeployment stores code (in hex, here) and delta 0",
        "UpdateNewContractOnDeployment",
        passed,
        {"address": b},
        address=b,
        bytecode=code.hex(),
        delta={"key": 0, "data": octets(zero)},
    )
    rows = [delta(a, 0, zero), delta(a, 1, one), delta(b, 1, two), delta(c, 0, two)]
    statuses = [{"address": row["address"], "key": row["key"], "status": 0} for row in rows]
    write(
        "UpdateDeltas stores deltas, and tells the fate of each",
        "UpdateDeltas",
        {"status": 0, "errors": statuses},
        {},
        deltas=rows,
    )
    write("no deltas are stored just as well", "UpdateDeltas", {"status": 0, "errors": []}, {}, deltas=[])

    # Reading.
    read("GetAllAddrs lists contracts in the order in which they came", "GetAllAddrs", {"addresses": [a, b, c]})
    tips = [delta(a, 1, one), delta(b, 1, two), delta(c, 0, two)]
    read("GetAllTips has the newest delta of each", "GetAllTips", {"tips": tips})
    read(
        "GetTips has those that are asked for, as often as asked",
        "GetTips",
        {"tips": [tips[2], tips[0], tips[2]]},
        input=[c, a, c],
    )
    read("GetTips of nothing", "GetTips", {"tips": []}, input=[])
    read("GetTip has one", "GetTip", {"key": 1, "data": octets(one)}, input=a)
    extra = {"data": octets(zero), "address": b, "key": 0}
    one_delta = {"delta": zero.hex(), **extra} if core.p2p else {"delta": octets(zero)}
    read("GetDelta has any", "GetDelta", one_delta, input={"address": b, "key": 0})
    ranges = [{"address": b, "from": 1, "to": 2}, {"address": a, "from": 0, "to": 9}]
    read(
        "GetDeltas reads ranges, without their ends", "GetDeltas", {"deltas": [rows[2], rows[0], rows[1]]}, input=ranges
    )
    read("an empty range has no row", "GetDeltas", {"deltas": []}, input=[{"address": a, "from": 1, "to": 1}])
    read("code of an unknown contract is empty", "GetContract", {"address": unknown, "bytecode": []}, input=unknown)

    # Input is taken in all the forms that peers send; output has one.
    upper = "0x" + a.upper()
    read(
        "an address may have 0x and capitals; a list of one is one",
        "GetTip",
        {"key": 1, "data": octets(one)},
        input=[upper],
    )
    read("so may a delta's", "GetDelta", one_delta, input=[{"address": "0x" + b.upper(), "key": 0}])
    read("one range needs no list", "GetDeltas", {"deltas": [rows[0]]}, input={"address": upper, "from": 0, "to": 1})
    write(
        "code may be hex, and the address is repeated as sent",
        "UpdateNewContract",
        passed,
        {"address": upper},
        address=upper,
        bytecode="0x" + one.hex(),
    )
    read("the code is replaced", "GetContract", {"address": a, "bytecode": octets(one)}, input=upper)
    write(
        "a delta may be a list of index and bytes",
        "UpdateNewContractOnDeployment",
        passed,
        {"address": b},
        address=b,
        bytecode=octets(code),
        delta=[0, octets(one)],
    )
    read(
        "it replaces the one of that index",
        "GetDeltas",
        {"deltas": [delta(b, 0, one), rows[2]]},
        input=[{"address": b, "from": 0, "to": 4294967295}],
    )

    # Refusals.
    core.refuses("the tip of an unknown contract", "GetTip", missing("get_tip", unknown), input=unknown)
    core.refuses("tips, one of an unknown contract", "GetTips", missing("get_tip", unknown), input=[a, unknown])
    core.refuses(
        "a delta of an unknown contract",
        "GetDelta",
        missing("get_delta", unknown),
        input={"address": unknown, "key": 0},
    )
    core.refuses("a delta that is not there", "GetDelta", missing("get_delta", a), input={"address": a, "key": 2})
    core.refuses(
        "deltas, some of an unknown contract",
        "GetDeltas",
        missing("get_deltas", unknown),
        input=[{"address": a, "from": 0, "to": 1}, {"address": unknown, "from": 0, "to": 1}],
    )
    parsing = "Error while parsing the p2p messages, command: "
    core.refuses("a delta of no address", "GetDelta", parsing + "GetDelta, error: Address Missing", input={"key": 0})
    core.refuses(
        "a deployment whose delta has no data",
        "UpdateNewContractOnDeployment",
        parsing + "UpdateNewContractOnDeployment, error: Delta Data Missing",
        address=a,
        bytecode=code.hex(),
        delta={"key": 0},
    )
    for field, message_type, members in [
        ("input", "GetTip", {}),
        ("input", "GetTips", {}),
        ("input", "GetDelta", {}),
        ("input", "GetDeltas", {}),
        ("input", "GetContract", {}),
        ("input", "RemoveDeltas", {}),
        ("address", "UpdateNewContract", {"bytecode": []}),
        ("bytecode", "UpdateNewContract", {"address": a}),
        ("address", "UpdateNewContractOnDeployment", {"bytecode": "", "delta": {"key": 0, "data": []}}),
        ("bytecode", "UpdateNewContractOnDeployment", {"address": a, "delta": {"key": 0, "data": []}}),
        ("delta", "UpdateNewContractOnDeployment", {"address": a, "bytecode": ""}),
        ("address", "RemoveContract", {}),
        ("deltas", "UpdateDeltas", {}),
        ("response", "PTTResponse", {"input": {}}),
        ("userPubKey", "NewTaskEncryptionKey", {}),
    ]:
        core.refuses(f"{message_type} without {field}", message_type, about=field, **members)
    for name, address in [
        ("that is short", a[:-2]),
        ("that is not hex", "g" * 64),
        ("with blanks", "  " + a[2:]),
        ("that is a number", 5),
        ("that is null", None),
    ]:
        core.refuses(f"an address {name}", "GetContract", input=address)
        core.refuses(f"an address {name}, among others", "GetTips", input=[a, address])
        core.refuses(f"an address {name}, on writing", "RemoveContract", address=address)
    for name, key in [("negative", -1), ("beyond 32 bits", 2**32), ("a fraction", 0.5), ("null", None)]:
        core.refuses(f"an index that is {name}", "GetDelta", about="key", input={"address": a, "key": key})
    for name, data in [("above 255", [256]), ("below 0", [-1]), ("a fraction", [0.5]), ("a text", ["1"])]:
        core.refuses(
            f"a byte that is {name}",
            "UpdateDeltas",
            about="data",
            deltas=[delta(a, 5, b""), {"address": a, "key": 6, "data": data}],
        )
    core.refuses("a row without an address", "UpdateDeltas", deltas=[delta(a, 5, b"x"), {"key": 6, "data": [1]}])
    core.refuses("a row without data", "UpdateDeltas", deltas=[delta(a, 5, b"x"), {"address": a, "key": 6}])
    read("a request with one bad row stores none", "GetTip", {"key": 1, "data": octets(one)}, input=a)

    # Removing. What is not there is removed already.
    none = {"status": 0, "errors": []}
    started = time.monotonic()
    write(
        "RemoveDeltas removes ranges, without their ends",
        "RemoveDeltas",
        none,
        {},
        input=[
            {"address": a, "from": 1, "to": 4294967295},
            {"address": b, "from": 0, "to": 1},
            {"address": unknown, "from": 0, "to": 9},
        ],
    )
    check("a wide range is not counted through", time.monotonic() - started < 10)
    read("what remains", "GetAllTips", {"tips": [rows[0], rows[2], rows[3]]})
    for address in (a, b, c, unknown):
        write("RemoveContract removes all of it", "RemoveContract", passed, {"address": address}, address=address)
    read("nothing is left", "GetAllAddrs", {"addresses": []})
    core.refuses("the tip of a removed contract", "GetTip", missing("get_tip", a), input=a)
