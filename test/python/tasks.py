"""Chapters 6 to 8: users deploy a contract and compute on it, and are refused."""

import pathlib
import secrets

import msgpack

from enigma import KeyPair, decrypt, ecdh, encrypt, keccak256, length_prefixed, recover, u64, uint
from keys import give_state_keys
from peer import Core, check, enclave_error, missing, new_address, octets

LEDGER = pathlib.Path(__file__).parents[2] / "contracts/ledger/build/ledger.wasm"


# --- 6. Tasks: deploying a contract and computing on it ---------------------------------------------------------------


class Task:
    """One task of one user. The function and its arguments are encrypted with the key of a fresh exchange."""

    def __init__(
        self,
        core: Core,
        contract: str,
        function: str,
        *arguments: bytes,
        gas_limit: int = 1_000_000,
        pre_code: bytes = None,
    ):
        self.core, self.contract, self.gas_limit, self.pre_code = core, contract, gas_limit, pre_code
        self.user = KeyPair()
        result = core.ask("NewTaskEncryptionKey", userPubKey=self.user.public.hex())["result"]
        self.key = ecdh(self.user.secret, bytes.fromhex(result["workerEncryptionKey"]))
        self.encrypted_fn = encrypt(self.key, function.encode())
        self.encrypted_args = encrypt(self.key, b"".join(arguments))

    @property
    def type(self) -> str:
        return "ComputeTask" if self.pre_code is None else "DeploySecretContract"

    def run(self, **changes) -> dict:
        request = {
            "encryptedFn": self.encrypted_fn.hex(),
            "encryptedArgs": self.encrypted_args.hex(),
            "userDHKey": self.user.public.hex(),
            "gasLimit": self.gas_limit,
            "contractAddress": self.contract,
        }
        if self.pre_code is not None:
            request["preCode"] = octets(self.pre_code)
        return self.core.ask(self.type, input={**request, **changes})

    def inputs_hash(self) -> bytes:
        """Ties a result to what was asked."""
        what = bytes.fromhex(self.contract) if self.pre_code is None else keccak256(self.pre_code)
        return keccak256(length_prefixed([self.encrypted_fn, self.encrypted_args, what, self.user.public]))


class Contract:
    """What a p2p node knows of a contract, and, as this script plays the principal too, the key of its state."""

    def __init__(self, core: Core, worker: bytes):
        self.core, self.worker = core, worker
        self.address, self.state_key = new_address(), secrets.token_bytes(32)
        self.code = b""
        self.deltas = []
        give_state_keys(core, {self.address: self.state_key})

    def task(self, function: str, *arguments: bytes, **options) -> Task:
        return Task(self.core, self.address, function, *arguments, **options)

    def tip_hash(self) -> bytes:
        return keccak256(self.deltas[-1]) if self.deltas else bytes(32)

    def check_delta(self, name: str, wire: dict, patch: list):
        """A delta is how the state's JSON changed, and the hash of the delta before it: they form a chain."""
        data = bytes(wire["data"])
        check(f"{name}: it is delta {len(self.deltas)}", wire, {"key": len(self.deltas), "data": octets(data)})
        check(
            f"{name}: it holds the change of the state and the hash of the delta before",
            msgpack.unpackb(decrypt(self.state_key, data)),
            [patch, octets(self.tip_hash())],
        )
        self.deltas.append(data)

    def deploy(self, name: str, pre_code: bytes, function: str, *arguments: bytes, patch: list):
        task = self.task(function, *arguments, pre_code=pre_code)
        reply = task.run()
        result = reply.get("result", {})
        check(
            f"{name}: the reply has its members",
            [reply.get("type"), sorted(result)],
            [
                "DeploySecretContract",
                ["delta", "ethereumAddress", "ethereumPayload", "output", "preCodeHash", "signature", "usedGas"],
            ],
        )
        self.code = bytes.fromhex(result["output"])
        check(
            f"{name}: the output is the code to be run from now on, not encrypted",
            self.code[:8].hex(),
            "0061736d01000000",
        )
        check(
            f"{name}: preCodeHash is the hash of the code that was sent",
            result["preCodeHash"],
            keccak256(pre_code).hex(),
        )
        check(f"{name}: each byte of the code cost gas", len(self.code) < result["usedGas"] <= task.gas_limit)
        check(
            f"{name}: it asks nothing of Ethereum",
            [result["ethereumPayload"], result["ethereumAddress"]],
            ["", "00" * 20],
        )
        self.check_delta(name, result["delta"], patch)
        # The Ethereum contract pays the worker if this signature is good, so it covers all that it has to know.
        signed = [
            task.inputs_hash(),
            keccak256(self.code),
            self.tip_hash(),
            u64(task.gas_limit),
            u64(result["usedGas"]),
            b"",
            bytes(20),
            b"\x01",
        ]
        check(
            f"{name}: the worker has signed the result",
            recover(length_prefixed(signed), bytes.fromhex(result["signature"])).hex(),
            self.worker.hex(),
        )
        check(
            f"{name}: delta and code are stored",
            [self.core.ask(message, input=self.address)["result"] for message in ("GetTip", "GetContract")],
            [result["delta"], {"address": self.address, "bytecode": octets(self.code)}],
        )
        return task, reply

    def compute(
        self,
        name: str,
        function: str,
        *arguments: bytes,
        returns: bytes = b"",
        patch: list = None,
        task: Task = None,
        **changes,
    ):
        """Runs a function and checks all of the reply. `patch` is the change of the state, None for no change."""
        task = task or self.task(function, *arguments)
        reply = task.run(**changes)
        result = reply.get("result", {})
        check(
            f"{name}: the reply has its members",
            [reply.get("type"), sorted(result)],
            ["ComputeTask", ["delta", "ethereumAddress", "ethereumPayload", "output", "signature", "usedGas"]],
        )
        output = bytes.fromhex(result["output"])
        if returns == b"" and not self.core.p2p:
            check(f"{name}: it returned nothing", result["output"], "")
        else:
            check(f"{name}: the output decrypts to what it returned", decrypt(task.key, output).hex(), returns.hex())
        check(f"{name}: a computation costs at least 10000 gas", 10_000 < result["usedGas"] <= task.gas_limit)
        previous, new = self.tip_hash(), bytes(32)
        if patch is None:
            check(f"{name}: the state did not change", result["delta"], {"key": 0})
        else:
            self.check_delta(name, result["delta"], patch)
            new = self.tip_hash()
        signed = [
            keccak256(self.code),
            task.inputs_hash(),
            previous,
            new,
            keccak256(output),
            u64(task.gas_limit),
            u64(result["usedGas"]),
            b"",
            bytes(20),
            b"\x01",
        ]
        check(
            f"{name}: the worker has signed the result",
            recover(length_prefixed(signed), bytes.fromhex(result["signature"])).hex(),
            self.worker.hex(),
        )
        return task, reply

    def check_failed(self, name: str, task: Task, reply: dict, text: str, gas=None):
        """A task that failed through the user's or the contract's doing: paid for, and signed, but it changes nothing.

        The signature does not cover the text, and names the code only for a computation.
        """
        result = reply.get("result", {})
        check(
            f"{name}: it is a failed task",
            [reply.get("type"), sorted(result)],
            ["FailedTask", ["output", "signature", "usedGas"]],
        )
        got = decrypt(task.key, bytes.fromhex(result["output"])).decode()
        check(f"{name}: the user reads why", got[: len(text)] if text.endswith(" ") else got, text)
        used = result["usedGas"]
        check(f"{name}: gas", 0 < used < task.gas_limit if gas is None else used == gas)
        code = [] if task.pre_code is not None else [keccak256(self.code)]
        signed = [task.inputs_hash(), *code, u64(task.gas_limit), u64(used), b"\x00"]
        check(
            f"{name}: the worker has signed the failure",
            recover(length_prefixed(signed), bytes.fromhex(result["signature"])).hex(),
            self.worker.hex(),
        )


def tasks(core: Core, worker: bytes):
    print("\n6. Tasks")
    pre_code = LEDGER.read_bytes()
    alice, bob = secrets.token_bytes(32), secrets.token_bytes(32)
    alices, bobs = f"balance:{alice.hex()}", f"balance:{bob.hex()}"

    ledger = Contract(core, worker)
    task, reply = ledger.deploy(
        "deploying the ledger",
        pre_code,
        "construct(bytes32,uint64)",
        alice,
        uint(1000),
        patch=[["add", f"/{alices}", 1000], ["add", "/issuer", alice.hex()], ["add", "/supply", 1000]],
    )
    # A reply may be lost. The same request again brings the same reply and does not run again.
    check("the same deployment again brings the same reply", task.run(), {**reply, "id": f"walk-{core.last_id}"})

    ledger.compute("reading a balance", "balance_of(bytes32)", alice, returns=uint(1000))
    task, reply = ledger.compute(
        "a transfer",
        "transfer(bytes32,bytes32,uint64)",
        alice,
        bob,
        uint(300),
        patch=[["replace", f"/{alices}", 700], ["add", f"/{bobs}", 300]],
    )
    check("the same transfer again brings the same reply", task.run(), {**reply, "id": f"walk-{core.last_id}"})
    ledger.compute("it was not made twice", "balance_of(bytes32)", bob, returns=uint(300))

    # A delta can be refused by Ethereum; then the p2p node takes it back, and the state with it.
    ledger.compute(
        "a transfer of all",
        "transfer(bytes32,bytes32,uint64)",
        alice,
        bob,
        uint(700),
        patch=[["replace", f"/{bobs}", 1000], ["remove", f"/{alices}"]],
    )
    core.ask("RemoveDeltas", input=[{"address": ledger.address, "from": 2, "to": 3}])
    ledger.deltas.pop()
    ledger.compute("after its delta is removed, it never happened", "balance_of(bytes32)", alice, returns=uint(700))

    # The same requests in other forms.
    big = 2**64 - 1
    task = ledger.task("mint(bytes32,uint64)", alice, uint(big - 1000))
    ledger.compute(
        "minting, gas as a text, fields with 0x and capitals",
        "",
        task=task,
        gasLimit=str(task.gas_limit),
        contractAddress="0x" + ledger.address.upper(),
        userDHKey="0x04" + task.user.public.hex(),
        patch=[["replace", f"/{alices}", big - 300], ["replace", "/supply", big]],
    )
    task = ledger.task("total_supply()")
    task.encrypted_args = b""
    ledger.compute("no arguments at all; 2^64 - 1 loses no digit", "", task=task, returns=uint(big))

    failures(core, ledger, alice, bob, pre_code)
    errors(core, worker, ledger, alice, pre_code)

    # Another worker gets code and deltas from its peers and the key from the principal, and can compute. So can this
    # one after it forgot everything.
    core.ask("RemoveContract", address=ledger.address)
    core.ask("UpdateNewContract", address=ledger.address, bytecode=octets(ledger.code))
    core.ask(
        "UpdateDeltas",
        deltas=[
            {"address": ledger.address, "key": key, "data": octets(data)} for key, data in enumerate(ledger.deltas)
        ],
    )
    check(
        "given the deltas again, the contract is up to date",
        give_state_keys(core, {ledger.address: ledger.state_key}),
        [],
    )
    ledger.compute("the state is rebuilt", "balance_of(bytes32)", bob, returns=uint(300))

    # Code without any delta runs on an empty state; such a run makes delta 0, even if it changed nothing.
    fresh = Contract(core, worker)
    fresh.code = ledger.code
    core.ask("UpdateNewContract", address=fresh.address, bytecode=octets(fresh.code))
    fresh.compute(
        "the first task on code that came without deltas", "balance_of(bytes32)", alice, returns=uint(0), patch=[]
    )
    fresh.compute("and the second", "total_supply()", returns=uint(0))


def failures(core: Core, ledger: Contract, alice: bytes, bob: bytes, pre_code: bytes):
    print("\n7. Failed tasks")
    trap = "Error in execution of WASM code: unreachable"
    before = core.ask("GetTip", input=ledger.address)["result"]

    def failing(name, text, function, *arguments, gas=None, change=None, **options):
        task = ledger.task(function, *arguments, **options)
        if change:
            change(task)
        ledger.check_failed(name, task, task.run(), text, gas)

    transfer = "transfer(bytes32,bytes32,uint64)"
    failing("a transfer beyond the balance", trap, transfer, bob, alice, uint(301))
    failing("minting without the right", trap, "mint(bytes32,uint64)", bob, uint(1))
    failing("a function that the contract does not have", trap, "steal()")
    failing("an argument that is missing", trap, transfer, alice, bob)
    failing("an argument beyond its type", trap, transfer, alice, bob, uint(2**64))
    violated = "Invocation resulted in gas limit violated"
    failing("too little gas to start", violated, transfer, alice, bob, uint(1), gas_limit=500, gas=500)
    failing("too little gas to end", violated, transfer, alice, bob, uint(1), gas_limit=10_001, gas=10_001)

    improper = "Input Error: Cryptography Error: "
    failing(
        "a function that does not decrypt",
        improper + "DecryptionError",
        transfer,
        gas=0,
        change=lambda task: setattr(task, "encrypted_fn", encrypt(secrets.token_bytes(32), transfer.encode())),
    )
    failing(
        "arguments with one bit changed",
        improper + "DecryptionError",
        transfer,
        alice,
        bob,
        uint(1),
        gas=0,
        change=lambda task: setattr(
            task, "encrypted_args", bytes([task.encrypted_args[0] ^ 1]) + task.encrypted_args[1:]
        ),
    )
    failing(
        "arguments shorter than a tag",
        improper + "DecryptionError",
        transfer,
        gas=0,
        change=lambda task: setattr(task, "encrypted_args", bytes(27)),
    )
    failing(
        "arguments shorter than a vector",
        improper + "ImproperEncryption",
        transfer,
        gas=0,
        change=lambda task: setattr(task, "encrypted_args", bytes(11)),
    )
    failing(
        "no function",
        "Input Error: Input Error: called function representation is empty",
        "",
        gas=0,
        change=lambda task: setattr(task, "encrypted_fn", b""),
    )
    for callable_text in ("transfer", "transfer(", ")("):
        failing(
            f"the function {callable_text!r}",
            "Input Error: Input Error: 'callable' signature is illegal",
            callable_text,
            gas=0,
        )
    failing(
        "a function that is not UTF-8",
        "Input Error: Input Error: Utf8Error { valid_up_to: 1, error_len: Some(1) }",
        "",
        gas=0,
        change=lambda task: setattr(task, "encrypted_fn", encrypt(task.key, b"a\xff()")),
    )

    other = Contract(core, ledger.worker)

    def failing_deployment(name, text, code, *arguments, gas=None, **options):
        task = other.task("construct(bytes32,uint64)", *arguments, pre_code=code, **options)
        other.check_failed(name, task, task.run(), text, gas)

    failing_deployment(
        "deploying what is no code",
        "Error in execution of deserialization into WASM module: ",
        b"this is no WebAssembly",
        gas=0,
    )
    failing_deployment("a constructor without its arguments", trap, pre_code)
    failing_deployment("a deployment with too little gas", violated, pre_code, alice, uint(1), gas_limit=1000, gas=1000)
    check("a failed deployment stores nothing", core.ask("GetContract", input=other.address)["result"]["bytecode"], [])
    core.refuses("nor a delta", "GetTip", missing("get_tip", other.address), input=other.address)
    check("no failure changed the ledger", core.ask("GetTip", input=ledger.address)["result"], before)
    ledger.compute("and it still works", "balance_of(bytes32)", bob, returns=uint(300))


def errors(core: Core, worker: bytes, ledger: Contract, alice: bytes, pre_code: bytes):
    print("\n8. Tasks that the worker refuses, without a signature")
    keys_error = enclave_error("KeysError")

    def refused(name, task, text="", about="", **changes):
        core.check_error(name, task.run(**changes), task.type, text, about)

    task = ledger.task("total_supply()")
    refused("a user without a key exchange", task, keys_error, userDHKey=KeyPair().public.hex())
    ledger.compute("the user's key is still good", "", task=task, returns=uint(2**64 - 1))
    task.encrypted_fn = encrypt(task.key, b"balance_of(bytes32)")
    refused("a user's key is good for one task", task, keys_error)

    refused(
        "a deployment on a used address",
        ledger.task("construct(bytes32,uint64)", alice, uint(1), pre_code=pre_code),
        f'Error while trying to create, Because: the key already exists for the following address: "{ledger.address}"',
    )
    ledger.compute("leaves the contract as it was", "total_supply()", returns=uint(2**64 - 1))

    unknown = new_address()
    refused("a computation of an unknown contract", Task(core, unknown, "f()"), missing("get_contract", unknown))
    refused("a deployment without a state key", Task(core, unknown, "construct()", pre_code=pre_code), keys_error)
    core.ask("UpdateNewContract", address=unknown, bytecode=octets(ledger.code))
    refused("a computation without a state key", Task(core, unknown, "f()"), keys_error)
    core.ask("RemoveContract", address=unknown)

    broken = Contract(core, worker)
    core.ask(
        "UpdateNewContractOnDeployment",
        address=broken.address,
        bytecode=ledger.code.hex(),
        delta={"key": 0, "data": octets(secrets.token_bytes(60))},
    )
    refused(
        "a computation on deltas that do not open", broken.task("total_supply()"), about="Error inside the Enclave = ("
    )
    core.ask("RemoveContract", address=broken.address)

    for field, value in [
        ("encryptedFn", "xyz"),
        ("encryptedArgs", "abc"),
        ("encryptedFn", None),
        ("encryptedArgs", 5),
        ("userDHKey", "00" * 63),
        ("userDHKey", None),
        ("contractAddress", "00"),
        ("contractAddress", None),
        ("gasLimit", -1),
        ("gasLimit", 2**64),
        ("gasLimit", 0.5),
        ("gasLimit", "ten"),
        ("gasLimit", None),
    ]:
        refused(f"{field} of {value!r}", ledger.task("total_supply()"), about=field, **{field: value})
    for value in (None, [256], "xyz", 5):
        refused(
            f"preCode of {value!r}", Task(core, unknown, "construct()", pre_code=b""), about="preCode", preCode=value
        )
