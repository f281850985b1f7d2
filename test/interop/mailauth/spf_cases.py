# Judges the cases on standard input with pyspf, whose DNS is their zones; answers a result and a text for each.
import json
import socket
import sys

import spf

zone = {}


def lookup(name, qtype, *_rest, **_more):
    name = name.rstrip(".").lower()
    if any(len(label) > 63 for label in name.split(".")):
        raise spf.TempError("label too long")
    entry = zone.get(name, {})
    if entry == "SERVFAIL":
        raise spf.TempError("DNS timeout")
    return [((name, qtype), value(qtype, text)) for text in entry.get(qtype, [])]


def value(qtype, text):
    if qtype == "MX":
        preference, host = text.split(" ", 1)
        return int(preference), host
    if qtype == "AAAA":
        return socket.inet_pton(socket.AF_INET6, text)
    return (text.encode("latin-1"),) if qtype == "TXT" else text


spf.DNSLookup = lookup
answers = []
for case in json.load(sys.stdin):
    zone = case["zone"]
    query = spf.query(i=case["ip"], s=case["sender"], h=case["helo"], receiver=case["receiver"], strict=True)
    query.set_default_explanation("")
    result, _code, text = query.check()
    answers.append({"is": result, "text": text or ""})
json.dump(answers, sys.stdout)
