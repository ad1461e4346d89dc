#!/usr/bin/env python3
"""A second verifier of audit bundles, written from docs/audit-log.md alone and sharing nothing with the product.

    verify.py BUNDLE... --key KEY [--previous CHECKPOINT] [--witness KEY]... [--quorum N] [--approvals N]

Prints a line for each bundle, `<exit code> <what was found>`, and ends with the code of the last one that failed.
Needs Debian's python3 and python3-cryptography.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import stat
import sys
import unicodedata

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key

# docs/audit-log.md, "Exit codes".
USAGE, SIGNATURE, ROOT, FORK, INCLUSION, COUNTER, RULE, MALFORMED, QUORUM = 2, 10, 11, 12, 13, 14, 15, 16, 17
ALTERED, MISSING, INSERTED, TAIL = 18, 19, 20, 21

MAX_SIZE = 2**63 - 1
MAX_SAFE = 2**53 - 1
LONGEST_TEXT = 64 * 1024
LONGEST_TILE = 256 * (2 + 0xFFFF)
# docs/audit-log.md, rule 9
LONGEST_RECORD = 0xFFFF


class Failure(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def sha256(data):
    return hashlib.sha256(data).digest()


# --- Merkle tree: RFC 9162, 2.1 ---


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


class Tree:
    """Grows by leaf hashes; holds the roots of its complete subtrees, the largest first."""

    def __init__(self):
        self.size = 0
        self.subtrees = []

    def copy(self):
        other = Tree()
        other.size, other.subtrees = self.size, list(self.subtrees)
        return other

    def append(self, leaf):
        rest = self.size
        while rest & 1:
            leaf = node_hash(self.subtrees.pop(), leaf)
            rest >>= 1
        self.subtrees.append(leaf)
        self.size += 1

    def root(self):
        if not self.subtrees:
            return sha256(b"")
        root = self.subtrees[-1]
        for left in reversed(self.subtrees[:-1]):
            root = node_hash(left, root)
        return root


def check_inclusion(index, size, leaf, root, proof):
    """RFC 9162, 2.1.3.2."""
    refused = Failure(INCLUSION, f"the receipt does not show the entry at {index}")
    if index >= size:
        raise Failure(MALFORMED, f"index {index} in a log of {size} entries")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            raise refused
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn & 1 == 0 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    if sn != 0 or r != root:
        raise refused


# --- Signed notes and checkpoints: C2SP ---


def base64_of(text, what):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise Failure(MALFORMED, f"{what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Failure(MALFORMED, f"{what} is not base64 in its one spelling")
    return data


def decimal_of(text, what):
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) > MAX_SIZE:
        raise Failure(MALFORMED, f"{what} is no decimal number up to 2^63 - 1")
    return int(text)


def utf8(data, what):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Failure(MALFORMED, f"{what} is not UTF-8") from None


def is_key_name(name):
    return name != "" and not any(c == "+" or c.isspace() or unicodedata.category(c) == "Cc" for c in name)


class Key:
    """A verifier key, `name+key id+base64`."""

    def __init__(self, text):
        self.text = text
        parts = re.fullmatch(r"([^+]+)\+([0-9a-f]{8})\+(.+)", text)
        if not parts or not is_key_name(parts[1]):
            raise Failure(MALFORMED, "the key is not name+hash+base64")
        self.name, key_id, data = parts[1], parts[2], base64_of(parts[3], "the key")
        kind, public = data[0], data[1:]
        try:
            if kind in (1, 4):
                digest = sha256(self.name.encode() + b"\n" + data)
                self.public = ed25519.Ed25519PublicKey.from_public_bytes(public)
            elif kind == 2:
                digest = sha256(public)
                self.public = load_der_public_key(public)
                if not isinstance(self.public.curve, ec.SECP256R1):
                    raise ValueError
            else:
                raise ValueError
        except (ValueError, AttributeError):
            raise Failure(MALFORMED, "the key is of no known type") from None
        self.kind, self.bytes = kind, public
        self.id = digest[:4]
        if self.id.hex() != key_id:
            raise Failure(MALFORMED, "the key has another key id")

    def verifies(self, text, signature):
        if self.kind == 4:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            if time > MAX_SIZE:
                return False
            text = f"cosignature/v1\ntime {time}\n".encode() + text
        try:
            if isinstance(self.public, ed25519.Ed25519PublicKey):
                self.public.verify(signature, text)
            else:
                self.public.verify(signature, text, ec.ECDSA(hashes.SHA256()))
            return True
        except InvalidSignature:
            return False


def signature_line(line):
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or not is_key_name(parts[1]):
        raise Failure(MALFORMED, "a signature line has another form")
    data = base64_of(parts[2], "a signature")
    if len(data) <= 4:
        raise Failure(MALFORMED, "a signature is too short")
    return parts[1], data[:4], data[4:]


def open_checkpoint(note, key, witnesses=(), quorum=0):
    """Size and root of a checkpoint that the key signed and enough witnesses cosigned."""
    note = utf8(note, "the checkpoint")
    if any(ord(c) < 0x20 and c != "\n" for c in note):
        raise Failure(MALFORMED, "the checkpoint has control characters")
    end = note.rfind("\n\n")
    if end < 0 or not note.endswith("\n"):
        raise Failure(MALFORMED, "the checkpoint is no note")
    text, lines = note[: end + 1], note[end + 2 :].split("\n")[:-1]
    if not 1 <= len(lines) <= 100:
        raise Failure(MALFORMED, "the checkpoint has no signatures, or too many")
    signatures = [signature_line(line) for line in lines]
    fields = text.split("\n")[:-1]
    if len(fields) < 3 or fields[0] == "" or "" in fields[3:]:
        raise Failure(MALFORMED, "the checkpoint has no origin, size and root")
    origin = fields[0]
    root = base64_of(fields[2], "the root")
    if len(root) != 32:
        raise Failure(MALFORMED, "the root is not 32 bytes")
    size = decimal_of(fields[1], "the size")
    if origin != key.name:
        raise Failure(SIGNATURE, "the checkpoint is of another log")
    signers = [
        trusted
        for name, key_id, signature in signatures
        for trusted in [next((t for t in (key, *witnesses) if t.name == name and t.id == key_id), None)]
        if trusted and verified(trusted, text, signature)
    ]
    if key not in signers:
        raise Failure(SIGNATURE, "the checkpoint is not signed by the key")
    if len({signer.bytes for signer in signers if signer in witnesses}) < quorum:
        raise Failure(QUORUM, "too few witnesses cosigned the checkpoint")
    return size, root


def verified(key, text, signature):
    if not key.verifies(text.encode(), signature):
        raise Failure(SIGNATURE, f"a signature of {key.name} does not verify")
    return True


# --- Entries: RFC 8785 and docs/audit-log.md, "Entries" ---

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MEMBERS = {
    "v": lambda v: type(v) is int and v == 1,
    "id": lambda v: isinstance(v, str) and re.fullmatch(r"[1-9][0-9]{0,18}", v),
    "time": lambda v: isinstance(v, str)
    and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", v),
    "type": lambda v: isinstance(v, str) and v,
    "actor": lambda v: isinstance(v, str) and v,
    "terminal": lambda v: isinstance(v, str) and re.fullmatch(UUID, v),
    "attempt": lambda v: isinstance(v, str) and re.fullmatch(UUID, v),
    "body": lambda v: isinstance(v, dict),
}
OPTIONAL = {"terminal", "attempt"}


def number_text(number):
    """ECMA-262, Number::toString: the same digits as Python's, written otherwise."""
    if abs(number) > MAX_SAFE or number != number:
        raise ValueError
    if isinstance(number, int):
        return str(number)
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def canonical(value, depth=0):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if depth == 64:
        raise ValueError
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name], depth + 1) for name in names) + "}"


def parse_entry(data, index):
    try:
        value = json.loads(data.decode("utf-8"))
        if canonical(value).encode("utf-8") != data:
            raise ValueError
    except (ValueError, RecursionError):  # UnicodeError and JSONDecodeError are ValueErrors
        raise Failure(MALFORMED, f"entry {index} is no canonical JSON") from None
    if not isinstance(value, dict) or not set(value) <= set(MEMBERS):
        raise Failure(MALFORMED, f"entry {index} has other members")
    for name, fits in MEMBERS.items():
        if name not in value and name in OPTIONAL:
            continue
        if name not in value or not fits(value[name]):
            raise Failure(MALFORMED, f"entry {index}: {name}")
    return value


# --- Rules: docs/audit-log.md, "Rules" ---

FINAL = {"CONFIRMED", "REJECTED", "FAILED", "EXPIRED", "CANCELLED", "QUARANTINED"}
NEXT = {
    "REQUESTED": {"APPROVED", "REJECTED", "CANCELLED", "EXPIRED"},
    "APPROVED": {"KSN_RESERVED", "DERIVING", "CANCELLED", "EXPIRED", "FAILED"},
    "KSN_RESERVED": {"DERIVING", "CANCELLED", "EXPIRED", "FAILED"},
    "DERIVING": {"DERIVING", "WRAPPED", "CANCELLED", "EXPIRED", "FAILED"},
    "WRAPPED": {"DISPATCHABLE", "CANCELLED", "EXPIRED"},
    "DISPATCHABLE": {"SENT", "CANCELLED", "EXPIRED"},
    "SENT": {"RESULT_RECEIVED", "OUTCOME_UNKNOWN"},
    "RESULT_RECEIVED": {"CONFIRMED", "QUARANTINED", "FAILED"},
    "OUTCOME_UNKNOWN": {"RESULT_RECEIVED", "DISPATCHABLE", "QUARANTINED"},
}
TYPES = {f"attempt.{state.lower()}": state for state in FINAL | set(NEXT)}


def is_whole(value):
    return type(value) is int


def texts(value):
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def ksn_space(ksn):
    if re.fullmatch(r"[0-9A-F]{20}", ksn):
        register = int(ksn[10:], 16)
        return (ksn[:10], register >> 21) if register % 2**21 == 0 else None
    if re.fullmatch(r"[0-9A-F]{16}00000000", ksn):
        return ksn[:8], int(ksn[8:16], 16)
    return None


class HsmLog:
    """The own log of an HSM: a chain of records, read as far as it is asked for."""

    def __init__(self, path):
        self.file = open(path, "rb")
        self.seq = 0
        self.hash = "0" * 64

    def next(self):
        line = self.file.readline(LONGEST_RECORD + 2)
        if not line:
            return False
        if len(line) > LONGEST_RECORD + 1 or line[-1:] != b"\n":
            raise Failure(MALFORMED, f"HSM record after {self.seq}: too long, or no line feed")
        line = line[:-1]
        try:
            record = json.loads(utf8(line, "an HSM record"))
            if canonical(record) != line.decode():
                raise ValueError
        except (ValueError, RecursionError):
            raise Failure(MALFORMED, f"HSM record after {self.seq}: no canonical JSON") from None
        number = record.get("seq") if isinstance(record, dict) else None
        if not is_whole(number) or not isinstance(record.get("prevHash"), str):
            raise Failure(MALFORMED, f"HSM record after {self.seq}: no number or no hash of the one before")
        if number != self.seq + 1:
            raise Failure(COUNTER, f"HSM record {number} after {self.seq}")
        if record["prevHash"] != self.hash:
            raise Failure(ALTERED, f"HSM record {number} does not continue the one before")
        self.seq, self.hash = number, sha256(line).hex().upper()
        return True

    def require(self, seq, digest):
        if seq < self.seq:
            return
        while self.seq < seq and self.next():
            pass
        if self.seq < seq:
            raise Failure(MISSING, f"the HSM's log ends after {self.seq} of {seq} records")
        if self.hash != digest:
            raise Failure(ALTERED, f"HSM record {seq} is not the one that was anchored")


class Rules:
    def __init__(self, approvals, hsm_logs):
        self.hsm_logs = hsm_logs
        self.approvals = approvals
        self.open = {}
        self.ended = set()
        self.numbers = {}
        self.devices = {}
        self.announced = 0
        self.anchors = {}

    def check(self, data, index):
        entry = parse_entry(data, index)

        def need(holds, message, code=RULE):
            if not holds:
                raise Failure(code, f"entry {index}, {entry['type']}: {message}")

        def take(ksn):
            space = ksn_space(ksn)
            need(space, "no KSN")
            last = self.devices.get(space[0])
            need(last is None or space[1] > last, "KSN reserved before")
            need(space[1] == (last or 0) + 1, "gap in the KSNs", COUNTER)
            self.devices[space[0]] = space[1]

        if entry["type"] == "bdk.ksns-burned":
            first, last = entry["body"].get("first"), entry["body"].get("last")
            spaces = [ksn_space(ksn) if isinstance(ksn, str) else None for ksn in (first, last)]
            need(all(spaces), "no KSN")
            need(spaces[0][0] == spaces[1][0] and spaces[0][1] <= spaces[1][1], "no range of KSNs")
            take(first)
            self.devices[spaces[1][0]] = spaces[1][1]
        if entry["type"] == "database.restore-accepted":
            for anchors in self.anchors.values():
                for anchor in anchors:
                    anchor["announced"] = float("-inf")
        if entry["type"] == "hsm.anchored":
            self.anchor(entry["body"], need)
        if not entry["type"].startswith("attempt."):
            return
        state = TYPES.get(entry["type"])
        attempt_id, terminal, body = entry.get("attempt"), entry.get("terminal"), entry["body"]
        need(attempt_id and terminal, "names no attempt or no terminal")
        need(state, "no such state")
        if state == "REQUESTED":
            need(attempt_id not in self.open and attempt_id not in self.ended, "requested before")
            need(is_whole(body.get("number")), "no number")
            need(body["number"] == self.numbers.get(terminal, 0) + 1, "gap in the terminal's attempts", COUNTER)
            self.numbers[terminal] = body["number"]
            by_rule = "rule" in body
            need(not by_rule or (isinstance(body["rule"], str) and body["rule"]), "a rule without a name")
            self.open[attempt_id] = {
                "terminal": terminal,
                "actor": entry["actor"],
                "kind": body.get("kind"),
                "state": "APPROVED" if by_rule else state,
                "version": 2 if by_rule else 1,
                "approvers": [],
                "ksns": [],
            }
            return

        attempt = self.open.get(attempt_id)
        need(attempt, "the attempt was not requested, or has ended")
        need(attempt["terminal"] == terminal, "of another terminal")
        through = body.get("through", [])
        need(isinstance(through, list) and len(through) == len(texts(through)), "through is no list of states")
        need(through or "through" not in body, "through is empty")
        version = attempt["version"] + len(through) + 1
        need(is_whole(body.get("version")) and body["version"] == version, "another version")
        need(body.get("from") == attempt["state"], "another state before")
        for reached in through + [state]:
            need(reached in NEXT.get(attempt["state"], ()), "a state that may not follow")
            self.reach(reached, attempt, body, need, take)
            attempt["state"] = reached
        attempt["version"] = version
        if state in FINAL:
            del self.open[attempt_id]
            self.ended.add(attempt_id)

    def reach(self, state, attempt, body, need, take):
        if state == "APPROVED":
            attempt["approvers"] = texts(body.get("approvers"))
        elif state == "KSN_RESERVED":
            attempt["ksns"] = texts(body.get("ksns"))
            for ksn in attempt["ksns"]:
                take(ksn)
        elif state == "DERIVING":
            self.announced += len(attempt["ksns"]) + 1
            need(attempt["state"] != "APPROVED" or attempt["kind"] == "KBPK", "derived before KSNs are reserved")
        elif state == "DISPATCHABLE":
            keys = body.get("keys") if isinstance(body.get("keys"), list) else []
            ksns = texts([key.get("ksn") for key in keys if isinstance(key, dict)])
            need(set(ksns) <= set(attempt["ksns"]), "a KSN that was not reserved")
        elif state == "CONFIRMED":
            need(len(set(attempt["approvers"]) - {attempt["actor"]}) >= self.approvals, "too few approvals")

    def anchor(self, body, need):
        hsm, operations, log = body.get("hsm"), body.get("operations"), body.get("log")
        need(isinstance(hsm, str) and hsm, "names no HSM")
        need(is_whole(operations) and operations >= 0, "no count of operations")
        if "log" in body:
            need(isinstance(log, dict) and is_whole(log.get("seq")) and log["seq"] >= 0, "no head of the HSM's log")
            digest = log.get("hash")
            need(isinstance(digest, str) and re.fullmatch(r"[0-9A-F]{64}", digest), "no head of the HSM's log")
        before = self.anchors.get(hsm, [])
        if before:
            last, head = before[-1]["operations"], before[-1]["log"]
            since = before[0]["announced"] if len(before) == 2 else min(0, before[0]["announced"])
            announced = self.announced - since
            need(operations >= last, "the HSM counted more before", COUNTER)
            need(operations - last <= 2 * announced, "more keys released than announced", COUNTER)
            if head:
                need(log and log["seq"] >= head["seq"], "the HSM's log was longer before", COUNTER)
                need(log["seq"] > head["seq"] or log["hash"] == head["hash"], "the HSM's log was another", COUNTER)
        if log and hsm in self.hsm_logs:
            self.hsm_logs[hsm].require(log["seq"], log["hash"])
        self.anchors[hsm] = before[-1:] + [{"operations": operations, "log": log, "announced": self.announced}]


# --- Bundles: docs/audit-log.md, "Bundle" and "Verification" ---


def read_file(bundle, path, most):
    """None if there is no such file."""
    try:
        descriptor = os.open(os.path.join(bundle, path), os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):  # which fdopen refuses
        os.close(descriptor)
        raise Failure(MALFORMED, f"{path} is a folder")
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise Failure(MALFORMED, f"{path} is no regular file, or too long")
        return file.read()


def read_text(bundle, path):
    data = read_file(bundle, path, LONGEST_TEXT)
    if data is None:
        raise Failure(MALFORMED, f"there is no {path}")
    return data


def files_in(bundle, under=""):
    for item in os.scandir(os.path.join(bundle, under)):
        path = os.path.join(under, item.name)
        if item.is_dir(follow_symlinks=False):
            yield from files_in(bundle, path)
        elif item.is_file(follow_symlinks=False):
            yield path
        else:
            raise Failure(MALFORMED, f"{path} is no regular file")


def tile_path(kind, index, width):
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{kind}/{number}" + (f".p/{width}" if width < 256 else "")


def hashes_in(data, width):
    if len(data) != 32 * width:
        raise Failure(MALFORMED, "a tile has another length")
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def entries_in(data):
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2].ljust(2, b"\x00"), "big")
        if end > len(data) or len(entries) == 256:
            raise Failure(MALFORMED, "a bundle of entries runs over, or has too many")
        entries.append(data[at + 2 : end])
        at = end
    if not entries:
        raise Failure(MALFORMED, "a bundle of entries is empty")
    return entries


EVERY_BUNDLE = ("bundle.json", "key", "checkpoint", "names")


def check_names(data):
    *lines, rest = utf8(data, "names").split("\n")
    if rest:
        raise Failure(MALFORMED, "names: no line feed at the end")
    for line in lines:
        try:
            value = json.loads(line)
            if canonical(value) != line:
                raise ValueError
        except (ValueError, RecursionError):
            raise Failure(MALFORMED, "names: a line is no canonical JSON") from None
        if not isinstance(value, dict) or set(value) != {"commitment", "name", "salt"}:
            raise Failure(MALFORMED, "names: a line has other members")
        commitment, name, salt = value["commitment"], value["name"], value["salt"]
        if not all(isinstance(item, str) and item for item in (commitment, name, salt)):
            raise Failure(MALFORMED, "names: a member is no text")
        if any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in name):
            raise Failure(MALFORMED, "names: a name cannot be printed")
        if not all(re.fullmatch(r"[0-9A-F]{64}", item) for item in (commitment, salt)):
            raise Failure(MALFORMED, "names: a member is not 64 hex digits")
        try:
            data = name.encode()
        except UnicodeEncodeError:
            raise Failure(MALFORMED, "names: a lone surrogate") from None
        if sha256(bytes.fromhex(salt) + data).hex().upper() != commitment:
            raise Failure(ALTERED, "names: the commitment is to another name")
    return "".join(f"; {value['commitment']} is {value['name']}" for value in map(json.loads, lines))


def hsm_of(path):
    match = re.fullmatch(r"hsm-log/([A-Za-z0-9][A-Za-z0-9._-]{0,63})", path)
    return match and match[1]


def verify_whole(bundle, size, root, previous, rules):
    unread = sum(1 for path in files_in(bundle) if path not in EVERY_BUNDLE and not hsm_of(path))
    ours = published = Tree()
    difference = None
    broken = None
    at_previous = None

    def keep():
        nonlocal at_previous
        if previous and published.size == previous[0]:
            at_previous = published.root()

    def continues():
        return at_previous is None or at_previous == previous[1]

    keep()
    for index in range((size + 255) // 256):
        width = min(256, size - 256 * index)
        hash_data = read_file(bundle, tile_path("0", index, width), LONGEST_TILE)
        entry_data = read_file(bundle, tile_path("entries", index, width), LONGEST_TILE)
        if hash_data is None and entry_data is None:
            if unread:
                raise Failure(MISSING, f"nothing of tile {index}")
            break
        unread -= (hash_data is not None) + (entry_data is not None)
        entries = [] if entry_data is None else entries_in(entry_data)
        leaves = [] if hash_data is None else hashes_in(hash_data, width)
        for n in range(max(len(entries), len(leaves))):
            entry = entries[n] if n < len(entries) else None
            leaf = leaves[n] if n < len(leaves) else None
            made = None if entry is None else leaf_hash(entry)
            if difference is None and (made is None or made != leaf):
                difference = ours.size
                published = ours.copy()
            if difference is None and broken is None:
                try:
                    rules.check(entry, ours.size)
                except Failure as failure:
                    broken = failure
            if made is not None:
                ours.append(made)
            if leaf is not None and published is not ours:
                published.append(leaf)
            keep()

    e, h = ours.size, published.size
    if e == size and ours.root() == root:
        if difference is not None:
            raise Failure(ROOT, f"leaf hash {difference} is not of its entry")
    elif h != size or published.root() != root:
        if e < size and h < size:
            raise Failure(TAIL, f"ends after {e} of {size}") if continues() else Failure(MISSING, "before the kept one")
        if e > size and h > size:
            raise Failure(INSERTED, "more entries than the checkpoint says")
        raise Failure(ROOT, "another root than the checkpoint")
    elif e == difference:
        raise Failure(TAIL, f"ends after {e} of {size}")
    elif e < size:
        raise Failure(MISSING, f"the first missing is {difference}")
    elif e > size:
        raise Failure(INSERTED, f"the first too many is {difference}")
    else:
        raise Failure(ALTERED, f"entry {difference}")
    if not continues():
        raise Failure(FORK, "the kept checkpoint is of another history")
    if broken:
        raise broken
    for log in rules.hsm_logs.values():
        while log.next():
            pass
    if unread:
        raise Failure(MALFORMED, f"{unread} files do not belong to it")
    return f"{size} entries, whole"


def parse_receipt(data, index, note):
    text = utf8(data, "a receipt")
    head, blank, rest = text.partition("\n\n")
    lines = head.split("\n") if blank else [""]
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Failure(MALFORMED, "a receipt has another first line")
    if lines and lines[0].startswith("extra "):
        base64_of(lines.pop(0)[len("extra ") :], "extra data")
    if not lines or not lines[0].startswith("index "):
        raise Failure(MALFORMED, "a receipt has no index")
    said = decimal_of(lines.pop(0)[len("index ") :], "the index")
    proof = [base64_of(line, "a hash") for line in lines]
    if any(len(item) != 32 for item in proof):
        raise Failure(MALFORMED, "a hash is not 32 bytes")
    if said != index or rest.encode() != note:
        raise Failure(INCLUSION, f"the receipt of entry {index} is of another entry or checkpoint")
    return proof


def verify_part(bundle, size, root, note):
    count = 0
    for path in files_in(bundle):
        if path in EVERY_BUNDLE:
            continue
        name = re.fullmatch(r"entry/(0|[1-9][0-9]{0,18})\.(json|tlog-proof)", path)
        if not name:
            raise Failure(MALFORMED, "a file of another name")
        index = int(name[1])
        entry = read_file(bundle, f"entry/{index}.json", LONGEST_TILE)
        receipt = read_file(bundle, f"entry/{index}.tlog-proof", LONGEST_TILE)
        if entry is None:
            raise Failure(MISSING, f"a receipt without its entry {index}")
        if receipt is None:
            raise Failure(INCLUSION, f"entry {index} without a receipt")
        if name[2] == "json":
            check_inclusion(index, size, leaf_hash(entry), root, parse_receipt(receipt, index, note))
            parse_entry(entry, index)
            count += 1
    return f"{count} entries of {size}, each in the log"


def verify(bundle, key, previous, witnesses, quorum, approvals):
    manifest = read_text(bundle, "bundle.json")
    if manifest not in (b'{"content":"whole","format":1}', b'{"content":"part","format":1}'):
        raise Failure(MALFORMED, "bundle.json is of another format")
    if read_text(bundle, "key") != key.text.encode() + b"\n":
        raise Failure(SIGNATURE, "the bundle has another key")
    note = read_text(bundle, "checkpoint")
    size, root = open_checkpoint(note, key, witnesses, quorum)
    kept = open_checkpoint(previous, key) if previous is not None else None
    names = read_file(bundle, "names", LONGEST_TILE)
    people = "" if names is None else check_names(names)
    if b"part" in manifest:
        if kept:
            raise Failure(USAGE, "a part cannot be compared with a previous checkpoint")
        return verify_part(bundle, size, root, note) + people
    if kept and kept[0] > size:
        raise Failure(TAIL, "smaller than the kept checkpoint")
    if kept and kept[0] == size and kept[1] != root:
        raise Failure(FORK, "two checkpoints of one size")
    logs = {hsm_of(path): HsmLog(os.path.join(bundle, path)) for path in files_in(bundle) if hsm_of(path)}
    chains = lambda: "".join(f"; {log.seq} records of HSM {hsm}" for hsm, log in sorted(logs.items()))
    return verify_whole(bundle, size, root, kept, Rules(approvals, logs)) + chains() + people


def read_key(given):
    """The text of a key, or the file that has it."""
    if re.match(r"[^+]+\+[0-9a-f]{8}\+", given):
        return Key(given)
    with open(given, encoding="utf-8") as file:
        return Key(file.read().strip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--key", required=True)
    parser.add_argument("--previous")
    parser.add_argument("--witness", action="append", default=[])
    parser.add_argument("--quorum", type=int)
    parser.add_argument("--approvals", type=int, default=0)
    given = parser.parse_args()
    try:
        key = read_key(given.key)
        witnesses = [read_key(witness) for witness in given.witness]
        quorum = len(witnesses) if given.quorum is None else given.quorum
        if any(witness.kind != 4 for witness in witnesses) or quorum > len(witnesses):
            parser.error("a witness's key is of another type, or the quorum is larger than their number")
        previous = None
        if given.previous:
            with open(given.previous, "rb") as file:
                previous = file.read()
    except OSError as error:
        parser.error(str(error))
    except Failure as failure:
        print(failure.code, failure)
        return failure.code
    code = 0
    for bundle in given.bundles:
        try:
            print(0, verify(bundle, key, previous, witnesses, quorum, given.approvals))
        except Failure as failure:
            print(failure.code, failure)
            code = failure.code
    return code


sys.exit(main())
