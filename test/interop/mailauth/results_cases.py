# Reads Authentication-Results fields on standard input with authres, and answers what each says; those of authres itself go back as text.
import json
import sys

import authres

answers = []
for field in json.load(sys.stdin):
    header = authres.AuthenticationResultsHeader.parse(field)
    results = [
        {
            "method": result.method,
            "result": result.result,
            "reason": result.reason,
            "properties": [{"type": p.type, "name": p.name, "value": p.value} for p in result.properties],
        }
        for result in header.results
    ]
    answers.append({"authservId": header.authserv_id, "results": results, "text": str(header)})
json.dump(answers, sys.stdout)
